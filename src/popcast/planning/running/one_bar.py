"""A run told by one bar: what stands on the terminal while ``popcast run`` works. What stages print is kept for the
case that one fails."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from popcast.planning.running.progress import Progress, Timing, clock

STEP = 60.0
"""Seconds between lines where there is no terminal to draw a bar on."""


class OneBar(Progress):
    """As :class:`Progress`, in one line. Without a terminal a line a minute says how far the run is."""

    def __init__(self, total: int, console: Console | None = None, expects: bool = True):
        """expects: whether earlier runs tell how long stages take; else no time that is left is shown."""
        super().__init__(total)
        self.expects = expects
        self.console = console or self.console
        self._live = Live(Text(), console=self.console, auto_refresh=False, transient=True)
        self._told = self.begin

    def say(self, name: str, line: str) -> None:
        self.keep(name, line)

    def start(self, name: str, lines: list[str]) -> None:
        self.started[name] = time.monotonic()
        self.refresh()

    def event(self, text: str) -> None:
        self.refresh()

    def finish(self, name: str, what: str, timing: Timing | None = None, *, left: float) -> None:
        super().finish(name, what, timing, left=left if self.expects else 0.0)

    def refresh(self) -> None:
        if self.console.is_terminal:
            self._live.update(self._bar(), refresh=True)
        elif time.monotonic() - self._told >= STEP:
            self._told = time.monotonic()
            self.console.print(f"{self.finished} of {self.total} stages; {self._state()}")

    def _bar(self) -> Table:
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(self.total, 1), completed=self.finished, width=30)
        running = ", ".join(self.started) or "looking"
        passed = clock(time.monotonic() - self.begin)
        left = f", about {clock(self.left)} left" if self.left and self.finished < self.total else ""
        line.add_row(bar, Text(f"{self.finished}/{self.total} {passed}{left}  {running}", overflow="ellipsis"))
        return line

    def end(self, summary: str) -> None:
        self.console.print(f"{summary.removesuffix('.')} in {clock(time.monotonic() - self.begin)}.")
