"""What is named as the main reason moves the forecast more than the rest does."""

from __future__ import annotations

from popcast.serving.reasons.deletion_test import deletion_test


def test_the_top_group_moves_forecasts_more_than_another(forecast, drafts):
    """Likes of the made posts hang on the author above all."""
    found = deletion_test(forecast, drafts[:12], seed=1)
    assert found.posts == 12
    assert found.lower > 0
    assert abs(found.without_top - found.without_other - found.difference) < 1e-9
    assert next(iter(found.top)) == "author_past"
    assert deletion_test(forecast, drafts[:12].reverse(), seed=1).top == found.top
