"""A run of the predictor of shares on generated posts: what was planted is found, what was not is not."""

from __future__ import annotations

import pytest

from popcast.response.shares.share_run import run
from tests.response.share_world import settings, share_world


@pytest.fixture(scope="module")
def result():
    return run(share_world(), settings(), 1)


def test_model_beats_every_reference_row(result):
    for name in ("uniform", "prior", "author"):
        assert result.scores[f"test.model.vs_{name}.high"] < 0, result.scores
        assert result.scores["test.model.jsd"] < result.scores[f"test.{name}.jsd"]
