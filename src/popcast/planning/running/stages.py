"""What the loop needs of a pipeline, whoever knows it: DVC (``dvc_stages``) or dvc.yaml alone (``plain_stages``)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from popcast.planning.running.launchers import Command

UP_TO_DATE, RESTORED, MUST_RUN = "up to date", "restored", "must run"


class StageError(Exception):
    """A pipeline that cannot be read, or a stage that cannot start or end; one line."""


@dataclass(frozen=True)
class StageRow:
    """A stage in the order in which one after the other would run; ``meta`` as dvc.yaml has it."""

    name: str
    needs: frozenset[str]
    meta: dict


class Stages(Protocol):
    rows: list[StageRow]

    def turn(self) -> AbstractContextManager[None]:
        """Everything below is called inside a turn, by one thread."""

    def look(self, name: str) -> str:
        """UP_TO_DATE, RESTORED (its outs are there now) or MUST_RUN. StageError if that cannot be said."""

    def would(self, name: str) -> str:
        """UP_TO_DATE or MUST_RUN as known now; changes nothing."""

    def begin(self, name: str) -> Command:
        """Clear the way for the command of a stage that must run."""

    def end(self, name: str) -> None:
        """The command ended well: take its outs over. StageError if some are missing."""

    def give_up(self, name: str) -> None:
        """The command failed or was stopped."""

    def write(self) -> None:
        """Write down what ``look`` and ``end`` have found since the last call; nothing to do is cheap."""
