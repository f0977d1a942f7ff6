"""NUS (Vine): label rule, layout, and generated rows from raw folder to four frames (mmra.md section 10)."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from math import log2
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from sklearn.model_selection import train_test_split

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset
from popcast.datasets.sample import generate
from popcast.features.common.contract import Context
from popcast.features.video import block as video
from popcast.planning import overlay, project_params
from popcast.splits.making import make_splits
from popcast.splits.params import Split
from tests.conftest import ROOT

HEADER = "video_id,user_id,created,description,comments,likes,reposts,loops"
ROWS = [
    '1200000000000000007,11,2015-07-01T10:00:00Z,"rain, again #cat #night",1,2,3,26',
    "1200000000000000003,11,2015-07-01T11:00:00Z,,0,0,0,0",
    "1200000000000000005,12,2015-07-02T11:00:00Z,later,,,,",
]


def write(raw: Path, rows: list[str] = ROWS, header: str = HEADER) -> Path:
    (raw / "videos").mkdir(parents=True, exist_ok=True)
    (raw / "videos.csv").write_text("\n".join([header, *rows]) + "\n")
    (raw / "videos" / "1200000000000000003.mp4").write_bytes(b"x")
    (raw / "videos" / "77.mp4").write_bytes(b"x")
    return raw


def load(raw: Path, **more: object):
    return loading.load("nus", Dataset(kind="nus", raw=str(raw), **more))


def test_label_is_the_logarithm_of_the_mean_of_the_four_counts(tmp_path):
    posts, quality = load(write(tmp_path))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["popularity"].to_list() == pytest.approx([log2(9), 0.0, None])
    assert posts["post_id"].to_list() == ["1200000000000000007", "1200000000000000003", "1200000000000000005"]
    assert posts["user_id"].to_list() == ["11", "11", "12"]
    assert posts["posted_at"][0] == datetime(2015, 7, 1, 10, tzinfo=UTC)
    assert posts["title"].to_list() == ["rain, again #cat #night", None, "later"]
    assert posts["tags"].to_list() == [["cat", "night"], None, None]
    assert posts["media"].to_list() == [None, ["videos/1200000000000000003.mp4"], None]
    assert not [
        name for name in posts.columns if name.startswith(("posthoc_", "post_", "user_")) and name[-3:] != "_id"
    ]
    assert quality.as_dict()["repaired"] == {"video files without a row": 1}
    whole = [row for row in ROWS if not row.endswith("0,0,0,0")]
    assert load(write(tmp_path, whole), transform="log2(x)")[0]["popularity"].to_list() == [3.0, None]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("5,1,2015-07-01,a,1,2,,4", "row 3: field 'reposts': not a count"),
        ("5,1,2015-07-01,a,1,2,3.5,4", "row 3: field 'reposts': not a count"),
        ("5,1,2015-07-01,a,1,-2,3,4", "row 3: field 'likes': not a count"),
        ("5,1,2015-07-01,a,1,many,3,4", "row 3: field 'likes': not a number"),
        ("5,1,soon,a,1,2,3,4", "row 3: field 'created': not a time"),
        ("5,,2015-07-01,a,1,2,3,4", "row 3: field 'user_id': missing value"),
        ("1200000000000000007,1,2015-07-01,a,1,2,3,4", "row 3: field 'video_id': duplicate id"),
        ("5,1,2015-07-01,a,0,0,0,2", "row 3: field 'mean of the counts': label out of range: got 0.5"),
    ],
)
def test_bad_rows_are_one_line_errors(tmp_path, row, problem):
    with pytest.raises(BadInput) as error:
        load(write(tmp_path, [ROWS[0], row]), transform="log2(x)")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_column_and_missing_file(tmp_path):
    with pytest.raises(BadInput, match="field 'loops': missing column"):
        load(write(tmp_path, [], HEADER.removesuffix(",loops")))
    (tmp_path / "videos.csv").unlink()
    with pytest.raises(BadInput, match=r"videos.csv: missing file"):
        load(tmp_path)


@pytest.fixture(scope="module")
def recipe():
    return YAML(typ="safe").load(ROOT / "recipes/nus.yaml")


def test_recipe_is_a_valid_overlay_without_a_raw_folder(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    overlay.use_overlay(ROOT / "recipes/nus.yaml", None)
    settings = project_params.load()
    assert list(settings.datasets) == ["nus"]
    assert settings.splits["nus"].seeds == (9, 18)


@pytest.fixture(scope="module")
def generated(recipe, tmp_path_factory):
    """A small generated raw folder, its posts and their split, as the recipe says."""
    folder = tmp_path_factory.mktemp("nus")
    values = {**recipe["sample"]["nus"], "videos": 120, "users": 20, "frames": 6}
    generate("nus", values, 5, folder / "raw", folder / "hidden.csv")
    dataset = Dataset.model_validate({**recipe["datasets"]["nus"], "raw": str(folder / "raw")})
    posts, _ = loading.load("nus", dataset)
    split = Split.model_validate(recipe["splits"]["nus"])
    return folder, tables.labelled(posts, make_splits(posts, split, "UTC", 1, "nus"))


def test_generated_rows_split_by_the_published_seeds(generated):
    _, posts = generated
    order = sorted(posts["post_id"], key=int)
    train, rest = train_test_split(order, test_size=0.2, random_state=9)
    test, valid = train_test_split(rest, test_size=0.5, random_state=18)
    found = {name: set(posts.filter(split=name)["post_id"]) for name in ("train", "valid", "test")}
    assert found == {"train": set(train), "valid": set(valid), "test": set(test)}
    assert posts.filter(split="train")["fold"].n_unique() == 4


def test_generated_labels_follow_authors(generated):
    _, posts = generated
    label = posts["popularity"].to_numpy()
    assert label.std() == pytest.approx(2.7, abs=0.6)
    own = posts.with_columns(mean=pl.col("popularity").mean().over("user_id"), n=pl.len().over("user_id"))
    own = own.filter(pl.col("n") > 3)
    others = (own["mean"] * own["n"] - own["popularity"]) / (own["n"] - 1)
    assert np.corrcoef(others, own["popularity"])[0, 1] > 0.2


def test_generated_videos_give_four_frames(generated, recipe):
    folder, posts = generated
    settings = video.Params(**recipe["media"]["nus-video"]["set"])
    assert settings.frames == 4
    posts = posts.sort("post_id").head(24)
    block = video.Block(settings, Context("nus", 1, raw=folder / "raw")).fit(posts)
    table = block.transform(posts)
    frames = table["video.frame_embedding"]
    assert frames.dtype.size == 4 * table["video.embedding"].dtype.size
    assert frames.null_count() == posts["media"].null_count() + block.quality["undecodable"] < 4
    some = posts.filter(pl.col("media").is_not_null())["media"][0][0]
    with av.open(str(folder / "raw" / some)) as container:
        total = sum(1 for _ in container.decode(video=0))
    chosen, _, facts = video.read_frames(folder / "raw" / some, 4)
    assert (len(chosen), facts["frames"]) == (4, total)


def test_same_seed_same_bytes(generated, recipe, tmp_path):
    folder, _ = generated
    values = {**recipe["sample"]["nus"], "videos": 120, "users": 20, "media": False}
    generate("nus", values, 5, tmp_path / "raw", tmp_path / "hidden.csv")
    assert (tmp_path / "raw/videos.csv").read_bytes() == (folder / "raw/videos.csv").read_bytes()
    generate("nus", values, 6, tmp_path / "raw", tmp_path / "hidden.csv")
    assert (tmp_path / "raw/videos.csv").read_bytes() != (folder / "raw/videos.csv").read_bytes()
