"""Commands about drafts load numeric libraries with threads that wait asleep."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from popcast.api.passive_waiting import POLICY
from popcast.cli import main
from popcast.core.errors import BadInput


@pytest.mark.parametrize(
    "arguments",
    [["forecast", "x", "--text", "y"], ["observe", "x", "y"], ["explain", "x", "--text", "y"], ["serve", "x"]],
    ids=lambda arguments: arguments[0],
)
def test_threads_wait_asleep_in(arguments, monkeypatch):
    module = f"popcast.commands.forecasting.{arguments[0]}_command"

    def said(_):
        raise BadInput(f"threads are {os.environ.get(POLICY)}")

    monkeypatch.delenv(POLICY, raising=False)
    monkeypatch.setattr(f"{module}.bundle_folder", said)
    assert "threads are PASSIVE" in CliRunner().invoke(main, arguments).output
    assert POLICY not in os.environ
