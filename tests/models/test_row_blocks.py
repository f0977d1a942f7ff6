"""Blocks of rows: the bits of a row are its own, alone or in company, wherever it stands, with any kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from popcast.models.inputs.row_blocks import ROWS, in_row_blocks

SRC = Path(__file__).parents[2] / "src"
PRODUCTS = """
import numpy as np
from popcast.models.inputs.row_blocks import in_row_blocks
for bank, width in ((200, 12), (977, 384)):
    rng = np.random.default_rng(0)
    learned, rows = (rng.normal(size=(n, width)).astype(np.float32) for n in (bank, 100))
    weights = rng.normal(size=bank)
    predict = lambda rows: in_row_blocks(lambda block: (block @ learned.T).astype(np.float64) @ weights, rows)
    whole, order = predict(rows), rng.permutation(100)
    assert np.array_equal(predict(rows[order]), whole[order])
    assert all(predict(rows[i : i + 1])[0] == whole[i] for i in range(100))
"""


@pytest.mark.parametrize("kernels", ["", "Haswell", "Prescott"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_rows_are_alone_with_every_kernel(kernels, threads):
    """OpenBLAS takes the kernels that it is told to; "" are those of this processor."""
    told = {"PYTHONPATH": str(SRC), "OPENBLAS_NUM_THREADS": threads} | (
        {"OPENBLAS_CORETYPE": kernels} if kernels else {}
    )
    done = subprocess.run([sys.executable, "-c", PRODUCTS], env=os.environ | told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1, 3 * ROWS - 1])
def test_every_call_has_the_same_number_of_rows(count):
    seen = []

    def sums(block):
        seen.append(block.shape)
        return block.sum(axis=1)

    rows = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    assert np.array_equal(in_row_blocks(sums, rows), rows.sum(axis=1))
    assert seen == [(ROWS, 3)] * -(-count // ROWS)
