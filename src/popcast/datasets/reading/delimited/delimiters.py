"""The sign between the fields of a delimited text: the one that cuts its first records into as many as its header."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.datasets.reading.delimited.delimited_records import Dialect, Lines, is_blank, records
from popcast.datasets.reading.header_row import header_at

CANDIDATES = (",", ";", "\t", "|")
SHOWN = {"\t": "tab", " ": "blank"}
HEAD = 1 << 18
"""Characters that are looked at, without the last record of them."""
RECORDS = 500

NOTE = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n?$", re.DOTALL)
"""The first line in which Excel names the delimiter."""


@dataclass(frozen=True)
class _Cut:
    """How one candidate cuts the head."""

    delimiter: str
    header: list[str]
    same: float
    """Share of records with as many fields as the header."""
    torn: int
    """Fields with half of a pair of quotes, header included."""


def find_delimiter(head: str, path: Path, wanted: Collection[str] | None, given: str | None) -> str:
    """The delimiter, from the beginning of the text; a comma if the header is one name by each.

    Of several that fit, the one that gives more of the wanted names, then the one that cuts more records as the header.
    Raises BadInput where two are equal, and where the given one leaves the header in one piece that another cuts.
    """
    cuts = {one: _cut(head, path, one, wanted) for one in dict.fromkeys([*CANDIDATES, *([given] if given else [])])}
    fitting = [cuts[one] for one in CANDIDATES if len(cuts[one].header) > 1]
    if given is not None:
        others = [one for one in fitting if one.same > 0.5]
        if len(cuts[given].header) == 1 and others:
            better = max(others, key=lambda one: one.same)
            problem = f"the header is one name when cut by {shown(given)}"
            expected = f"table.delimiter {shown(better.delimiter)}"
            raise bad_input(problem, file=path, value=cuts[given].header[0], expected=expected)
        return given
    if not fitting:
        return "\t" if path.suffix.lower() == ".tsv" else ","
    ranked = sorted(fitting, key=lambda one: _rank(one, wanted), reverse=True)
    if len(ranked) > 1 and _rank(ranked[0], wanted) == _rank(ranked[1], wanted):
        both = " or ".join(shown(one.delimiter) for one in ranked[:2])
        raise bad_input("unclear what separates the fields", file=path, expected=f"table.delimiter, {both}")
    return ranked[0].delimiter


def find_dialect(head: str, path: Path, wanted: Collection[str] | None, given: str | None) -> Dialect:
    """The delimiter (see :func:`find_delimiter`), how quotes and blanks stand, and where the header is."""
    dialect = Dialect(find_delimiter(head, path, wanted, given))
    dialect = replace(dialect, escapes=_escapes(head, path, dialect))
    dialect = replace(dialect, quotes=_quotes_enclose(head, path, dialect))
    found = [(row, one) for row, one in _found(head, path, dialect) if not isinstance(one, str) and not is_blank(one)]
    above = header_at([fields for _, fields in found], wanted)
    rows = [fields for _, fields in found[above:]]
    blanks = all(field[:1] in ("", " ") for fields in rows for field in fields[1:])
    blanks = blanks and any(field for fields in rows for field in fields[1:])
    row = found[above][0] if above else None
    more = _more(rows)
    return replace(dialect, blanks=blanks, header_row=row, more=more, lead=not more and _lead(rows))


def _escapes(head: str, path: Path, dialect: Dialect) -> bool:
    r"""Whether quotes within a field are ``\"``: some records are none without, and all are with."""
    if '\\"' not in head or not any(isinstance(one, str) for _, one in _found(head, path, dialect)):
        return False
    found = [fields for _, fields in _found(head, path, replace(dialect, escapes=True)) if not is_blank(fields)]
    return not any(isinstance(one, str) for one in found)


def _more(rows: list[list[str]]) -> int:
    """1 where every record ends in a delimiter that the header lacks, -1 where the header alone does, else 0."""
    width, records = len(rows[0]) if rows else 0, rows[1:]
    if records and all(len(one) == width + 1 and not one[-1].strip() for one in records):
        return 1
    return -1 if records and not rows[0][-1].strip() and all(len(one) == width - 1 for one in records) else 0


def _lead(rows: list[list[str]]) -> bool:
    """Whether every record begins with its number, for which the header has no name, as R writes names of rows."""
    width, records = len(rows[0]) if rows else 0, rows[1:]
    if len(records) < 2 or any(len(one) != width + 1 for one in records):
        return False
    return [one[0].strip() for one in records] in (
        [str(at) for at in range(start, start + len(records))] for start in (0, 1)
    )


def _quotes_enclose(head: str, path: Path, dialect: Dialect) -> bool:
    """They are part of the text where tabs or bars cut every record of the head as its header without them, some are
    none with them, and no field begins and ends with one."""
    if dialect.delimiter not in ("\t", "|") or not any(isinstance(one, str) for _, one in _found(head, path, dialect)):
        return True
    plain = [fields for _, fields in _found(head, path, replace(dialect, quotes=False)) if not is_blank(fields)]
    enclosed = any(len(field) > 1 and field[0] == field[-1] == '"' for fields in plain for field in fields)
    return enclosed or len({len(fields) for fields in plain}) != 1


def noted(line: str) -> str | None:
    """The delimiter that a first line ``sep=;`` names.

    >>> noted("sep=;")
    ';'
    """
    match = NOTE.match(line)
    return match.group(1) if match else None


def shown(delimiter: str) -> str:
    return SHOWN.get(delimiter, delimiter)


def _rank(cut: _Cut, wanted: Collection[str] | None) -> tuple[int, float, int, int]:
    known = {name.strip() for name in cut.header}
    return len(known & set(wanted or ())), round(cut.same, 2), -cut.torn, len(cut.header)


def _cut(head: str, path: Path, delimiter: str, wanted: Collection[str] | None) -> _Cut:
    found = [fields for _, fields in _found(head, path, Dialect(delimiter))]
    rows = [fields for fields in found if not isinstance(fields, str) and not is_blank(fields)]
    rows = rows[header_at(rows, wanted) :]
    if not rows:
        return _Cut(delimiter, [], 1.0, 0)
    header, others = rows[0], rows[1:]
    torn = sum(field.count('"') % 2 for fields in rows for field in fields)
    same = sum(len(fields) == len(header) for fields in others)
    return _Cut(delimiter, header, same / len(others) if others else 1.0, torn)


def _found(head: str, path: Path, dialect: Dialect) -> list[tuple[int, list[str] | str]]:
    """Records of the head, without the last one where it may be cut."""
    found = list(islice(records(Lines(io.StringIO(head, newline=""), path), dialect), RECORDS))
    return found[:-1] if len(head) >= HEAD and len(found) > 2 else found
