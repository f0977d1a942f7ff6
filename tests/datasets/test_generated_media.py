"""Generated pictures and videos: real files, all modes, looks that carry signal, the same bytes every time."""

from __future__ import annotations

import io
from collections import Counter

import av
import numpy as np
import pytest
from PIL import Image

from popcast.datasets.sample import generate, generated_media
from popcast.datasets.sample.random_draws import stream


def pictures(n: int, looks: np.ndarray) -> list[bytes | None]:
    return [generated_media.image_file(stream(1, "picture", row), float(looks[row]), 0.3, 48) for row in range(n)]


def test_modes_and_formats():
    seen = Counter()
    for content in pictures(1000, np.zeros(1000)):
        if content is None:
            seen["missing"] += 1
            continue
        try:
            image = Image.open(io.BytesIO(content))
            image.load()
        except OSError:
            seen["corrupt"] += 1
            continue
        seen[image.mode, image.format] += 1
        assert max(image.size) == 48
    expected = {("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), "missing", "corrupt"}
    assert set(seen) == expected
    assert seen["RGB", "JPEG"] > 800
    assert seen["missing"] < 30
    assert seen["corrupt"] < 20


def test_looks_raise_brightness_saturation_and_contrast():
    looks = np.linspace(-2, 2, 120)
    measured = []
    for row, latent in enumerate(looks):
        content = generated_media.image_file(stream(2, "picture", row), float(latent), 0.6, 48, only_jpeg=True)
        if content is None or len(content) < 500:
            measured.append((np.nan, np.nan, np.nan))
            continue
        hsv = np.asarray(Image.open(io.BytesIO(content)).convert("HSV"), dtype=float)
        measured.append((hsv[..., 2].mean(), hsv[..., 1].mean(), hsv[..., 2].std()))
    table = np.array(measured)
    kept = np.isfinite(table[:, 0])
    for column in range(3):
        assert np.corrcoef(table[kept, column], looks[kept])[0, 1] > 0.6, column


def frames(content: bytes) -> np.ndarray:
    with av.open(io.BytesIO(content)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("row", [0, 1])
def test_video_is_short_and_moves_with_motion(row):
    slow, fast = (generated_media.video_file(stream(3, "film", row), 0.0, motion, 0.5, 12) for motion in (-1.5, 1.5))
    calm, lively = frames(slow).astype(float), frames(fast).astype(float)
    assert calm.shape[1:] == (64, 64, 3)
    assert 8 <= len(calm) <= 16
    assert np.abs(np.diff(lively, axis=0)).mean() > 1.5 * np.abs(np.diff(calm, axis=0)).mean()


def test_same_arguments_same_bytes():
    def film() -> bytes:
        return generated_media.video_file(stream(4, "film", 5), 0.4, 0.2, 0.1, 12)

    assert film() == film()
    assert pictures(20, np.zeros(20)) == pictures(20, np.zeros(20))


def test_two_runs_write_the_same_files(tmp_path):
    values = {
        "smpd": {"posts": 60, "users": 20, "unlabelled": 20, "image_size": 32},
        "microlens": {"videos": 50, "image_size": 32, "frames": 4},
        "tpic2017": {"posts": 80, "users": 9},
    }
    for dataset, section in values.items():
        contents = []
        for attempt in ("first", "second"):
            raw = tmp_path / attempt / dataset
            generate(dataset, section, 5, raw, tmp_path / attempt / f"{dataset}.csv")
            contents.append({str(f.relative_to(raw)): f.read_bytes() for f in raw.rglob("*") if f.is_file()})
        assert contents[0] == contents[1], dataset
        assert len(contents[0]) >= 4


def test_images_lie_where_the_list_says(tmp_path):
    generate(
        "smpd", {"posts": 120, "users": 30, "unlabelled": 40, "image_size": 32}, 5, tmp_path / "raw", tmp_path / "h.csv"
    )
    for split in ("train", "test"):
        listed = (tmp_path / "raw" / f"{split}_allmetadata_json" / f"{split}_img_filepath.txt").read_text().split()
        present = {str(f.relative_to(tmp_path / "raw")) for f in (tmp_path / "raw" / split).rglob("*.jpg")}
        assert present <= set(listed)
        assert len(present) >= 0.9 * len(listed)
