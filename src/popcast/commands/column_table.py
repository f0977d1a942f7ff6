"""What ``popcast init`` shows of the columns: what each looks like, what it becomes, how sure that is and why."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from popcast.core.errors import cut, printable
from popcast.datasets.guessing.guessed_layout import ColumnGuess, Guess

BECOMES = {
    "label": "label, to be predicted", "posthoc": "outcome, never an input", "number": "number known at posting",
    "author_number": "number of the author", "leave_out": "left out",
}  # fmt: skip
STYLES = {"label": "bold green", "left out": "dim", "posthoc": "yellow"}


def print_columns(guess: Guess, console: Console) -> None:
    """One row per column. Values are shown as plain text, whatever they hold."""
    table = Table(box=None, pad_edge=False)
    for name, least in (("column", 12), ("looks like", 24), ("becomes", 22), ("how sure", 30)):
        table.add_column(name, overflow="fold", min_width=least)
    for one in guess.columns:
        style = STYLES.get(one.role, "")
        cells = (printable(cut(one.column, 60)), looks_like(one), BECOMES.get(one.role, one.role), how_sure(one))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    console.print(table)


def looks_like(one: ColumnGuess) -> str:
    """``numbers: '12', '7'``."""
    samples = ", ".join(repr(printable(cut(" ".join(value.split()), 28))) for value in one.look.samples)
    return f"{one.look.kind}: {samples}" if samples else one.look.kind


def how_sure(one: ColumnGuess) -> str:
    return f"{one.sure}: {printable(cut(one.reason, 110))}"
