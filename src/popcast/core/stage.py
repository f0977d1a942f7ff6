"""The frame around every stage script: its key from the command line, its plan, and one-line errors.

Bad input is one line on stderr and exit code 1, never a traceback.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from popcast.core.errors import BadInput
from popcast.core.libraries.extras import line_of_missing
from popcast.core.plan_file import Plan
from popcast.core.safety.disk_faults import line_of
from popcast.core.safety.orphans import end_with_launcher


def one_line_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator below the click options: a :class:`BadInput`, a fault of the disk or an optional package that
    is not installed becomes one line on stderr and exit code 1."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            function(*args, **kwargs)
        except Exception as error:
            line = str(error) if isinstance(error, BadInput) else line_of(error) or line_of_missing(error)
            if line is None:
                raise
            print(f"error: {line}", file=sys.stderr)
            sys.exit(1)

    return run


def stage(function: Callable[[Plan], None]) -> click.Command:
    """The click command of a stage script: ``python -m stages.<name> KEY`` calls ``function`` with the plan of KEY.

    The stage is named like the script. A stage without keys (``report``) has the key ``all``. Where DVC waits for it,
    it ends with DVC, and its source and versions must be those of the plan that DVC will lock.
    """
    name = Path(inspect.getfile(function)).stem

    @click.command(name=name, help=inspect.getdoc(function))
    @click.argument("key", default="all")
    @one_line_errors
    def main(key: str) -> None:
        end_with_launcher()
        plan = Plan(name, key)
        if "DVC_STAGE" in os.environ:
            plan.check_current()
        function(plan)

    return main
