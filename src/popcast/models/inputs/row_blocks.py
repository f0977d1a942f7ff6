"""What single precision says of a row, whatever rows are asked about beside it and on whatever processor.

A matrix product adds the numbers of a row in an order that depends on how many rows there are, on some processors on
the place of the row among them too. So rows are worked off in blocks of :data:`ROWS`, the last one filled up with
zeros. (docs/decisions/015: with 8 rows every place of a block gives the same bits with all kernels tried, with 16 or
with 1024 it does not.) Products in double precision need none of this: they agree to 1e-12, and tables hold 6 places.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ROWS = 8


def in_row_blocks(function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """float64 [n] for ``rows`` [n, d]; ``function`` takes [ROWS, d] to [ROWS], each row by itself."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), ROWS):
        block = rows[start : start + ROWS]
        filled = np.concatenate([block, np.zeros((ROWS - len(block), rows.shape[1]), rows.dtype)])
        found[start : start + ROWS] = function(filled)[: len(block)]
    return found
