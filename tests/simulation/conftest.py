"""What tests of the prediction agent share: a tiny base, and tuning that only notes what it was given."""

from __future__ import annotations

import pytest

from popcast.lm import backbone, tuning
from tests.lm.tiny_llm import tiny_base


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return str(tiny_base(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """Tuning replaced by a note of its prompts."""
    notes = []

    def tune(start, prompts, answers, params, seed, out, *, work=None):
        notes.append(prompts)
        out.mkdir()
        backbone.write_tuned(out, start, params.method)

    monkeypatch.setattr(tuning, "tune", tune)
    return notes
