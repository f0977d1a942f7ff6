"""Captions of images come from a csv beside the raw files."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.captions import add_captions
from popcast.datasets.params import Dataset
from tests.datasets.test_table import COLUMNS, write


def loaded(folder, text: str):
    write(folder / "posts.csv")
    (folder / "captions.csv").write_text(text)
    layout = {"labelled": "posts.csv", "columns": COLUMNS}
    posts, _ = loading.load("mine", Dataset(kind="table", raw=str(folder), table=layout))
    return add_captions(posts, folder / "captions.csv")


def test_captions_join_by_id_whatever_their_order(tmp_path):
    posts = loaded(tmp_path, 'post_id,caption\n9,"a dog, asleep"\n7,two boats\n08," "\n')
    found = dict(posts.select("post_id", "post_caption").iter_rows())
    assert found == {"7": "two boats", "08": None, "9": "a dog, asleep"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,caption\n7,x\n", "captions.csv: field 'post_id': no such column"),
        ("post_id,caption\n7,x\n8,y\n", "captions.csv: row 3: field 'post_id': no post has this id: got '8'"),
        ("post_id,caption\n7,x\n7,y\n", "captions.csv: row 3: field 'post_id': duplicate id: got '7'"),
        ("post_id,caption\n,x\n", "captions.csv: row 2: field 'post_id': missing value"),
    ],
)
def test_wrong_captions_are_named(tmp_path, text, said):
    with pytest.raises(BadInput, match=said.replace("(", r"\(")):
        loaded(tmp_path, text)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"captions\.csv: missing file"):
        add_captions(pl.DataFrame({"post_id": ["7"]}), tmp_path / "captions.csv")
