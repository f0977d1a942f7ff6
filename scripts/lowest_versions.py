"""Oldest versions that pyproject.toml allows the core, as a constraints file.

``python scripts/lowest_versions.py pyproject.toml`` needs nothing but Python: it runs in an environment that is
still empty.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def lowest(requirements: list[str]) -> list[str]:
    """Requirements with a lower bound, pinned to it.

    >>> lowest(["polars>=2.1,<3", "pandera[polars]>=0.35,<0.36"])
    ['polars==2.1', 'pandera==0.35']
    """
    pairs = (re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?.*?>=([0-9.]+)", line) for line in requirements)
    return [f"{pair[1]}=={pair[2]}" for pair in pairs if pair]


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(Path(sys.argv[1]).read_text())["project"]["dependencies"])))
