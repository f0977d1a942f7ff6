"""Rows of an export that are no posts: titles and notes above its header, the header again, the totals below.

Exports of insights begin with a title, a period, an account; files that were put together have a header in their
middle; spreadsheets end in a sum. None of them is a post, and a sum read as one would be the largest label of all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from popcast.datasets.reading.column_names import clean_name

FARTHEST = 40
"""Rows that may stand above a header."""

NOTE = ("#", "//")
"""How a row begins that is a note, if a header is found below."""

TOTALS = {
    "total", "totals", "grand total", "sum", "subtotal", "average", "gesamt", "summe", "gesamtsumme", "insgesamt",
    "gesamtergebnis", "somme", "total général", "total general", "suma", "totale", "total geral", "soma", "razem",
    "итого", "всего", "合计", "总计", "總計", "小计", "合計", "計", "합계", "총계",
}  # fmt: skip
"""First filled cell of a row of totals, in small letters."""

AGAIN, TOTAL = "the header again", "totals"
"""What rows are that are left out."""

_NUMBER = re.compile(r"[\s\d.,'%+-]*\d[\s\d.,'%+-]*(?:[kKmM]|Tsd\.?|Mio\.?|万|億|亿)?")


def header_at(rows: Sequence[Sequence[object]], wanted: Collection[str] | None) -> int:
    """Index of the header among the first rows, blank ones left out beforehand; 0 where nothing speaks for another.

    wanted: names of columns: of rows that hold any, the first with most of them is it. Else the first row is it unless
    it has at most half of the cells that most rows have; then the first that has all of them.

    >>> header_at([["Report", ""], ["# of 2025"], ["id", "likes", "at"], ["1", "5", "now"], ["2", "7", "now"]], None)
    2
    """
    first = [[clean_name(cell) for cell in row] for row in rows[:FARTHEST]]
    if not first:
        return 0
    if wanted:
        known = [len(set(row) & set(wanted)) for row in first]
        if max(known) > 0:
            return known.index(max(known))
    filled = [sum(map(bool, row)) for row in first]
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda one: (widths[one], one))
    if width < 2 or (2 * filled[0] > width and not first[0][0].startswith(NOTE)):
        return 0
    for at, row in enumerate(first):
        named = [cell for cell in row if cell]
        if len(row) == width and 2 * len(named) > width and not named[0].startswith(NOTE):
            return 0 if any(_NUMBER.fullmatch(cell) for cell in named) else at
    return 0


def is_total(cells: Sequence[object]) -> bool:
    """Whether a row is the sum of those above: a word for it, then numbers and nothing else, with a cell left empty.

    >>> is_total(["Total", "", "", "1,234"]), is_total(["Total", "a post", "", "5"]), is_total(["total", "5"])
    (True, False, False)
    """
    texts = [clean_name(cell) for cell in cells]
    filled = [text for text in texts if text]
    if not 2 <= len(filled) < len(texts) or filled[0].rstrip(": ").casefold() not in TOTALS:
        return False
    return all(_NUMBER.fullmatch(text) for text in filled[1:])
