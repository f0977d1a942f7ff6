"""What depends on a bundle or on its known posts, and not on the posts of a call: made once, for all calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Made = TypeVar("Made")


class MadeOnce:
    """Results by name. A copy of a forecast shares them."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple, Any]] = {}

    def __call__(self, name: str, of: tuple, make: Callable[[], Made]) -> Made:
        """What ``make`` returns, kept under ``name`` until the objects ``of`` are others."""
        known, found = self._kept.get(name, ((), None))
        if len(known) != len(of) or any(a is not b for a, b in zip(known, of, strict=True)):
            found = make()
            self._kept[name] = (of, found)
        return found
