"""The frame around every stage script: bad input is one line on stderr and exit code 1, never a traceback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

from popcast.core.errors import BadInput


def stage(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator below the click options: a :class:`BadInput` becomes one line on stderr and exit code 1."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            function(*args, **kwargs)
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)

    return run
