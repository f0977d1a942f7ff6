"""The frame around every stage script: its key from the command line, its plan, and one-line errors.

Bad input is one line on stderr and exit code 1, never a traceback.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import click

from popcast.core.errors import BadInput
from popcast.core.plan_file import Plan


def one_line_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator below the click options: a :class:`BadInput` becomes one line on stderr and exit code 1."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            function(*args, **kwargs)
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)

    return run


def stage(function: Callable[[Plan], None]) -> click.Command:
    """The click command of a stage script: ``python -m stages.<name> KEY`` calls ``function`` with the plan of KEY.

    The stage is named like the script. A stage without keys (``report``) has the key ``all``.
    """
    name = Path(inspect.getfile(function)).stem

    @click.command(name=name, help=inspect.getdoc(function))
    @click.argument("key", default="all")
    @one_line_errors
    def main(key: str) -> None:
        function(Plan(name, key))

    return main
