"""Files of every kind with bytes changed, cut, doubled or thrown in: rows, or one line that names the file."""

from __future__ import annotations

import random

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.reading.open_rows import read_rows
from tests.datasets.reading.test_same_rows import KINDS, NAMES, POSTS

ODD = (
    b"\0",
    b'"',
    b"\xff",
    b"\n",
    b"\r",
    b",",
    b";",
    b"{",
    b"]",
    b"\\",
    b"\x1f\x8b",
    b"PK\3\4",
    b"\xef\xbb\xbf",
    b"NaN",
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 1:
            changed[at:at] = rng.choice(ODD)
        elif kind == 2:
            del changed[at : at + rng.choice((1, 2, 40))]
        elif kind == 3:
            changed[at:at] = changed[at : at + rng.randrange(60)]
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


@pytest.mark.parametrize("name", list(KINDS))
def test_changed_bytes_are_rows_or_one_line(tmp_path, name):
    rng = random.Random(name)
    whole, path = KINDS[name](POSTS), tmp_path / name
    outcomes = {"rows": 0, "refused": 0}
    for _ in range(30):
        path.write_bytes(mutated(whole, rng))
        try:
            rows = read_rows(tmp_path, name, rng.choice((None, NAMES, ["id"])))
        except BadInput as error:
            outcomes["refused"] += 1
            said = str(error)
            assert said.startswith(str(path)), said
            continue
        outcomes["rows"] += 1
        assert isinstance(rows.columns, pl.DataFrame)
        assert not rows.columns.width or rows.columns.height == rows.height
        assert set(rows.columns.columns) <= set(rows.names)
        assert all(row.row >= 1 and row.reason for row in rows.rejected)
        assert (rows.row_numbers[1:] > rows.row_numbers[:-1]).all()
    assert sum(outcomes.values()) == 30
