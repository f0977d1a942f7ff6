"""Spans of time as users write and read them: ``5m``, ``90s``, ``1h``; "about 2 minutes"."""

from __future__ import annotations

import re

import click

_UNITS = {"": 60, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


class Budget(click.ParamType):
    """``5m``, ``90s`` or ``1h`` as seconds; a bare number is minutes."""

    name = "time"

    def convert(self, value, param, ctx) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower())
        if found is None or found[2] not in _UNITS or not float(found[1]):
            self.fail(f"{value!r} is no span of time: expected 5m, 90s or 1h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


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
