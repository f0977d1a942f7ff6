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
"""In categories and ids: anything else may be a name."""

NOBODY = NAMES | {"nan", "null", "none", "n/a", "<na>"}
"""In names of authors."""


def blank_words(values: pl.Series, words: Collection[str]) -> pl.Series:
    """Text, stripped, with null where there is nothing or one of ``words`` (small letters, as any case matches).

    >>> blank_words(pl.Series([" a ", "N/A", ""]), WORDS).to_list()
    ['a', None, None]
    """
    text = values.cast(pl.String).str.strip_chars()
    gone = (text == "") | text.str.to_lowercase().is_in(list(words))
    return pl.select(pl.when(~gone).then(text)).to_series().alias(values.name)
