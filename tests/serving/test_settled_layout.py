"""A few new posts are read as all the known ones were, whatever they look like alone."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.loading import Quality
from popcast.datasets.params import Table
from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.datasets.table import posts_of
from popcast.serving.asked_posts import asked_posts
from popcast.serving.bundle import Contents
from popcast.serving.settled_layout import settled

KNOWN = pl.DataFrame(
    {
        "id": [f"a{i}" for i in range(6)],
        "datum": ["03.01.2025 09:41", "25.01.2025 10:00", *[f"0{i}.02.2025 08:00" for i in range(1, 5)]],
        "schlagworte": ["a|b c", "b|c d", "x|y", "a", "b|z", "c|d e"],
        "abonnenten": ["17.958", "994", "1.204", "2,8 Tsd.", "10.771", "1.000"],
        "likes": ["12", "1.234", "77", "8", "1.001", "45"],
    }
)
LAYOUT = {
    "labelled": "posts.csv",
    "without_label": "predict",
    "columns": {"id": "id", "time": "datum", "tags": "schlagworte", "author_numbers": ["abonnenten"], "label": "likes"},
}


@pytest.fixture
def layout() -> Table:
    open_layout, rows = Table.model_validate(LAYOUT), rows_of_frame(KNOWN)
    posts = posts_of(rows, None, open_layout, "Europe/Berlin", Quality(0.0))
    assert posts["user_abonnenten"].to_list() == [17958, 994, 1204, 2800, 10771, 1000]
    return settled(rows, open_layout, "Europe/Berlin", posts)


def asked(layout: Table, rows: list[dict]) -> tuple[pl.DataFrame, list[str]]:
    known = Contents.model_construct(table=layout, names=KNOWN.columns, zone="Europe/Berlin")
    found = asked_posts(rows_of_frame(pl.DataFrame(rows)), known)
    return found.posts, found.said


def test_what_was_found_is_written_down(layout):
    assert (layout.decimal, layout.day_first, layout.tag_separator) == (",", True, "|")


def test_nothing_is_written_down_where_nothing_depends_on_it():
    plain = pl.DataFrame({"id": ["a", "b"], "words": ["one two", "three"], "likes": [1, 2]})
    columns = {"id": "id", "tags": "words", "label": "likes"}
    open_layout, rows = Table.model_validate({"labelled": "x", "columns": columns}), rows_of_frame(plain)
    assert settled(rows, open_layout, "UTC", posts_of(rows, None, open_layout, "UTC", Quality(0.0))) == open_layout


def test_one_row_is_read_as_all_were(layout):
    row = {"id": "n", "datum": "03.04.2025 08:00", "schlagworte": "p q|r", "abonnenten": "1.500"}
    posts, said = asked(layout, [row])
    assert posts["user_abonnenten"].to_list() == [1500.0]
    assert posts["posted_at"].dt.strftime("%F %H:%M").to_list() == ["2025-04-03 06:00"]
    assert posts["tags"].to_list() == [["p q", "r"]]
    assert posts["popularity"].to_list() == [None]
    assert said == []


def test_rows_with_and_without_a_time_keep_their_order(layout):
    rows = [{"id": f"n{i}", "datum": time, "abonnenten": str(i)} for i, time in
            enumerate([None, "03.04.2025 08:00", "", "n/a", "04.04.2025 08:00"])]  # fmt: skip
    posts, said = asked(layout, rows)
    assert posts["post_id"].to_list() == [f"n{i}" for i in range(5)]
    assert posts["user_abonnenten"].to_list() == [0, 1, 2, 3, 4]
    assert posts["posted_at"].is_null().to_list() == [True, False, True, True, False]
    assert said == ["columns that the posts lack, taken as not known: 'schlagworte'"]


def test_ids_may_be_missing_and_may_repeat(layout):
    posts, _ = asked(layout, [{"id": one, "abonnenten": "5"} for one in ("x", None, "x", None)])
    assert posts["post_id"].to_list()[::2] == ["x", "x"]
    assert posts["post_id"].null_count() == 0


def test_the_label_is_not_even_read(layout):
    posts, said = asked(layout, [{"id": "x", "abonnenten": "5", "likes": "as many as there are"}])
    assert posts["popularity"].to_list() == [None]
    assert said == ["columns that the posts lack, taken as not known: 'datum', 'schlagworte'"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "x", "abonnenten": "many"}, "row 1: field 'abonnenten': not a number: got 'many'"),
        ({"id": "x", "datum": "soon"}, "field 'datum'"),
        ({"mood": "fine"}, "none of its columns is known: expected some of 'id', 'datum'"),
    ],
)
def test_what_cannot_be_read_is_one_line(layout, row, said):
    with pytest.raises(BadInput, match=said) as error:
        asked(layout, [row])
    assert "\n" not in str(error.value)


def test_no_row_is_no_post(layout):
    none = pl.DataFrame(schema={"id": pl.String, "datum": pl.String})
    known = Contents.model_construct(table=layout, names=KNOWN.columns, zone="UTC")
    assert asked_posts(rows_of_frame(none), known).posts.height == 0
