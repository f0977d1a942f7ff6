"""Numbers of any number of digits: read, or left out as unreadable, never infinite."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.datasets.values.shown_numbers import NumberForm, read_numbers


@pytest.mark.parametrize("text", ["9" * 60, "9" * 4400, "1e400", "1,5e299", "1" * 400, "9" * 60 + ",5", "1e-400"])
@pytest.mark.parametrize("whole", [True, False])
def test_numbers_of_any_size_are_read_or_not_and_never_infinite(text, whole):
    numbers, unread = read_numbers(pl.Series("n", [text]), NumberForm(decimal=",", whole=whole))
    assert unread[0] == (numbers[0] is None)
    assert numbers[0] is None or abs(numbers[0]) <= 1e300
