"""What the library raises over bad input: one line, as every stage says it, and a ValueError as Python's own are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.libraries.extras import line_of_missing

Given = ParamSpec("Given")
Made = TypeVar("Made")


class BadPosts(BadInput, ValueError):
    """Posts, columns or settings that popcast refuses. ``str(error)`` is one line with file, row, field and value."""


def one_line(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """A function whose refusals, and whose want of an optional package, are :class:`BadPosts`."""

    @functools.wraps(function)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        try:
            return function(*args, **kwargs)
        except BadPosts:
            raise
        except ModuleNotFoundError as error:
            line = line_of_missing(error)
            if line is None:
                raise
            raise BadPosts(line) from None
        except BadInput as error:
            raise BadPosts(str(error).removeprefix(f"{paths.PARAMS}: ")) from None  # nobody has written such a file

    return run
