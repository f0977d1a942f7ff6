"""Questions for chat servers, and clients that put them: shared by the tests of all that asks one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from popcast.chat.client import ChatClient, Question
from popcast.chat.params import ChatSettings
from popcast.core.errors import BadInput


def questions(n: int = 24) -> list[Question]:
    """Each with a prompt and a seed of its own, every eighth with fewer tokens."""
    return [Question(f"What of picture {i}?", 160 if i % 8 else 120, 2**62 + 7919 * i) for i in range(n)]


@contextmanager
def asker(answers: Path) -> Iterator[Callable[..., ChatClient]]:
    """Function (url, **settings) -> client with its cache in ``answers``; all are closed at the end."""
    made: list[ChatClient] = []

    def build(url: str, *, folder: Path = answers, first_pause: float = 0.01, **settings: object) -> ChatClient:
        told = ChatSettings(url=url, **({"model": "tiny", "timeout": 10.0} | settings))
        made.append(ChatClient(told, "portraits.server", folder=folder, first_pause=first_pause))
        return made[-1]

    yield build
    for one in made:
        one.close()


def one_line(error: pytest.ExceptionInfo[BadInput]) -> str:
    """The message of the error, which is one line."""
    assert "\n" not in str(error.value)
    return str(error.value)
