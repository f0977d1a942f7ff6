"""Block ``image``: descriptors of known pictures, guards against bad files, vision encoders from a folder."""

import struct
import zlib

import numpy as np
import polars as pl
import pytest
from PIL import Image

from popcast.core.errors import BadInput
from popcast.features.common import descriptors
from popcast.features.common.contract import Context
from popcast.features.image import Block, Params


def picture(seed: int, width: int = 80, height: int = 60) -> np.ndarray:
    """Generated picture uint8 [height, width, 3]: a tilted colour wave."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 20
    wave = np.sin(x[..., None] * rng.uniform(0.5, 2, 3) + y[..., None] * rng.uniform(-1, 1, 3))
    return (127 + 120 * wave * rng.uniform(0.2, 1, 3)).astype(np.uint8)


def wide_header() -> bytes:
    """A PNG that says it is 50,000 x 50,000 pixels and holds none of them."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    end = b"IEND"
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, end)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for i in range(8):
        Image.fromarray(picture(i)).save(folder / f"{i}.jpg", quality=90)
    modes = Image.fromarray(picture(20))
    modes.convert("L").save(folder / "L.jpg")
    modes.convert("CMYK").save(folder / "CMYK.jpg")
    modes.quantize(32).save(folder / "P.jpg", "PNG")
    modes.convert("RGBA").save(folder / "RGBA.png")
    Image.fromarray(picture(1, 1, 1)).save(folder / "dot.png")
    whole = (folder / "0.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_bytes(b"<html>not found</html>")
    (folder / "wide.png").write_bytes(wide_header())
    Image.fromarray(np.zeros((1, 30_000, 3), np.uint8)).save(folder / "strip.png")
    return folder


def posts_of(media: list[list[str] | None]) -> pl.DataFrame:
    n = len(media)
    return pl.DataFrame(
        {
            "post_id": [f"p{i}" for i in range(n)],
            "media": pl.Series(media, dtype=pl.List(pl.String)),
            "split": ["train" if i < max(1, n * 3 // 4) else "test" for i in range(n)],
        }
    )


def block_of(raw, **params) -> Block:
    return Block(Params(**params), Context("generated", seed=1, raw=raw))


def test_bad_files_are_counted_and_null(raw):
    names = ["0.jpg", "gone.jpg", "broken.jpg", "text.jpg", "wide.png", "strip.png"]
    posts = posts_of([[name] for name in names] + [None, [], ["a.mp4", "1.jpg"], ["clip.mp4"]])
    block = block_of(raw).fit(posts)
    table = block.transform(posts)
    assert table["image.has_image"].to_list() == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert block.quality == {"with_image": 7, "missing_file": 1, "absurd_size": 2, "undecodable": 2}
    good = pl.Series(table["image.has_image"] == 1)
    for name in table.columns[2:]:
        assert (table[name].is_not_null() == good).all(), name


def test_modes_and_sizes(raw):
    posts = posts_of([["L.jpg"], ["CMYK.jpg"], ["P.jpg"], ["RGBA.png"], ["0.jpg"], ["dot.png"]])
    table = block_of(raw).fit(posts).transform(posts)
    assert table["image.mode"].to_list() == ["L", "CMYK", "P", "RGBA", "RGB", "RGB"]
    assert table["image.width"].to_list() == [80, 80, 80, 80, 80, 1]
    assert table["image.pixels"].to_list() == [4800] * 5 + [1]
    assert table["image.aspect"].to_list()[:5] == [pytest.approx(80 / 60)] * 5
    colour = dict(zip(table["image.mode"], table["image.colourfulness"], strict=True))
    assert colour["L"] == pytest.approx(0)
    assert colour["RGBA"] > 10


def described(rgb: np.ndarray) -> dict[str, float]:
    return dict(zip(descriptors.NAMES, descriptors.describe(rgb), strict=True))


def test_descriptors_of_known_pictures():
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    flat = described(red)
    assert flat["saturation_mean"] == 1
    assert flat["hue_0"] == 1
    assert flat["dominant_hue"] == pytest.approx(0.5 / descriptors.HUES)
    # Hasler and Suesstrunk by hand: both deviations 0, means of rg = 255 and yb = 127.5
    assert flat["colourfulness"] == pytest.approx(0.3 * np.hypot(255, 127.5))
    assert flat["entropy"] == flat["sharpness"] == flat["edge_density"] == flat["contrast"] == 0
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    sharp = described(stripes)
    assert sharp["entropy"] == 1
    assert sharp["brightness_mean"] == pytest.approx(0.5)
    assert sharp["brightness_std"] == pytest.approx(0.5)
    assert sharp["contrast"] == 1
    assert sharp["colourfulness"] == 0
    # right neighbours always differ by 15 of 16 levels, lower ones never
    assert sharp["glcm_contrast"] == pytest.approx(15**2 / 2)
    assert sharp["sharpness"] > flat["sharpness"]
    smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (64, 1, 3))
    assert described(smooth)["sharpness"] < sharp["sharpness"]
    assert sum(sharp[f"lbp_{i}"] for i in range(descriptors.PATTERNS)) == pytest.approx(1)


def test_embedding_is_standardised_on_training_posts_and_saved(raw, tmp_path):
    posts = posts_of([[f"{i}.jpg"] for i in range(8)])
    block = block_of(raw).fit(posts)
    table = block.transform(posts)
    train = table["image.embedding"].to_numpy()[:6]
    assert train.shape == (6, descriptors.WIDTH)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    deviations = train.std(axis=0)
    assert set(deviations.round(3)) == {0, 1}
    block.save(tmp_path)
    loaded = Block.load(tmp_path, block.context)
    assert loaded.quality == block.quality
    assert loaded.transform(posts).equals(table)
    assert loaded.transform(posts[7:]).equals(table[7:])
    mixed = posts.reverse()
    assert block_of(raw).fit(mixed).transform(mixed).reverse().equals(table)


def test_processes_and_finished_pieces_give_the_same(raw, tmp_path, monkeypatch):
    posts = posts_of([[f"{i}.jpg"] for i in range(8)] + [["broken.jpg"]])
    monkeypatch.setenv("POPCAST_ENGINE", "serial")
    serial = block_of(raw).fit(posts).transform(posts)
    monkeypatch.setenv("POPCAST_ENGINE", "process")
    kept = Block(Params(shard=5), Context("generated", seed=1, raw=raw, scratch=tmp_path))
    assert kept.fit(posts).transform(posts).equals(serial)
    assert len(list(tmp_path.glob("images-*.npy"))) == 2
    monkeypatch.setattr(descriptors, "read_picture", None)  # a second run must not decode anything
    monkeypatch.setenv("POPCAST_ENGINE", "serial")
    again = Block(Params(shard=5), Context("generated", seed=1, raw=raw, scratch=tmp_path))
    assert again.fit(posts).transform(posts).equals(serial)


def test_missing_raw_folder(tmp_path):
    posts = posts_of([["0.jpg"]])
    with pytest.raises(BadInput, match="no such folder"):
        block_of(tmp_path / "nowhere").fit(posts)
    nothing = block_of(None).fit(posts_of([None])).transform(posts_of([None]))
    assert nothing["image.has_image"].to_list() == [0]


def save_encoder(folder, kind: str) -> None:
    """A tiny vision model with generated weights, in the form in which models are published."""
    import torch
    from transformers import CLIPConfig, CLIPModel, ViTConfig, ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    if kind == "vit":
        ViTModel(ViTConfig(**sizes, image_size=32, patch_size=16)).save_pretrained(folder)
    else:
        text = sizes | {"vocab_size": 20}
        config = CLIPConfig(
            text_config=text, vision_config=sizes | {"image_size": 32, "patch_size": 16}, projection_dim=12
        )
        CLIPModel(config).save_pretrained(folder)
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


@pytest.mark.parametrize(("kind", "width"), [("vit", 16), ("clip", 12)])
def test_vision_encoder_from_a_folder(raw, tmp_path, kind, width):
    from transformers import AutoModel

    save_encoder(tmp_path / "model", kind)
    posts = posts_of([[f"{i}.jpg"] for i in range(4)] + [["broken.jpg"], ["L.jpg"]])
    block = block_of(raw, encoder=str(tmp_path / "model"), batch=2).fit(posts)
    column = block.transform(posts)["image.encoder_embedding"]
    assert column.dtype == pl.Array(pl.Float32, width)
    assert column.is_null().to_list() == [False, False, False, False, True, False]
    vectors = column.drop_nulls().to_numpy()
    assert len(np.unique(vectors.round(4), axis=0)) == 5
    alone = block.transform(posts[2:3])["image.encoder_embedding"].to_numpy()
    np.testing.assert_allclose(alone[0], vectors[2], atol=1e-5)
    if kind == "clip":
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
        return
    import torch

    rgb = np.asarray(Image.open(raw / "2.jpg").resize((32, 32), Image.Resampling.BILINEAR))
    pixels = torch.tensor((rgb / 255 - 0.5) / 0.5, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = AutoModel.from_pretrained(tmp_path / "model").eval()(pixels).last_hidden_state[0, 0].numpy()
    np.testing.assert_allclose(vectors[2], expected, atol=1e-3)


def test_unknown_encoder(raw, tmp_path):
    posts = posts_of([["0.jpg"]])
    with pytest.raises(BadInput, match="cannot be loaded: expected a hub id or a folder"):
        block_of(raw, encoder=str(tmp_path / "no-model")).fit(posts).transform(posts)
