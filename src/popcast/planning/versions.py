"""Installed versions that a stage instance depends on: those of the packages that its source imports.

Only what requirements.txt pins counts: an extra such as Ray changes where work runs, never what comes out.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def _distributions() -> dict[str, list[str]]:
    """Name that is imported -> names of the distributions that bring it."""
    return {name: sorted(set(found)) for name, found in metadata.packages_distributions().items()}


def pinned(requirements: Path) -> set[str]:
    """Names of the distributions that a requirements file names, in lower case."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith(("#", "-")))
    return {match[0].lower() for match in names if match}


def versions(packages: set[str], named: set[str], wanted: set[str]) -> dict[str, str]:
    """Python and the distributions of ``packages`` (names as imported) with their versions, sorted.

    named: texts of the settings; one that is the name of a distribution (a packaged encoder) counts too. wanted: names
    of the distributions that count at all, see :func:`pinned`.
    """
    names = {name for package in packages for name in _distributions().get(package, [])} | named
    found = {name: _installed(name) for name in names if name.lower() in wanted}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, **{name: version for name, version in sorted(found.items()) if version}}


@cache
def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
