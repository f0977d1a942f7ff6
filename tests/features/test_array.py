"""Block ``array``: the row of a post is its id minus 1; files that do not fit are one-line errors (microlens.md)."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.sample import generate
from popcast.features.array import Block, Params
from popcast.features.common.contract import Context

N = 12


def posts_of(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"post_id": ids, "split": ["train"] * len(ids)})


def ids(n: int = N) -> list[str]:
    """Row numbers as text in the order of text: 1, 10, 11, 12, 2 ..."""
    return sorted(str(i + 1) for i in range(n))


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    np.save(folder / "looks.npy", np.arange(N * 3, dtype=np.float32).reshape(N, 3))
    np.save(folder / "sound.npy", np.random.default_rng(0).normal(size=(N, 5)).astype(np.float16))
    return folder


def block_of(raw, **files: str) -> Block:
    return Block(Params(files=files), Context("generated", 0, raw=raw))


def test_row_is_the_id_minus_one_whatever_the_order(raw, tmp_path):
    posts = posts_of(ids())
    block = block_of(raw, looks="looks.npy", sound="sound.npy").fit(posts)
    table = block.transform(posts)
    assert table["post_id"].to_list() == ids()
    assert table.schema["array.looks_embedding"] == pl.Array(pl.Float32, 3)
    assert table.schema["array.sound_embedding"] == pl.Array(pl.Float32, 5)
    expected = [[3.0 * (int(i) - 1) + k for k in range(3)] for i in ids()]
    assert table["array.looks_embedding"].to_list() == expected
    block.save(tmp_path / "model")
    loaded = Block.load(tmp_path / "model", block.context)
    assert loaded.transform(posts[3:5]).equals(table[3:5])


def test_a_post_beyond_the_file_has_null(raw):
    block = block_of(raw, looks="looks.npy").fit(posts_of(ids()))
    column = block.transform(posts_of(["13", "2"]))["array.looks_embedding"]
    assert column.to_list() == [None, [3.0, 4.0, 5.0]]


def refused(block: Block, posts: pl.DataFrame) -> str:
    with pytest.raises(BadInput) as error:
        block.fit(posts)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_refuses_files_that_do_not_fit(raw):
    posts = posts_of(ids())
    assert "looks.npy: wrong number of rows: got 12, expected 13 posts" in refused(
        block_of(raw, looks="looks.npy"), posts_of(ids(13))
    )
    assert "nowhere.npy: no such file" in refused(block_of(raw, looks="nowhere.npy"), posts)
    np.save(raw / "flat.npy", np.zeros(N, np.float32))
    assert "flat.npy: not an array of vectors: got (12,)" in refused(block_of(raw, looks="flat.npy"), posts)
    np.save(raw / "codes.npy", np.zeros((N, 2), np.int64))
    assert "codes.npy: not an array of floats: got 'int64'" in refused(block_of(raw, looks="codes.npy"), posts)
    spoiled = np.zeros((N, 2), np.float32)
    spoiled[7, 1] = np.nan
    np.save(raw / "spoiled.npy", spoiled)
    assert "spoiled.npy: row 8: not finite" in refused(block_of(raw, looks="spoiled.npy"), posts)
    np.save(raw / "objects.npy", np.array([{}] * N), allow_pickle=True)
    assert "objects.npy: not a readable .npy file" in refused(block_of(raw, looks="objects.npy"), posts)
    assert "features.array.files: empty" in refused(block_of(raw), posts)
    assert "no such folder" in refused(block_of(raw / "nowhere", looks="looks.npy"), posts)


def test_refuses_ids_that_are_no_rows(raw):
    block = block_of(raw, looks="looks.npy")
    assert "field 'post_id'" in refused(block, posts_of([*ids()[:-1], "p9"]))
    assert "field 'post_id'" in refused(block, posts_of([*ids()[1:], "0"]))
    assert "the ids of the 12 posts are not 1 to 12" in refused(block, posts_of([*ids()[:-1], "13"]))


def test_refuses_another_width_than_at_fit(raw):
    posts = posts_of(ids())
    block = block_of(raw, looks="looks.npy").fit(posts)
    np.save(raw / "looks.npy", np.zeros((N, 4), np.float32))
    with pytest.raises(BadInput, match=r"looks.npy: wrong width: got 4, expected 3"):
        block.transform(posts)


@pytest.mark.parametrize("files", [{"Looks": "looks.npy"}, {"a-b": "x.npy"}, {"a": "../x.npy"}, {"a": "/x.npy"}])
def test_refuses_names_and_places(files):
    with pytest.raises(ValueError, match=r"expected a|should match pattern"):
        Params(files=files)


def test_generated_arrays_tell_looks_and_topic(tmp_path):
    """Off by default; with ``array_width`` in the official layout, and telling what the generated videos are like."""
    values = {"kind": "microlens", "videos": 200, "media": False}
    generate("microlens", values, 3, tmp_path / "plain", tmp_path / "hidden.csv")
    assert not (tmp_path / "plain/extracted_modality_features").exists()
    generate("microlens", {**values, "array_width": 6}, 3, tmp_path / "raw", tmp_path / "hidden.csv")
    titles = "MicroLens-100k_title_en.csv"
    assert (tmp_path / "raw" / titles).read_bytes() == (tmp_path / "plain" / titles).read_bytes()
    folder = "extracted_modality_features/MicroLens-100k"
    files = {"cover": f"{folder}_image_features_CLIPRN50.npy", "video": f"{folder}_video_features_VideoMAE.npy"}
    posts = posts_of(ids(200))
    table = block_of(tmp_path / "raw", **files).fit(posts).transform(posts)
    counts = np.loadtxt(tmp_path / "raw/MicroLens-100k_pairs.csv", delimiter=",", skiprows=1, usecols=1, dtype=int)
    label = np.log2(np.bincount(counts, minlength=201)[[int(i) for i in ids(200)]])
    for name in files:
        x = np.column_stack([table[f"array.{name}_embedding"].to_numpy(), np.ones(200)])
        explained = 1 - (label - x @ np.linalg.lstsq(x, label, rcond=None)[0]).var() / label.var()
        assert explained > 0.04, name
