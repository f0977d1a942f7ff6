"""What a launcher is given and gives back: the command of a stage, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """What to run for a stage: lines of shell, one process each, in ``folder`` with ``environment``."""

    name: str
    lines: list[str]
    folder: str
    environment: dict[str, str]
    shell: list[str]  # program and options before the line, such as /bin/bash --noprofile --norc -c
    cores: int = 1
    gpu: int = 0
    local: bool = False  # runs here whatever the launcher


@dataclass
class Finished:
    """How a command ended: exit code, wall seconds, and CPU seconds and peak RSS in MB where they are known."""

    code: int
    seconds: float
    cpu: float | None = None
    peak: float | None = None
    text: list[str] = field(default_factory=list)  # said by the launcher itself
