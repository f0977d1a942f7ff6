"""What a user sees of a run: lines of the stages, events with counts and times, a table of the slowest at the end.

On a terminal one line at the bottom stays current; otherwise every event is a line of its own. Durations are kept in
``.scratch/repro-times.json`` for the expectation of the next run.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

TIMES = Path(".scratch/repro-times.json")
SHOWN = 10  # rows of the table at the end
KEPT = 20  # last lines of a stage that are shown again when it fails


@dataclass
class Timing:
    """Last run of a stage: wall seconds; CPU seconds and peak RSS in MB, None where the command ran elsewhere.

    Linux counts the starting process in, so no peak is less than what the runner itself takes (some 70 MB).
    """

    seconds: float
    cpu: float | None = None
    peak: float | None = None


def read_times(path: Path = TIMES) -> dict[str, Timing]:
    """Timings by stage; whatever cannot be read is left out."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    times = {}
    for name, row in rows.items() if isinstance(rows, dict) else ():
        seconds = row.get("seconds") if isinstance(row, dict) else None
        if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0:
            times[name] = Timing(seconds, row.get("cpu"), row.get("peak"))
    return times


def write_times(times: dict[str, Timing], path: Path = TIMES) -> None:
    """Replace the file in one step. On a full disk it stays as it is: a run does not fail for want of its timings."""
    text = json.dumps({name: asdict(row) for name, row in sorted(times.items())}, indent=1) + "\n"
    half = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(text)
        os.replace(half, path)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)


def clock(seconds: float) -> str:
    """
    >>> clock(70), clock(3700)
    ('1:10', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """Counts and times of one run over ``total`` stages; thread-safe as far as rich's console is."""

    def __init__(self, total: int):
        self.total = total
        self.console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self.begin = time.monotonic()
        self.finished = 0
        self.started: dict[str, float] = {}
        self.timings: dict[str, Timing] = {}
        self.left = 0.0
        self._tails: dict[str, deque[str]] = {}
        self._live = Live(Text(), console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        self._live.stop()

    def running(self) -> dict[str, float]:
        """Seconds that each running stage has run."""
        now = time.monotonic()
        return {name: now - begin for name, begin in self.started.items()}

    def say(self, name: str, line: str) -> None:
        """A line of output of a stage."""
        self.keep(name, line)
        self.console.print(f"{name}| {line}")

    def keep(self, name: str, line: str) -> None:
        self._tails.setdefault(name, deque(maxlen=KEPT)).append(line)

    def start(self, name: str, lines: list[str]) -> None:
        self.started[name] = time.monotonic()
        self.event(f"start {name}: {'; '.join(lines)}")

    def finish(self, name: str, what: str, timing: Timing | None = None, *, left: float) -> None:
        """A stage is behind us: ``what`` is done, failed, restored or up to date."""
        self.started.pop(name, None)
        self.finished += 1
        self.left = left
        if timing:
            self.timings[name] = timing
        self.event(f"{what} {name}" + (f" in {timing.seconds:.0f} s" if timing else ""))

    def event(self, text: str) -> None:
        self.console.print(f"[{self.finished}/{self.total}] {text}; {self._state()}")
        self.refresh()

    def refresh(self) -> None:
        if self.console.is_terminal:
            self._live.update(Text(f"[{self.finished}/{self.total}] {self._state()}"), refresh=True)

    def _state(self) -> str:
        parts = [f"running: {', '.join(self.started) or 'nothing'}", f"{clock(time.monotonic() - self.begin)} elapsed"]
        if self.finished < self.total and self.left:
            parts.append(f"about {clock(self.left)} left")
        return "; ".join([parts[0], ", ".join(parts[1:])])

    def tail(self, name: str) -> None:
        """The last lines of a failed stage once more."""
        self.console.print(f"last lines of {name}:")
        for line in self._tails.get(name, ()):
            self.console.print(f"  {line}")

    def end(self, summary: str) -> None:
        """Everything is behind us."""
        self.table()
        self.console.print(summary)

    def table(self) -> None:
        """The slowest stages of this run."""
        rows = sorted(self.timings.items(), key=lambda item: -item[1].seconds)[:SHOWN]
        if not rows:
            return
        table = Table("stage", title=f"slowest of {len(self.timings)} stages that ran", box=None, title_justify="left")
        for column in ("wall s", "CPU s", "peak MB"):
            table.add_column(column, justify="right")
        for name, row in rows:
            table.add_row(name, f"{row.seconds:.1f}", _number(row.cpu, ".1f"), _number(row.peak, ".0f"))
        self.console.print(table)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
