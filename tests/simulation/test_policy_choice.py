"""Which policy answers is found by the name of its kind, so that a simulation depends on no other kind."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from popcast.simulation.policies import policy

SOURCES = Path(__file__).resolve().parents[2] / "src"
KINDS = [get_args(section.model_fields["kind"].annotation)[0] for section in get_args(policy.PolicySection)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_module_with_a_policy(kind):
    assert callable(policy._module(kind).Policy)


def test_running_and_showing_load_no_policy_before_it_is_chosen():
    modules = "popcast.simulation.running.whole_run, popcast.simulation.showing.trial"
    code = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); import {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    chosen = ("popcast.simulation.policies.policy_", "popcast.lm", "popcast.chat.client")
    assert not [name for name in done.stdout.split() if name.startswith(chosen)]
