"""Who answers for the personas: one small protocol, and the choice among its three implementations.

Each is a module ``policy_<kind>`` with ``Policy``.

A policy turns requests into raw answers in the grammar of sheet popsim.md 3.5 (``action``) or into the words of the
text field (``field``). It never sees a label, an author, a time or another post.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from popcast.chat.response import Response
from popcast.simulation import params
from popcast.simulation.records import Request

if TYPE_CHECKING:
    from popcast.simulation.audience.population import Person


class Policy(Protocol):
    """Answers requests. The answer to a request depends on that request alone, not on those beside it."""

    in_company: bool
    """Rounding may make an exception: then the same simulations are always asked together, killed run or not."""

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """One response per request, in their order. Raises BadInput where no answer can be had at all."""

    def facts(self) -> dict[str, str | bool | int | float | None]:
        """What manifests and reports say of the policy.

        At least ``kind``, ``model``, ``revision`` (str or None), ``stand_in`` (True: not a real language model; every
        report row says so) and ``templates`` (hash of the words around the data).
        """

    def close(self) -> None:
        """Give back what it holds: memory of a device, connections, files."""


PolicySection = params.PersonaPolicy | params.TransformersPolicy | params.ServerPolicy


def make(section: PolicySection, people: Sequence[Person], rules: params.Rules) -> Policy:
    """The policy that ``simulation.policy`` describes. ``people`` in the order of rows."""
    return _module(section.kind).Policy(section, people, rules)


def _module(kind: str) -> ModuleType:
    """``policy_<kind>``, found by name: a simulation depends on the file of its own kind of policy and no other."""
    return import_module(f"popcast.simulation.policies.policy_{kind}")
