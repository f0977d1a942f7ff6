"""What pictures show is told with numbers, for every picture that the report has, also where its table is thin."""

from __future__ import annotations

import re

import polars as pl
import pytest

from popcast.report import fewshot_chapter, response_chapter, simulation_chapter, standard
from popcast.report.pictured import chapter_alts, dataset_alts
from popcast.report.pictured.shown_picture import NAMES, picture, small
from popcast.report.pictured.told_tables import figure, listed, span

FAMILIES = {
    "dataset": (standard.CAPTIONS, dataset_alts.TOLD),
    "fewshot": (fewshot_chapter.CAPTIONS | {fewshot_chapter.CURVE: ""}, chapter_alts.FEWSHOT),
    "audience": (simulation_chapter.CAPTIONS, chapter_alts.AUDIENCE),
    "responses": (response_chapter.CAPTIONS, chapter_alts.RESPONSES),
    "shares": (response_chapter.SHARE_CAPTIONS, chapter_alts.REACTIONS),
}
ROWS = {
    "real": [1.0, 5.5], "predicted": [2.0, 4.0], "tenth": [1, 2], "nominal": [0.1, 0.9], "observed": [0.2, 0.8],
    "mean_error": [None, -0.25], "period": ["2016-01", "2016-02"], "model": ["blend", "1e5"], "older_posts": ["0", "1"],
    "mae": [1.5, None], "column": ["text.a", "7"], "share": [0.75, 0.25], "segment": ["all", "all"],
    "weight": [0.5, 0.0], "left_out": ["a", "b"], "valid_gain": [0.1, None], "valid_low": [0.05, None],
    "columns": [32, 30], "auc": [0.9, None], "monitor": [1.25, 1.0], "epoch": [1, 2], "system": ["pac", "12"],
    "decoding": ["point", "greedy"], "shots": [2, 2], "step": [1, 30], "chosen": [0.0, -0.5], "mean": [0.0, 1.5],
    "posts_low": [0.0, 1.0], "posts_high": [0.0, 2.0], "action": ["like", "reply"], "post_id": ["9", "9"],
    "example": ["highest", "highest"], "attitude": [0.0, 2.0], "difference": [None, -0.1], "high": [None, -0.05],
    "topic_id": ["t", "u"], "negative": [None, 0.5], "positive": [None, 0.5], "net": [0.1, None], "bucket": ["a", "b"],
    "metric": ["micro.rouge_l", "macro.jsd"], "loss": [3.0, 2.0], "class": ["negative", "positive"],
}  # fmt: skip
CASES = [(family, name) for family, (captions, _) in FAMILIES.items() for name in captions]


@pytest.fixture
def drawn(tmp_path):
    """A picture, and beside it the table that it was drawn from."""
    from PIL import Image

    Image.new("RGB", (80, 60), "white").save(tmp_path / "a.png")
    table = pl.DataFrame(ROWS)
    table.write_csv(tmp_path / "a.csv")
    return tmp_path / "a.png"


def test_every_picture_has_words():
    for captions, told in FAMILIES.values():
        assert set(captions) == set(told)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_words_have_numbers_and_nothing_that_is_none(drawn, family, name):
    told = picture(drawn, "", f"dataset {family}", FAMILIES[family][1][name])
    assert told.alt.startswith(f"A, dataset {family}: ")
    assert re.search(r"\d", told.alt.partition(": ")[2])
    assert not re.search(r"nan|none|null|inf\b", told.alt, re.IGNORECASE)
    assert (told.width, told.height) == (80, 60)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_a_table_without_rows_is_said(drawn, family, name):
    pl.DataFrame(ROWS).clear().write_csv(drawn.with_suffix(".csv"))
    assert picture(drawn, "", "x", FAMILIES[family][1][name]).alt.endswith(": no row.")
    drawn.with_suffix(".csv").unlink()
    assert "figures stand in the tables" in picture(drawn, "", "x", FAMILIES[family][1][name]).alt


@pytest.mark.parametrize(("family", "name"), CASES)
def test_intervals_that_are_all_missing_are_no_words(drawn, family, name):
    """Few posts have no intervals: a column of empty cells, which a csv cannot tell from texts."""
    bounds = [column for column in ROWS if column.endswith(("low", "high"))]
    table = pl.DataFrame(ROWS).with_columns(pl.lit(None, pl.Float64).alias(column) for column in bounds)
    table.write_csv(drawn.with_suffix(".csv"))
    told = picture(drawn, "", f"dataset {family}", FAMILIES[family][1][name])
    assert not re.search(r"nan|none|null|inf\b", told.alt, re.IGNORECASE)


def test_names_that_look_like_numbers_stay_names():
    assert {"model", "column", "system", "left_out", "post_id"} <= NAMES


def test_white_stays_white_and_rare_colours_stay(tmp_path):
    import base64
    import io

    from PIL import Image

    whole = Image.radial_gradient("L").convert("RGB")
    whole.paste("white", (0, 0, 100, 100))
    whole.paste("#fde725", (200, 200, 204, 204))
    whole.save(tmp_path / "a.png")
    source, *_ = small(tmp_path / "a.png")
    assert source == small(tmp_path / "a.png")[0], "the same bytes each time"
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as read:
        assert read.convert("RGB").getpixel((5, 5)) == (255, 255, 255)
        assert all(
            abs(a - b) < 20 for a, b in zip(read.convert("RGB").getpixel((202, 202)), (253, 231, 37), strict=True)
        )


def test_numbers_lists_and_spans():
    assert figure(float("nan")) == "not defined"
    assert figure(-0.001) == "0.00"
    assert listed([("a", "1"), ("b", "2"), ("c", "3")], 2) == "a 1, b 2 and 1 more"
    assert span(pl.Series([None, 2.0, float("nan"), -1.0]), 1) == "−1.0 to 2.0"
    assert span(pl.Series([None], dtype=pl.Float64)) == "not defined"
