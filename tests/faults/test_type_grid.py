"""A parquet file whose columns have any type: each cell of the grid is read as what it says, or refused in one line."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset
from tests.faults.raw_folders import COLUMNS, rows

DAYS = [datetime(2020, 1, 1 + day, 12) for day in range(24)]
SECONDS = [1_577_880_000 + 86_400 * day for day in range(24)]
WORDS = [f"w{row}" for row in range(24)]
SMALL = list(range(24))

TYPES: dict[str, pl.Series] = {
    "Int8": pl.Series(SMALL, dtype=pl.Int8),
    "Int64": pl.Series(SECONDS, dtype=pl.Int64),
    "UInt64": pl.Series(SECONDS, dtype=pl.UInt64),
    "Float32": pl.Series(SMALL, dtype=pl.Float32),
    "Float64": pl.Series([float(second) for second in SECONDS]),
    "Boolean": pl.Series([row % 2 == 0 for row in SMALL]),
    "String": pl.Series(WORDS),
    "Categorical": pl.Series(WORDS, dtype=pl.Categorical),
    "Enum": pl.Series(WORDS, dtype=pl.Enum(WORDS)),
    "Binary": pl.Series([word.encode() for word in WORDS]),
    "Date": pl.Series([date(2020, 1, 1 + row) for row in SMALL]),
    "Datetime": pl.Series(DAYS),
    "Datetime ns": pl.Series(DAYS, dtype=pl.Datetime("ns")),
    "Datetime zone": pl.Series(DAYS).dt.replace_time_zone("Asia/Tokyo"),
    "Duration": pl.Series([timedelta(hours=row) for row in SMALL]),
    "Time": pl.Series([time(row) for row in SMALL]),
    "Decimal": pl.Series([Decimal(row) / 4 for row in SMALL], dtype=pl.Decimal(10, 2)),
    "List of text": pl.Series([[word, "x"] for word in WORDS]),
    "List of lists": pl.Series([[[word]] for word in WORDS]),
    "Array": pl.Series([[row, row] for row in SMALL], dtype=pl.Array(pl.Int64, 2)),
    "Struct": pl.Series([{"a": row} for row in SMALL]),
    "Null": pl.Series([None] * 24, dtype=pl.Null),
}
WHOLE, FRACTIONS, TEXTS = (
    {"Int8", "Int64", "UInt64"},
    {"Float32", "Float64", "Decimal"},
    {"String", "Categorical", "Enum"},
)
NUMBERS, MOMENTS = WHOLE | FRACTIONS | {"Boolean"}, {"Date", "Datetime", "Datetime ns", "Datetime zone"}
TEXT = NUMBERS | TEXTS | MOMENTS | {"Time", "Null"}
LISTS = TEXT | {"List of text", "Array"}

READ: dict[str, set[str]] = {
    "id": WHOLE | TEXTS,
    "author": TEXT,
    "time": MOMENTS | {"Int64", "UInt64", "Float64"},
    "text": TEXT,
    "tags": LISTS,
    "category": TEXT,
    "media": LISTS,
    "numbers": NUMBERS | {"Null"},
    "author_numbers": NUMBERS | {"Null"},
    "posthoc": NUMBERS | {"Null"},
    "label": NUMBERS - {"Decimal"},  # of quarters: no counts
}
"""Use of a column -> types that can be read as it; every other is refused. Text that is no number, no time and so on is
refused for its content."""

POSTS = {
    "id": "post_id", "author": "user_id", "time": "posted_at", "text": "title", "tags": "tags", "category": "category",
    "media": "media", "numbers": "post_length", "author_numbers": "user_fans", "posthoc": "posthoc_likes",
    "label": "popularity",
}  # fmt: skip


def load(folder: Path, use: str, kind: str) -> pl.DataFrame:
    """Posts of a parquet file in which the column for ``use`` has the type ``kind``."""
    column = COLUMNS[use][0] if isinstance(COLUMNS[use], list) else COLUMNS[use]
    plain = {"length": pl.Float64, "fans": pl.Int64, "likes": pl.Int64, "plays": pl.Int64}
    table = pl.DataFrame(rows()).with_columns(pl.col(name).cast(dtype) for name, dtype in plain.items())
    table.with_columns(TYPES[kind].alias(column)).write_parquet(folder / "posts.parquet")
    layout = {"labelled": "posts.parquet", "columns": COLUMNS, "transform": "log2(x+1)"}
    posts, _ = loading.load("grid", Dataset(kind="table", raw=str(folder), table=layout))
    return tables.check(posts, tables.POSTS, "posts")


@pytest.mark.parametrize("use", list(COLUMNS))
def test_every_type_is_read_as_it_is_or_refused_by_name(tmp_path, use):
    outcome = {}
    for kind in TYPES:
        try:
            outcome[kind] = load(tmp_path, use, kind)[POSTS[use]]
        except BadInput as error:
            said = str(error)
            assert re.search(r"posts\.parquet: (row \d+: )?field", said), (kind, said)
            assert said.isprintable(), kind
    assert set(outcome) == READ[use]
    for kind, values in outcome.items():
        assert len(values) == 24, kind
        given = TYPES[kind]
        if kind == "Null":
            assert values.null_count() == 24
        elif use in ("numbers", "author_numbers", "posthoc"):
            assert values.to_list() == given.cast(pl.Float64).to_list(), kind
        elif use == "label":
            assert (2**values - 1).round(2).to_list() == given.cast(pl.Float64).to_list(), kind
        elif use in ("id", "author", "category", "text") and kind in TEXTS | WHOLE:
            assert values.to_list() == [str(one) for one in given], kind
        elif use == "time" and kind in ("Int64", "UInt64", "Float64", "Datetime", "Datetime ns"):
            assert values.dt.epoch("s").to_list() == SECONDS, kind
        elif use == "time":
            assert values.dt.epoch("s")[1] - values.dt.epoch("s")[0] == 86_400, kind
        elif use in ("tags", "media") and kind == "Array":
            assert values.to_list() == [[str(row), str(row)] for row in SMALL]


def test_the_grid_has_eleven_uses_and_twenty_two_types():
    assert (len(READ), len(TYPES)) == (11, 22)
    assert set(READ) == set(COLUMNS)


def test_times_of_a_typed_column_are_checked_as_those_of_a_text_are(tmp_path):
    for moment in (datetime(1970, 1, 1), datetime(9999, 12, 31)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(TYPES, "Odd", pl.Series([*DAYS[:23], moment]))
            with pytest.raises(BadInput, match=r"row 24: field 'when': time out of range"):
                load(tmp_path, "time", "Odd")
