"""A disk that is small, for the tests of writers and of DVC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.full_disks import small_disk


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A small disk of its own; without the right to mount one the test is skipped with the reason."""
    try:
        with small_disk(tmp_path / "disk", 1 << 20) as folder:
            yield folder
    except OSError as error:
        pytest.skip(f"no small disk can be mounted: {error}")
