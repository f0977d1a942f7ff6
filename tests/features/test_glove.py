"""Block ``glove``: mean word vectors of titles and tags, from a tiny folder of vectors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.pretrained.word_vectors import write_word_vectors
from popcast.features.common.contract import Context
from popcast.features.glove import Block, Params
from popcast.features.glove.block import words_of

WORDS = ["rain", "sun", "do", "n't", "rain-coat", "o'clock"]
VECTORS = np.array([[1, 0], [0, 1], [2, 2], [-1, 0], [9, 9], [7, 7]], np.float32)


@pytest.fixture
def folder(tmp_path):
    write_word_vectors(WORDS, VECTORS, tmp_path / "words")
    return tmp_path / "words"


def posts_of(titles: list[str | None], tags: list[list[str] | None]) -> pl.DataFrame:
    rows = {"post_id": [f"p{i}" for i in range(len(titles))], "title": titles, "tags": tags}
    return pl.DataFrame(
        rows | {"split": ["train"] * len(titles)}, schema_overrides={"title": pl.String, "tags": pl.List(pl.String)}
    )


def block_of(folder, name: str | None = None, **params) -> Block:
    return Block(Params(vectors=str(folder), **params), Context("generated", 0, block=name))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't", ["do", "n't"]),
        ("It’s RAIN; we'll see", ["it", "'s", "rain", "we", "'ll", "see"]),
        ("l'été ‘quoted’", ["l", "été", "quoted"]),
        ("#sun_set @a 3.5", ["sun_set", "a", "3", "5"]),
        ("天气 ok", ["天气", "ok"]),
        ("!?", []),
    ],
)
def test_words_are_cut_as_glove_has_them(text, words):
    assert words_of(text) == words


def test_means_of_known_words_and_nulls(folder):
    titles = ["Rain, rain & sun!", "don't", "unknown words", None, "!!"]
    posts = posts_of(titles, [["sun"], [], None, ["rain", "storm sun"], ["nothing"]])
    table = block_of(folder).fit(posts).transform(posts)
    assert table["glove.title_embedding"].to_list() == [
        pytest.approx([2 / 3, 1 / 3], abs=1e-6), [0.5, 1.0], None, None, None,
    ]  # fmt: skip
    assert table["glove.title_known"].to_list() == [1.0, 1.0, 0.0, None, None]
    assert table["glove.tags_embedding"].to_list() == [[0, 1], None, None, pytest.approx([0.5, 0.5]), None]
    assert table["glove.tags_known"].to_list() == [1.0, None, None, pytest.approx(2 / 3), 0.0]
    assert table.schema["glove.title_embedding"] == pl.Array(pl.Float32, 2)


def test_order_single_rows_and_saving(folder, tmp_path):
    posts = posts_of([f"rain {'sun ' * i}" for i in range(9)], [["sun"]] * 9)
    block = block_of(folder, "glove_small", texts={"all": ["title", "tags"], "caption": ["post_caption"]}).fit(posts)
    table = block.transform(posts)
    assert table.columns[1:] == [
        f"glove_small.{name}_{what}" for name in ("all", "caption") for what in ("embedding", "known")
    ]
    assert table["glove_small.caption_embedding"].null_count() == 9  # a table without captions
    mixed = posts.sample(fraction=1, shuffle=True, seed=3)
    assert block.transform(mixed).sort("post_id").equals(table)
    block.save(tmp_path / "saved")
    loaded = Block.load(tmp_path / "saved", Context("generated", 0, block="glove_small"))
    assert loaded.transform(posts[4:5]).equals(table[4:5])
    assert loaded.transform(posts.clear()).height == 0


def test_posts_without_a_known_word_are_refused(folder):
    posts = posts_of(["nothing here", None], [None, None])
    with pytest.raises(BadInput, match="generated: no training post has a word with a vector: leave glove out"):
        block_of(folder).fit(posts)
    with pytest.raises(BadInput, match="no such folder of word vectors"):
        block_of("models/pretrained/no_such").fit(posts)
