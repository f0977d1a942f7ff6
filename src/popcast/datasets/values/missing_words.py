"""Words that tools and platforms write where nothing is known, by what the column holds.

In numbers, times and lists any of them is missing. In titles only what a platform leaves in place of a removed text is:
"None" and "NA" are titles that people wrote.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

WORDS = frozenset({
    "na", "n/a", "n.a.", "n. a.", "#n/a", "#na", "<na>", "nan", "-nan", "null", "(null)", "none", "nil", "nat",
    "missing", "undefined", "unknown", "hidden", "unavailable", "not available", "private", "-", "--", "---", "–", "—",
    ".", "?", "??", "[none]", "[null]", "[nan]", "[deleted]", "[removed]", "[hidden]", "(hidden)", "#value!", "#ref!",
    "#div/0!", "#null!", "k.a.", "k. a.", "unbekannt", "keine angabe", "verborgen", "inconnu", "s/d", "desconocido",
    "desconhecido", "暂无", "未知", "不明", "非公開", r"\n",
})  # fmt: skip
"""In numbers, labels, times, tags and media, in small letters."""

GONE = frozenset({"[deleted]", "[removed]"})
"""In titles."""

NAMES = GONE | {"[none]"}
"""In categories: anything else may be a name."""

NOBODY = NAMES | {"nan", "null", "none", "n/a", "<na>"}
"""In names of authors, and in ids."""

AROUND = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))
)
"""Blanks, characters of no width and marks of direction."""


def blank_words(values: pl.Series, words: Collection[str]) -> pl.Series:
    """Text, stripped, with null where there is nothing or one of ``words`` (small letters, as any case matches).

    >>> blank_words(pl.Series([" a ", "N/A", ""]), WORDS).to_list()
    ['a', None, None]
    """
    text = values.cast(pl.String).str.strip_chars(AROUND)
    gone = (text == "") | text.str.to_lowercase().is_in(list(words))
    return pl.select(pl.when(~gone).then(text)).to_series().alias(values.name)
