"""Times as people write them: ``5m``, ``90s``, ``1.5h``, or a number of seconds."""

from __future__ import annotations

import re

from popcast.core.errors import BadInput, shown

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def seconds_of(budget: str | float) -> float:
    """Seconds of a budget. Raises BadInput.

    >>> seconds_of("5m"), seconds_of("1.5h"), seconds_of(90)
    (300.0, 5400.0, 90.0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", str(budget).lower())
    if match is None or float(match[1]) <= 0:
        raise BadInput(f"budget: got {shown(budget)}, expected a time such as 5m, 90s or 1h")
    return float(match[1]) * SECONDS[match[2]]
