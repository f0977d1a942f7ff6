"""What was read, kept and rejected, by format and reason, with examples. No names and no numbers of people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from popcast.core.errors import bad_input, cut, printable
from popcast.response.importing.pseudonyms import Pseudonyms

MOST_EXAMPLES = 20


@dataclass
class FormatCounts:
    """Rows of one format. ``noted``: rows kept, or merged with an equal one, of which something is worth knowing."""

    read: int = 0
    kept: int = 0
    rejected: Counter = field(default_factory=Counter)
    noted: Counter = field(default_factory=Counter)


class ImportReport:
    """Counts by format, and the first rejected rows. ``as_dict`` is fit for a JSON file."""

    def __init__(self, raw: Path, pseudonyms: Pseudonyms) -> None:
        self._raw, self._pseudonyms = raw, pseudonyms
        self.formats: dict[str, FormatCounts] = {}
        self.examples: list[dict] = []

    def of(self, form: str) -> FormatCounts:
        return self.formats.setdefault(form, FormatCounts())

    def keep(self, form: str, count: int = 1) -> None:
        """Count ``count`` rows that were read and kept."""
        counts = self.of(form)
        counts.read += count
        counts.kept += count

    def reject(self, form: str, reason: str, file: Path, row: int, name: str | None = None) -> None:
        """Count a row that is left out. row: as an editor counts, or the place in a list from 1. name: the field."""
        counts = self.of(form)
        counts.read += 1
        counts.rejected[reason] += 1
        if len(self.examples) < MOST_EXAMPLES:
            place = printable(self.place(file))
            named = name and cut(printable(name), 80)
            example = {"file": cut(place, 200), "row": row, "field": named, "reason": reason}
            self.examples.append({"format": form, **example})

    def note(self, form: str, fact: str, count: int = 1) -> None:
        if count:
            self.of(form).noted[fact] += count

    def merge(self, form: str, fact: str) -> None:
        """Count a row that was read and is in the tables already."""
        self.of(form).read += 1
        self.note(form, fact)

    def place(self, file: Path) -> str:
        path = file.relative_to(self._raw) if file.is_relative_to(self._raw) else file
        return self._pseudonyms.place(str(path))

    def as_dict(self) -> dict:
        """Formats in order of their names, reasons too."""
        formats = {
            form: {
                "read": counts.read,
                "kept": counts.kept,
                "rejected": dict(sorted(counts.rejected.items())),
                "noted": dict(sorted(counts.noted.items())),
            }
            for form, counts in sorted(self.formats.items())
        }
        return {"formats": formats, "examples": self.examples}

    def check(self, most: float) -> None:
        """Raise BadInput where more than the share ``most`` of the rows of a format was rejected."""
        for form, counts in sorted(self.formats.items()):
            rejected = counts.rejected.total()
            if rejected > most * counts.read:
                reason, times = counts.rejected.most_common(1)[0]
                raise bad_input(
                    f"{rejected} of {counts.read} rows of format {form} rejected, {times} of them: {reason}",
                    file=self._raw, expected=f"at most a share of {most} (max_reject_share)",
                )  # fmt: skip
