"""Rows of a user's table that are left out: each counted once, by its first reason, with the first places of each.

Labelled and unlabelled rows are held to ``max_reject_share`` each for itself: few posts to predict would otherwise
vanish among many labelled ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.core.errors import BadInput, bad_input, cut
from popcast.datasets.loading import Quality
from popcast.datasets.reading.row_table import RejectedRow
from popcast.datasets.values.labelled_rows import PostRows

EXAMPLES = 3
"""Places shown of each reason."""

LABEL_REASONS = ("no label", "hidden label")
"""What ``without_label: predict`` takes for posts to predict."""


@dataclass(frozen=True)
class _Reason:
    field: str | None
    expected: str | None


class RejectedRows:
    """Which rows are left out so far, and why."""

    def __init__(self, rows: PostRows) -> None:
        self.rows = rows
        self.why = np.full(rows.height, "", dtype=object)
        self._kinds: dict[str, _Reason] = {}
        self._cells: dict[str, pl.Series] = {}

    @property
    def kept(self) -> pl.Series:
        """bool [rows]"""
        return pl.Series(self.why == "", dtype=pl.Boolean)

    def add(
        self, wrong: pl.Series, reason: str, field: str | None, values: pl.Series | None, expected: str | None = None
    ) -> None:
        """Leave out the rows where ``wrong`` holds. values: the cells to show, null for "nothing"."""
        mask = wrong.fill_null(False).to_numpy() & (self.why == "")
        if not mask.any():
            return
        key = f"{field}: {reason}"
        self.why[mask] = key
        self._kinds[key] = _Reason(field, expected)
        if values is not None:
            self._cells[key] = values

    def settle(self, quality: Quality) -> None:
        """Write counts and examples into ``quality``. Raises BadInput, with the first example, where they are too many
        of the labelled or of the unlabelled rows."""
        first = self.rows.parts[0].height
        spans = (np.arange(first), np.arange(first, self.rows.height))
        for part, span in zip(self.rows.parts, spans, strict=False):
            lost = [(int(index), str(self.why[index])) for index in span if self.why[index]]
            counts = Counter(f"unreadable: {one.reason}" for one in part.rejected) + Counter(key for _, key in lost)
            examples = self._examples(part.rejected, lost)
            total = len(span) + len(part.rejected)
            if sum(counts.values()) > quality.max_reject_share * total:
                raise self._too_many(counts, examples, total, quality.max_reject_share)
            for key, count in counts.items():
                quality.leave_out(key, count, [line for line, _ in examples[key]])

    def _examples(self, unread: list[RejectedRow], lost: list[tuple[int, str]]) -> dict[str, list[tuple[str, str]]]:
        """Reason -> lines of its first places, with the name of the file and with its path."""
        found: dict[str, list[tuple[str, str]]] = {}
        for one in unread:
            lines = found.setdefault(f"unreadable: {one.reason}", [])
            if len(lines) < EXAMPLES:
                parts = {"problem": one.reason, "row": one.row, "value": one.shown}
                lines.append((str(bad_input(file=one.file.name, **parts)), str(bad_input(file=one.file, **parts))))
        for index, key in lost:
            lines = found.setdefault(key, [])
            if len(lines) < EXAMPLES:
                lines.append(self._lines(index, key))
        return found

    def _lines(self, index: int, key: str) -> tuple[str, str]:
        file, row = self.rows.place(index)
        kind = self._kinds[key]
        value = None
        if key in self._cells:
            value = self._cells[key][index]
            if isinstance(value, pl.Series):
                value = value.to_list()
            elif not isinstance(value, str | float):
                value = "nothing" if value is None else str(value)
        problem = key.removeprefix(f"{kind.field}: ")
        where = {"row": row, "field": kind.field, "value": value, "expected": kind.expected}
        return str(bad_input(problem, file=file.name, **where)), str(bad_input(problem, file=file, **where))

    def _too_many(
        self, counts: Counter, examples: dict[str, list[tuple[str, str]]], total: int, share: float
    ) -> BadInput:
        reasons = ", ".join(f"{count} x {cut(key, 120)}" for key, count in counts.most_common(4))
        reasons += f" and {len(counts) - 4} more reasons" if len(counts) > 4 else ""
        first = next(iter(examples.values()))[0][1]
        todo = "mend them, or raise max_reject_share"
        if any(key.endswith(LABEL_REASONS) for key in counts):
            todo += ", or set table.without_label: predict"
        lost = sum(counts.values())
        counted = f"{lost} of {total} rows rejected ({cut(reasons, 250)}), at most a share of {share}"
        return BadInput(f"{cut(first, 550)}; {counted}: {todo}")
