"""Pictures and videos that mean harm: counted by reason, in little memory, whatever their header says.

A process of its own decodes them, for only the memory of a process tells what a decoder in C took.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from popcast.features.common import descriptors
from popcast.features.common.contract import Context
from popcast.features.image.block import Block, Params
from popcast.features.video.block import read_frames
from tests.conftest import ROOT

MEMORY = 700
"""MB of a whole process that decodes what is allowed at most; 10,900 x 10,900 pixels took 1.6 GB (WebP: 2.5)."""
WIDE = 10_900
ALLOWED = 4_990

CHILD = """
import json, sys
from pathlib import Path
from popcast.features.common import descriptors
said = {}
for name in sys.argv[1:]:
    try:
        rgb, width, height, mode = descriptors.read_picture(Path(name))
        said[Path(name).name] = [list(rgb.shape), width, height, mode]
    except descriptors.Undecodable as reason:
        said[Path(name).name] = str(reason)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({"said": said, "mb": int(status["VmHWM"].split()[0]) / 1024}))  # maxrss knows the parent's, too
"""


def decoded(files: list[Path]) -> dict:
    """What a fresh process says of the files: shape, width, height and mode or a reason, and the memory it took."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, files)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def picture(side: int, mode: str = "RGB") -> Image.Image:
    """Squares of random colours."""
    small = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.NEAREST).convert(mode)


def png(width: int, height: int, data: bytes = b"", kind: int = 2, extra: bytes = b"") -> bytes:
    """A PNG that claims a size and holds whatever data."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    first = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + first + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    content = b"comment\0\0" + zlib.compress(bytes(200_000_000))
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    import io

    buffer = io.BytesIO()
    picture(64).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff(width: int, height: int, tile: int | None = None) -> bytes:
    """A TIFF that claims a size, in one strip or in tiles of a size."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
    tags += (
        [(322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, 16)]
        if tile
        else [(273, 4, 8), (278, 4, height), (279, 4, 16)]
    )
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4 + 64)


def bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IIIIiiHHIIIIII", 99, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + head


def gif(width: int, height: int, frame: tuple[int, int] | None = None) -> bytes:
    size = frame or (width, height)
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x4c\x01\x00;"


LIES = {
    "wide.png": (png(WIDE, WIDE), "absurd_size"),
    "longest.png": (png(2**31 - 1, 1), "absurd_size"),
    "too much.png": (png(64, 64, bytes(100_000_000)), None),
    "no data.png": (png(ALLOWED, ALLOWED), "undecodable"),
    "text bomb.png": (png(8, 8, bytes(8 * 25), extra=text_bomb()), "undecodable"),
    "wide.jpg": (jpeg(65_500, 65_500), "absurd_size"),
    "wider than it is.jpg": (jpeg(4_900, 4_900), None),
    "wide.gif": (gif(65_535, 65_535), "absurd_size"),
    "a wide frame.gif": (gif(8, 8, (65_535, 65_535)), "absurd_size"),
    "wide.tif": (tiff(60_000, 60_000), "absurd_size"),
    "wide tiles.tif": (tiff(64, 64, 60_000), "undecodable"),
    "wide.bmp": (bmp(WIDE, WIDE), "absurd_size"),
    "a little too wide.bmp": (bmp(5_001, 5_000), "absurd_size"),
    "a program.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) = flush\n", "undecodable"),
    "a document.png": (b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + bytes(99), "undecodable"),
    "empty.webp": (b"", "undecodable"),
    "nothing.webp": (b"RIFF\xff\xff\xff\x7fWEBPVP8X" + bytes(99), "undecodable"),
}  # fmt: skip


def test_headers_that_lie_are_counted_and_cost_nothing(tmp_path):
    for name, (content, _) in LIES.items():
        (tmp_path / name).write_bytes(content)
    found = decoded([tmp_path / name for name in LIES])
    said = {name: reason for name, reason in found["said"].items() if LIES[name][1] is not None}
    assert said == {name: reason for name, (_, reason) in LIES.items() if reason is not None}
    assert found["mb"] < MEMORY / 2


def test_the_largest_that_is_decoded(tmp_path):
    """5,000 x 5,000 pixels, in the format that needs most."""
    Image.new("RGB", (5_000, 5_000), (200, 100, 50)).save(tmp_path / "large.webp", quality=50, method=0)
    found = decoded([tmp_path / "large.webp"])
    side = descriptors.SIDE
    assert found["said"] == {"large.webp": [[side, side, 3], 5_000, 5_000, "RGB"]}
    assert found["mb"] < MEMORY


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "I;16"])
def test_a_large_picture_looks_like_itself(tmp_path, mode):
    """Made smaller by a whole factor first, it is what it would have been: the same colours in the same places."""
    side = 2_560
    whole = picture(side)
    if mode == "I;16":
        whole = Image.fromarray(np.asarray(whole.convert("L")).astype(np.uint16) * 0 + 200)
    else:
        whole = whole.convert(mode)
    ending = "tif" if mode == "CMYK" else "png"
    whole.save(tmp_path / f"large.{ending}")
    rgb, width, height, kept = descriptors.read_picture(tmp_path / f"large.{ending}")
    assert (width, height, kept) == (side, side, mode)
    plain = whole.convert("RGBA").convert("RGB") if mode == "P" else whole.convert("RGB")
    expected = descriptors.scaled(np.asarray(plain))
    assert np.abs(rgb.astype(int) - expected.astype(int)).max() <= 2


def test_the_block_counts_them_and_goes_on(tmp_path):
    import polars as pl

    for name, (content, _) in LIES.items():
        (tmp_path / name).write_bytes(content)
    picture(80).save(tmp_path / "good.png")
    names = [name for name, (_, reason) in LIES.items() if reason] + ["good.png"]
    rows = {"post_id": [f"{i:02}" for i in range(len(names))], "media": [[name] for name in names]}
    posts = pl.DataFrame(rows).with_columns(split=pl.lit("train"))
    block = Block(Params(), Context("generated", seed=1, raw=tmp_path)).fit(posts)
    table = block.transform(posts)
    assert table["image.has_image"].to_list() == [0.0] * (len(names) - 1) + [1.0]
    reasons = [reason for _, reason in LIES.values() if reason]
    assert block.quality["absurd_size"] == reasons.count("absurd_size")
    assert block.quality["undecodable"] == reasons.count("undecodable")


def film(path: Path, width: int, height: int, codec: str = "ffv1") -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
        for _ in range(2):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_wide_video_is_refused(tmp_path, monkeypatch):
    film(tmp_path / "wide.avi", 640, 480)
    monkeypatch.setattr(descriptors, "MAX_PIXELS", 640 * 480)
    assert len(read_frames(tmp_path / "wide.avi", 2)[0]) == 2
    monkeypatch.setattr(descriptors, "MAX_PIXELS", 640 * 480 - 1)
    with pytest.raises(descriptors.Undecodable, match="absurd_size"):
        read_frames(tmp_path / "wide.avi", 2)


def test_a_video_whose_frames_outgrow_its_header_is_refused(tmp_path, monkeypatch):
    """The header of the container says 64 x 64, its frames are 640 x 480."""
    film(tmp_path / "grows.avi", 640, 480, "mpeg4")
    data = (tmp_path / "grows.avi").read_bytes()
    place = data.index(b"strf") + 8
    assert struct.unpack("<ii", data[place + 4 : place + 12]) == (640, 480)
    (tmp_path / "grows.avi").write_bytes(data[: place + 4] + struct.pack("<ii", 64, 64) + data[place + 12 :])
    assert len(read_frames(tmp_path / "grows.avi", 2)[0]) == 2
    monkeypatch.setattr(descriptors, "MAX_PIXELS", 100_000)
    with pytest.raises(descriptors.Undecodable):
        read_frames(tmp_path / "grows.avi", 2)


def test_a_video_of_endless_frames_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    from popcast.features.video import block

    film(tmp_path / "long.avi", 64, 64)
    monkeypatch.setattr(block, "MAX_FRAMES", 1)
    monkeypatch.setattr(block, "_decode", None)
    with pytest.raises(descriptors.Undecodable, match="absurd_size"):
        block.read_frames(tmp_path / "long.avi", 2)
