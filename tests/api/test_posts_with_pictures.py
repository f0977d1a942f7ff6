"""Posts with pictures: files are looked for where the caller says, and a draft without one is no fault."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from PIL import Image

import popcast
from tests.api.fixed_choice import GIVEN, rows
from tests.features.test_image import picture

SETTINGS = {
    "splits": {"posts": {"method": "chronological", "shares": [0.6, 0.2, 0.2], "folds": 2}},
    "media": {"posts-image": {"dataset": "posts", "block": "image", "raw": "."}},
    "runs": {
        "posts-lightgbm": {
            "dataset": "posts", "name": "lightgbm", "model": "lightgbm", "features": "posts", "blocks": ["image"],
            "set": {"embeddings": ["image.embedding"], "rounds": 20, "min_child_samples": 3, "early_stopping": 20},
        }
    },
    "blend": {"fit_on": "valid"},
    "evaluation": {"bootstrap": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures; the light one is what people like."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(picture(1, 32, 32) // 4).save(folder / "dark.png")
    Image.fromarray(255 - picture(1, 32, 32) // 4).save(folder / "light.png")
    return folder


@pytest.fixture(scope="module")
def fitted(folder):
    light = np.arange(160) % 3 == 0
    posts = rows(160, unlabelled=0).with_columns(
        picture=pl.Series(np.where(light, "light.png", "dark.png").tolist()),
        likes=pl.Series(np.where(light, 1000, 10) + np.arange(160) % 7),
    )
    return popcast.Forecaster(**GIVEN, media="picture", settings=SETTINGS, folder=folder).fit(posts)


def test_a_picture_decides(fitted):
    found = fitted.predict(rows(2).drop("likes").with_columns(picture=pl.Series(["light.png", "dark.png"])))
    assert found["prediction"][0] > found["prediction"][1] + 2


def test_another_file_of_the_same_name_is_another_picture(fitted, folder, tmp_path):
    (tmp_path / "dark.png").write_bytes((folder / "light.png").read_bytes())
    draft = rows(1).drop("likes").with_columns(picture=pl.lit("dark.png"))
    assert fitted.predict(draft, folder=tmp_path)["prediction"][0] > fitted.predict(draft)["prediction"][0] + 2


def test_a_draft_without_a_picture_or_its_file(fitted, tmp_path):
    draft = rows(1).drop("likes")
    none = fitted.predict(draft.with_columns(picture=pl.lit(None, pl.String)))
    with pytest.warns(UserWarning, match="taken as not known: 'picture'"):
        assert fitted.predict(draft).equals(none)
    gone = fitted.predict(draft.with_columns(picture=pl.lit("gone.png")), folder=tmp_path)
    assert gone["prediction"].is_finite().all()


def test_a_loaded_one_looks_where_it_is_told(fitted, folder, tmp_path, monkeypatch):
    fitted.save(tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    draft = rows(1).drop("likes").with_columns(picture=pl.lit("light.png"))
    loaded = popcast.load(tmp_path / "bundle")
    assert loaded.predict(draft, folder=folder).equals(fitted.predict(draft))
    assert not [name for name, content in loaded.forecast_.files.items() if str(folder).encode() in content]
