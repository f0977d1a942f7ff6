"""The generated posts that most tests of predictors learn from."""

from __future__ import annotations

import pytest

from tests.models.wide import wide


@pytest.fixture(scope="module")
def data():
    """See :func:`tests.models.wide.wide`."""
    return wide()
