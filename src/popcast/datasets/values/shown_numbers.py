"""Numbers as pages and exports show them: ``1,234``, ``1.234``, ``1 234``, ``1.2K``, ``2,8 Tsd.``, ``100万+``, ``1e5``.

Whether a point or a comma parts the fraction is found over a whole column: cells that leave no choice (``1.234.567``,
``0.5``, ``12,5``) decide for those that do (``1.234``), then those of the other columns, then, for counts, that a count
is whole. What stays open is refused with both readings. A unit that is not known makes a cell unreadable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import polars as pl

from popcast.core.errors import BadInput, bad_input, shown
from popcast.datasets.values.cells.number_cells import SIGNS, Shown, shape
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.datasets.values.words.number_units import FALSE, TRUE

FEW = 0.01
"""Share of cells that contradict all others and are left out as unreadable, rather than the whole column."""

PLAIN = r"^[+-]?[0-9]{1,15}$"

MOST = Decimal("1e300")
"""What is larger is no number of anything."""

ONE, ZERO = ("1", "1.0"), ("0", "0.0")
"""Truth values among words of truth."""

Place = Callable[[int], tuple[Path, int]]


@dataclass(frozen=True)
class Evidence:
    """What the cells of one or more columns say about point and comma, with a cell for each as a witness."""

    english: int = 0
    continental: int = 0
    spaced: bool = False
    witnesses: tuple[str, str] = ("", "")

    def __add__(self, other: Evidence) -> Evidence:
        first = (mine or yours for mine, yours in zip(self.witnesses, other.witnesses, strict=True))
        counts = (self.english + other.english, self.continental + other.continental)
        return Evidence(*counts, self.spaced or other.spaced, tuple(first))

    @property
    def decimal(self) -> str | None:
        """The sign of the fraction, where (nearly) all cells agree."""
        both = self.english + self.continental
        if both == 0 or min(self.english, self.continental) > FEW * both:
            return None
        return "." if self.english > self.continental else ","


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are read. decimal: sign of the fraction; the other one parts thousands, as blanks and
    apostrophes do. counts: letters such as m are units of counts. whole: what has a fraction left after its unit is no
    number. percent: 12 % is 0.12, and what has no % is no number. words: of truth, 1 and 0. said: one sentence about
    what was found, or None where nothing had to be."""

    decimal: str = "."
    counts: bool = False
    whole: bool = False
    percent: bool = False
    words: bool = False
    missing: frozenset[str] = field(default=WORDS)
    said: str | None = None


def _cells(values: pl.Series, missing: frozenset[str]) -> pl.Series:
    return blank_words(values.cast(pl.String), missing)


def _counted(cells: pl.Series, counts: bool) -> list[tuple[str, int, Shown | None]]:
    """Distinct cells that hold more than plain digits in their order, how often each occurs, and its parts."""
    odd = cells.drop_nulls()
    odd = odd.filter(~odd.str.contains(PLAIN))
    found = pl.DataFrame({"text": odd}).group_by("text", maintain_order=True).len()
    return [(text, count, shape(text, counts)) for text, count in found.iter_rows()]


def evidence(values: pl.Series, counts: bool = False, missing: frozenset[str] = WORDS) -> Evidence:
    """What the cells of a column of text say about point and comma."""
    return _evidence(_counted(_cells(values, missing), counts))


def _evidence(found: list[tuple[str, int, Shown | None]]) -> Evidence:
    sides = {True: 0, False: 0}
    witness = {True: "", False: ""}
    spaced = False
    for text, count, parts in found:
        if parts is None:
            continue
        spaced |= parts.spaced
        if parts.english is not None:
            sides[parts.english] += count
            witness[parts.english] = witness[parts.english] or text
    return Evidence(sides[True], sides[False], spaced, (witness[True], witness[False]))


def number_form(
    values: pl.Series,
    counts: bool,
    file_evidence: Evidence | None = None,
    *,
    decimal: str | None = None,
    thousands: str | None = None,
    missing: frozenset[str] = WORDS,
    place: Place | None = None,
) -> NumberForm:
    """How a column of text shows its numbers. Raises BadInput, with both readings, where that stays open.

    counts: its numbers are whole after their unit. file_evidence: what the other columns say. decimal, thousands: as
    set by the user. place: index of a cell -> its file and row, for the message.

    >>> number_form(pl.Series(["1.234", "987"]), counts=True).decimal
    ','
    """
    cells = _cells(values, missing)
    form = NumberForm(counts=counts, whole=counts, missing=missing, words=_truth(cells))
    found = _counted(cells, counts)
    percent = sum(count for _, count, parts in found if parts is not None and parts.percent)
    if percent:
        form = replace(form, percent=2 * percent > cells.drop_nulls().is_in(["0"]).not_().sum())
    own = _evidence(found)
    unsure = [(text, count, parts) for text, count, parts in found if parts is not None and parts.open_sign]
    given = decimal or (SIGNS.get(thousands) if thousands else None)
    if given is not None:  # a column that leaves no choice, such as the numbers of a program, is read as it stands
        return replace(form, decimal=given if unsure or own.decimal is None else own.decimal)
    own = replace(own, spaced=own.spaced or thousands is not None)
    plain = bool(unsure) and bool(cells.str.contains(PLAIN).any())
    sign, why = _decided(own, unsure, counts, plain, file_evidence)
    if sign is None or _contradicts(sign, own, unsure, counts):
        if sign is None and not unsure and not (own.english or own.continental):
            return form
        raise _both_readings(cells, own, unsure, why, place)
    said = None
    if unsure:
        text, _, parts = unsure[0]
        said = f"{values.name}: {shown(text)} is read as {_said(parts.value(sign))}, {why}"
    elif sign == ",":
        said = f"{values.name}: a comma parts the fraction ({why})"
    return replace(form, decimal=sign, said=said)


def _decided(
    own: Evidence, unsure: list[tuple[str, int, Shown]], counts: bool, plain: bool, file_evidence: Evidence | None
) -> tuple[str | None, str]:
    """The sign of the fraction and what decides for it; no sign where nothing does.

    plain: other cells have neither point nor comma, so that no tool has printed each number with three decimals.
    """
    if counts and (own.english or own.continental):  # what may be thousands speaks for that
        commas, points = (
            sum(n for _, n, parts in unsure if parts.open_sign == sign and not parts.unit) for sign in ",."
        )
        own += Evidence(commas, points, witnesses=own.witnesses)
    if own.decimal is not None:
        return own.decimal, f"as {shown(own.witnesses[own.decimal == ','])} shows"
    if own.english or own.continental:
        others = " and ".join(shown(one) for one in own.witnesses if one)
        return None, f"the column has cells of both kinds, as {others}"
    signs = {parts.open_sign for _, _, parts in unsure}
    if len(signs) != 1:
        return None, "point and comma stand before three digits" if signs else ""
    sign = signs.pop()
    of_file = None if file_evidence is None else file_evidence.decimal
    witness = "" if of_file is None else shown(file_evidence.witnesses[of_file == ","])
    if own.spaced:
        return (None, "blanks part the thousands already") if counts else (sign, "as blanks part the thousands")
    if counts and ((plain and not any(parts.unit for _, _, parts in unsure)) or not _may_be_fractions(unsure)):
        if of_file == sign:
            return None, f"a count is whole, but {witness} of another column parts a fraction with {sign!r}"
        return SIGNS[sign], "as a count is whole"
    if of_file is not None:
        return of_file, f"as {witness} of another column shows"
    return None, "nothing in the file decides"


def _may_be_fractions(unsure: list[tuple[str, int, Shown]]) -> bool:
    """Whether the cells are whole either way: all end in 000, or all have a unit."""
    return all(parts.unit or text.rstrip("+ ").endswith("000") for text, _, parts in unsure)


def _contradicts(sign: str, own: Evidence, unsure: list[tuple[str, int, Shown]], counts: bool) -> bool:
    """Whether more than a few counts would be left with a fraction that might as well be thousands."""
    if not counts:
        return False
    broken = sum(n for _, n, parts in unsure if parts.value(sign) % 1 != 0)
    return broken > FEW * (sum(n for _, n, _ in unsure) + own.english + own.continental)


def _both_readings(
    cells: pl.Series, own: Evidence, unsure: list[tuple[str, int, Shown]], why: str, place: Place | None
) -> BadInput:
    if unsure:
        text, _, parts = unsure[0]
        either = f"{_said(parts.value(parts.open_sign))} or {_said(parts.value(SIGNS[parts.open_sign]))}"
    else:
        text = own.witnesses[own.english > own.continental]
        either = f"a number like {shown(own.witnesses[0])} or like {shown(own.witnesses[1])}"
    file, row = (None, None) if place is None else place((cells == text).fill_null(False).arg_max())
    expected = "table.decimal: '.' or ',' (or table.thousands) to say which"
    problem = f"may be {either}" + (f" ({why})" if why else "")
    return bad_input(problem, file=file, row=row, field=cells.name, value=text, expected=expected)


def _said(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _truth(cells: pl.Series) -> bool:
    """Whether the column holds words of truth and nothing else but 0 and 1."""
    words = cells.drop_nulls().str.to_lowercase().unique()
    return len(words) > 0 and words.is_in([*TRUE, *FALSE, *ONE, *ZERO]).all() and words.is_in([*TRUE, *FALSE]).any()


def read_numbers(values: pl.Series, form: NumberForm) -> tuple[pl.Series, pl.Series]:
    """Numbers of a column of text as Float64 with null where nothing is known, and which cells cannot be read.

    >>> read_numbers(pl.Series(["2,8 Tsd.", "n/a", "$5"]), NumberForm(decimal=",", counts=True))[0].to_list()
    [2800.0, None, None]
    """
    cells = _cells(values, form.missing)
    plain = cells.str.contains(r"^0$" if form.percent else PLAIN).fill_null(False)
    rest = cells.filter(~plain).drop_nulls().unique()
    read = {text: _read(text, form) for text in rest}
    other = cells.replace_strict(read, default=None, return_dtype=pl.Float64)
    whole = cells.str.strip_prefix("+").cast(pl.Float64, strict=False)
    numbers = pl.select(pl.when(plain).then(whole).otherwise(other)).to_series().alias(values.name)
    return numbers, cells.is_not_null() & numbers.is_null()


def _read(text: str, form: NumberForm) -> float | None:
    if form.words:
        word = text.lower()
        return 1.0 if word in TRUE or word in ONE else 0.0
    parts = shape(text, form.counts)
    value = None if parts is None else parts.value(form.decimal)
    if (
        value is None
        or (parts.percent != form.percent and value != 0)
        or abs(value) > MOST
        or (form.whole and value != value.to_integral_value())
    ):
        return None
    return float(value)


def looks_like_number(values: pl.Series) -> float:
    """Share of the filled cells that show a number, a count or a truth value; 0 where none is filled."""
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return 1.0 if values.null_count() < len(values) else 0.0
    if values.dtype != pl.String:
        return 0.0
    cells = _cells(values, WORDS)
    filled = len(cells) - cells.null_count()
    if filled == 0:
        return 0.0
    if _truth(cells):
        return 1.0
    odd = sum(count for _, count, parts in _counted(cells, True) if parts is None)
    return 1.0 - odd / filled
