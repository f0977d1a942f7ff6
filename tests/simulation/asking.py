"""Questions of a few personas, and policies that put them to a server: shared by the tests of the server policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from popcast.core.errors import BadInput
from popcast.simulation import params
from popcast.simulation.policies.policy_server import ServerPolicy
from popcast.simulation.records import Field, Memory, Reaction, Request, Trigger
from tests.simulation.audience import population_of, random_neighbours

RULES = params.Rules(sample=3)
PEOPLE = population_of(random_neighbours(8, 3)).people


def questions(n: int = 24) -> list[Request]:
    """Actions of several posts, every eighth one a text field."""
    made = []
    for i in range(n):
        trigger = Trigger(f'Post: "picture {i // 8}" Category: "Animal"')
        seed = 2**62 + 7919 * i
        if i % 8 == 7:
            said = (Reaction(0, True, 1, "reply", 8, "nice"), Reaction(4, True, 1, "nothing", 0))
            made.append(Request("field", trigger, 0, -1, 1, seed, reactions=said))
        else:
            known = (Memory("P7", "post", "hello"),)
            made.append(Request("action", trigger, 1, i % 8, 1, seed, Field("They like it.", 2.0, 0.5), 0.3, known))
    return made


@contextmanager
def asker(answers: Path) -> Iterator[Callable[..., ServerPolicy]]:
    """Function (url, **settings) -> policy with its cache in ``answers``; all are closed at the end."""
    made: list[ServerPolicy] = []

    def build(url: str, *, folder: Path = answers, first_pause: float = 0.01, **settings: object) -> ServerPolicy:
        section = params.ServerPolicy(kind="server", url=url, **({"model": "tiny", "timeout": 10.0} | settings))
        made.append(ServerPolicy(section, PEOPLE, RULES, folder=folder, first_pause=first_pause))
        return made[-1]

    yield build
    for one in made:
        one.close()


def one_line(error: pytest.ExceptionInfo[BadInput]) -> str:
    """The message of the error, which is one line."""
    assert "\n" not in str(error.value)
    return str(error.value)
