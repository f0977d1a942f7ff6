"""What is left of several candidates of one role: the best known name, or an error that names the option."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import polars as pl

from popcast.core.errors import BadInput, cut, printable, shown
from popcast.datasets.guessing.column_looks import same_groups, same_moments, same_words
from popcast.datasets.guessing.guessed_layout import CATEGORIES, LEFT_OUT, ColumnGuess
from popcast.datasets.guessing.name_matching import NameMatch
from popcast.datasets.reading.row_table import RowTable


@dataclass
class Choice:
    """What is left of several candidates of a role. ``found`` is changed in place; ``said`` collects sentences."""

    rows: RowTable
    sample: pl.DataFrame
    found: dict[str, ColumnGuess]
    named: dict[str, NameMatch]
    option: str
    said: list[str] = field(default_factory=list)

    def of(self, role: str) -> list[str]:
        """Columns of a role by name: the best known first, in the order of the file where names are as good."""
        names = [name for name in self.rows.names if self.found[name].role == role]
        return sorted(names, key=lambda name: (-self._strength(name), self._rank(name)))

    def _strength(self, name: str) -> int:
        return self.named[name].strength if name in self.named else 9

    def _rank(self, name: str) -> int:
        return self.named[name].rank if name in self.named else -1

    def leave_out(self, name: str, reason: str, sure: str = "likely") -> None:
        self.found[name] = replace(self.found[name], role=LEFT_OUT, sure=sure, reason=reason)

    def doubt(self, role: str, candidates: list[str], problem: str) -> BadInput:
        return BadInput(f"{self.option.format(role)}: {problem}: which of {cut(listed(candidates), 400)} is it?")

    def single(self, role: str) -> None:
        """One column for the id or the author."""
        if role == "id":
            self._ids()
        names = self.of(role)
        if not names:
            none = {"id": "no column is the post's id: a hash of the whole row stands for it",
                    "author": "no column is the author: nothing is known of an author's older posts"}  # fmt: skip
            self.said.append(none[role])
        elif self.found[names[0]].sure != "given":
            self._one_of(role, names)
        else:
            self._rest(names, "another column is said to be it")

    def _ids(self) -> None:
        """An address that differs in every row is as good as an id; an id that repeats is worse than one that does
        not."""
        columns = self.rows.columns
        if any(self.found[name].sure == "given" for name in self.of("id")):
            return
        unique = {name: columns[name].null_count() == 0 and columns[name].n_unique() == columns.height
                  for name in self.rows.names}  # fmt: skip
        names = self.of("id")
        if len(names) > 1 and any(unique[name] for name in names):
            for name in names:
                if not unique[name]:
                    self.leave_out(name, "repeats, and another id does not")
        if not self.of("id"):
            found = [name for name in self.rows.names if unique[name] and self.found[name].look.addresses == 1.0]
            if found and self.found[found[0]].sure != "given":
                self.found[found[0]] = replace(self.found[found[0]], role="id", sure="likely",
                                               reason="an address that differs in every row")  # fmt: skip

    def _one_of(self, role: str, names: list[str]) -> None:
        """The first of them where all others are weaker names or the same thing again. Raises BadInput."""
        first, rest = names[0], names[1:]
        for name in rest:
            same = same_moments if role == "time" else same_groups
            if same(self.sample[first], self.sample[name]):
                self.leave_out(name, f"the same {role} as {printable(first)}")
            elif self._strength(name) < self._strength(first):
                self.leave_out(name, f"{printable(first)} is named more clearly", "doubtful")
            else:
                raise self.doubt(role, [first, *[one for one in rest if self.found[one].role == role]],
                                 f"several columns are named like the {role} of a post")  # fmt: skip

    def _rest(self, names: list[str], reason: str) -> None:
        for name in names:
            if self.found[name].sure != "given":
                self.leave_out(name, reason)

    def time(self) -> None:
        names = self.of("time")
        if names and self.found[names[0]].sure == "given":
            self._rest(names, "another column is said to be it")
        elif names:
            best = [name for name in names if self._strength(name) == self._strength(names[0])]
            exact = max(best, key=lambda name: self.found[name].look.distinct)  # a moment before its day
            self._one_of("time", [exact, *(name for name in names if name != exact)])
        else:
            times = [name for name in self.rows.names if self.found[name].role == LEFT_OUT
                     and self.found[name].sure == "doubtful" and self.found[name].look.kind == "times"]  # fmt: skip
            if times:
                leave = self.option.format("leave-out" if self.option.startswith("--") else "leave_out")
                raise self.doubt("time", times, f"no column is named like the time of posting (or {leave} it)")
            self.said.append("no column is the time of posting: posts are split at random, not in the order of time")

    def texts(self) -> None:
        """All parts of a post's text are joined, but for copies of one another."""
        names = self.of("text")
        kept: list[str] = []
        given = any(self.found[name].sure == "given" for name in names)
        for name in names:
            if self.found[name].sure == "given":
                kept.append(name)
            elif given:
                self.leave_out(name, "other columns are said to be the text")
            elif copied := next((one for one in kept if same_words(self.sample[one], self.sample[name])), None):
                self.leave_out(name, f"says the same as {printable(copied)}")
            else:
                kept.append(name)
        if not kept:
            self.said.append("no column is the text of a post: nothing is read of what posts say")

    def categories(self) -> None:
        """Three at most. One with a value of its own for nearly every post is no category."""
        kept = 0
        given = any(self.found[name].sure == "given" for name in self.of("category"))
        for name in self.of("category"):
            seen = self.found[name].look
            if self.found[name].sure == "given":
                kept += 1
            elif given:
                self.leave_out(name, "other columns are said to be categories")
            elif seen.distinct > max(30, 0.3 * seen.rows * seen.filled):
                self.leave_out(name, "nearly every post has a value of its own", "doubtful")
            elif kept == len(CATEGORIES):
                self.leave_out(name, "there are three better known categories")
            else:
                kept += 1

    def first(self, role: str) -> None:
        """Tags or media: the best known name."""
        names = self.of(role)
        for name in names[1:]:
            if self.found[name].sure != "given":
                self.leave_out(name, f"{printable(names[0])} is taken")

    def outcomes(self) -> None:
        """One outcome is the label, all others are posthoc."""
        names = self.of("outcome")
        if not self.of("label"):
            if len(names) > 1:
                raise self.doubt("label", names, f"{len(names)} columns are outcomes")
            if not names:
                numbers = [name for name in self.rows.names if self.found[name].look.kind == "numbers"]
                raise self.doubt("label", numbers, "no column is named like an outcome, such as likes or views")
            self.found[names[0]] = replace(self.found[names[0]], role="label",
                                           reason=f"{self.found[names[0]].reason}; the only outcome")  # fmt: skip
        for name in self.of("outcome"):
            self.found[name] = replace(self.found[name], role="posthoc")


def listed(names: Collection[str]) -> str:
    """Names of columns as an error shows them."""
    return ", ".join(shown(name, 60) for name in names)
