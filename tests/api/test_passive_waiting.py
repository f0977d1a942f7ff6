"""How OpenMP's threads wait, by what the library itself says of its settings when it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from popcast.api.passive_waiting import POLICY, waiting_passively

LOADED = """
import os
from popcast.api.passive_waiting import waiting_passively
before = os.environ.get("OMP_WAIT_POLICY")
with waiting_passively():
    import lightgbm
assert os.environ.get("OMP_WAIT_POLICY") == before
"""


@pytest.mark.parametrize(("own", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_asleep_unless_the_caller_says_otherwise(own, expected):
    given = {name: value for name, value in os.environ.items() if name != POLICY}
    given |= {"OMP_DISPLAY_ENV": "TRUE"} | ({POLICY: own} if own else {})
    done = subprocess.run([sys.executable, "-c", LOADED], env=given, capture_output=True, text=True, check=True)
    if POLICY not in done.stderr:
        pytest.skip("this OpenMP does not tell its settings")
    said = [line for line in done.stderr.splitlines() if POLICY in line]
    assert all(expected in line for line in said), said


def test_the_environment_is_what_it_was_after_an_error(monkeypatch):
    monkeypatch.delenv(POLICY, raising=False)

    def fail():
        with waiting_passively():
            raise KeyError(os.environ[POLICY])

    with pytest.raises(KeyError, match="PASSIVE"):
        fail()
    assert POLICY not in os.environ
