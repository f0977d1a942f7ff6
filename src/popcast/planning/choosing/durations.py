"""Spans of time as users write and read them: ``5m``, ``90s``, ``1.5h``; "about 2 minutes"."""

from __future__ import annotations

import math
import re
from numbers import Real

from popcast.core.errors import BadInput, shown

UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
SPAN = r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*"


def seconds_of(span: str | float, name: str = "budget") -> float:
    """Seconds of a span. A number is seconds; a text needs its unit, for "5" may be minutes as well. Raises BadInput.

    >>> seconds_of("5m"), seconds_of("1.5 h"), seconds_of(90)
    (300.0, 5400.0, 90.0)
    """
    if isinstance(span, Real) and not isinstance(span, bool):
        seconds = float(span)
    else:
        found = re.fullmatch(SPAN, span.lower()) if isinstance(span, str) else None
        seconds = float(found[1]) * UNITS.get(found[2], math.nan) if found else math.nan
    if not 0 < seconds < math.inf:
        raise BadInput(f"{name}: got {shown(span)}, expected a time such as 5m, 90s or 1h")
    return seconds


def about(seconds: float) -> str:
    """
    >>> about(32), about(50), about(130), about(5000)
    ('about 30 seconds', 'about a minute', 'about 2 minutes', 'about 1.4 hours')
    """
    if seconds < 45:
        return f"about {max(round(seconds / 10), 1) * 10} seconds"
    minutes = round(seconds / 60)
    if minutes <= 1:
        return "about a minute"
    return f"about {minutes} minutes" if minutes < 60 else f"about {seconds / 3600:.1f} hours"
