"""What a simulation was made with: the table ``manifest``. No key and no other secret ever stands in it."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
import polars as pl

from popcast.chat.params import REACHING
from popcast.simulation.audience.population import Population
from popcast.simulation.params import Simulated, Work
from popcast.simulation.policies.policy import PolicySection

PACKAGES = {
    "persona": ("mesa", "numpy"),
    "transformers": ("mesa", "numpy", "torch", "transformers", "llguidance"),
    "server": ("mesa", "numpy", "openai"),
}
"""Packages whose version may change an answer, by kind of policy."""
ENCODER = ("sentence-transformers", "transformers", "torch", "tokenizers")
"""Those of the sentence encoder that draws whom to ask."""


def manifest(
    name: str, population: Population, settings: Simulated, work: Work, seed: int, facts: dict[str, Any]
) -> pl.DataFrame:
    """Columns key and value, sorted by key; values are strings, booleans ``true`` and ``false``.

    Keys: ``population`` (its name), ``population_hash``, ``rules`` (JSON), ``config_hash`` (of rules, policy and work),
    ``seed``, ``stand_in``, ``templates`` (hash of the prompts), ``policy_<fact>`` for the other facts of the policy,
    ``version_<package>``.
    """
    config = [settings.rules.model_dump(), answering(settings.policy), work.model_dump(exclude={"set"})]
    entries: dict[str, Any] = {
        "population": name,
        "population_hash": population.hash,
        "rules": orjson.dumps(settings.rules.model_dump(), option=orjson.OPT_SORT_KEYS).decode(),
        "config_hash": hashlib.sha256(orjson.dumps(config, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        "seed": seed,
    }
    for fact, value in facts.items():
        entries[fact if fact in ("stand_in", "templates") else f"policy_{fact}"] = value
    entries |= {f"version_{package}": _version(package) for package in {*PACKAGES[settings.policy.kind], *ENCODER}}
    rows = {key: _text(value) for key, value in sorted(entries.items()) if value is not None}
    return pl.DataFrame(
        {"key": list(rows), "value": list(rows.values())}, schema={"key": pl.String, "value": pl.String}
    )


def answering(policy: PolicySection) -> dict[str, Any]:
    """Settings of a policy that an answer may depend on: not how a server is reached."""
    return policy.model_dump(exclude=REACHING)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
