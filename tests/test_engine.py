"""Shards in order, on every engine, and errors that come through."""

from functools import partial

import pytest

from popcast.engine import map_shards
from popcast.errors import BadInput, bad_input


def power(base: int, exponent: int) -> int:
    if base == 13:
        raise bad_input("unlucky", value=base)
    return base**exponent


@pytest.mark.parametrize("engine", ["serial", "process"])
def test_results_in_order_and_errors_come_through(engine, monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", engine)
    square = partial(power, exponent=2)
    assert map_shards(square, [5, 3, 4], "squares") == [25, 9, 16]
    assert map_shards(square, []) == []
    with pytest.raises(BadInput, match="unlucky: got 13"):
        map_shards(square, [5, 13, 4])


def test_unknown_engine(monkeypatch):
    monkeypatch.setenv("POPCAST_ENGINE", "abacus")
    with pytest.raises(BadInput, match="unknown engine: got 'abacus', expected one of process, serial"):
        map_shards(len, [[1], [2]])
