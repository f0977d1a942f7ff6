"""Block ``ocr``: words in pictures, with a reader of the test that reads the colour of the first pixel."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.features.ocr import Block, Params
from popcast.features.ocr import block as ocr_block
from popcast.features.ocr.word_reading import WordReader, Words

LINES = {10: (), 120: ("BREAKING", "news 24"), 240: ("天气" * 1500,)}
"""What the reader of the test reads by grey level."""


def read(picture: np.ndarray) -> Words:
    lines = LINES[min(LINES, key=lambda level: abs(level - int(picture[0, 0, 0])))]
    return Words(lines, 0.25 if lines else 0.0, 0.9 if lines else float("nan"))


@pytest.fixture
def raw(tmp_path, monkeypatch):
    asked = []

    def reader_of(model):
        asked.append(model)
        return read

    monkeypatch.setenv("POPCAST_ENGINE", "serial")  # other processes would not have the reader of the test
    monkeypatch.setattr(ocr_block, "reader_of", reader_of)
    for level in LINES:
        Image.new("RGB", (60, 40), (level,) * 3).save(tmp_path / f"{level}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def posts_of(media: list[list[str] | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"post_id": [f"p{i}" for i in range(len(media))], "media": pl.Series(media, dtype=pl.List(pl.String))}
    ).with_columns(split=pl.lit("train"))


def block_of(raw, name: str | None = None, scratch=None, **params) -> Block:
    return Block(Params(**params), Context("generated", 1, raw=raw, scratch=scratch, block=name))


MEDIA = [["120.png"], ["10.png", "120.png"], None, [], ["clip.mp4"], ["broken.jpg"], ["gone.png"], ["240.png"]]


def test_numbers_nulls_and_counts(raw):
    block = block_of(raw).fit(posts_of(MEDIA))
    table = block.transform(posts_of(MEDIA))
    assert table["ocr.lines"].to_list() == [2, 0, None, None, None, None, None, 1]
    assert table["ocr.letters"].to_list() == [14, 0, None, None, None, None, None, 3000]
    assert table["ocr.area"].to_list() == [0.25, 0, None, None, None, None, None, 0.25]
    assert table["ocr.sure"].to_list() == [0.9, None, None, None, None, None, None, 0.9]
    assert block.quality == {"with_image": 5, "missing_file": 1, "absurd_size": 0, "undecodable": 1}


def test_order_single_rows_saving_and_pieces(raw, tmp_path):
    posts = posts_of(MEDIA)
    (tmp_path / "scratch").mkdir()
    block = block_of(raw, "ocr_cover", tmp_path / "scratch", shard=2).fit(posts)
    table = block.transform(posts)
    assert table.columns == ["post_id", *(f"ocr_cover.{name}" for name in ("lines", "letters", "area", "sure"))]
    mixed = posts.sample(fraction=1, shuffle=True, seed=2)
    assert block_of(raw, "ocr_cover").fit(mixed).transform(mixed).sort("post_id").equals(table)
    block.save(tmp_path / "saved")
    loaded = Block.load(tmp_path / "saved", Context("generated", 1, raw=raw, block="ocr_cover"))
    assert loaded.quality == block.quality
    assert loaded.transform(posts[:1]).equals(table[:1])
    assert len(list((tmp_path / "scratch").glob("words-*.npy"))) == 3
    with pytest.raises(BadInput, match="generated: no posts to describe"):
        loaded.transform(posts.clear())


def test_words_become_a_vector_of_the_encoder(raw, monkeypatch):
    seen = []

    class Encoder:
        def __init__(self, name, max_tokens, scratch):
            assert (name, max_tokens) == ("some/encoder", 8)

        def encode(self, texts):
            seen.extend(texts)
            return np.array([[len(text), 1] for text in texts], np.float32).reshape(-1, 2)

    monkeypatch.setattr(ocr_block, "SentenceEncoder", Encoder)
    posts = posts_of(MEDIA)
    table = block_of(raw, encoder="some/encoder", max_tokens=8).fit(posts).transform(posts)
    assert seen == ["BREAKING / news 24", "天" + "气天" * 332 + "气"]  # 2,000 bytes and no half sign
    assert table["ocr.embedding"].to_list() == [[18, 1], None, None, None, None, None, None, [666, 1]]


def test_a_folder_without_networks_and_a_missing_package_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"det.onnx: missing: expected a folder made by `popcast pretrained ocr`"):
        WordReader(tmp_path)
    for part in ("det", "rec", "cls"):
        (tmp_path / f"{part}.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(BadInput, match=r"ocr: rapidocr_onnxruntime is not installed: `make pretrained` installs it"):
        WordReader(tmp_path)
