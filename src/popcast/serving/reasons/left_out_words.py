"""Which words of a post carry its forecast: each is left out, all else stays, and the forecast is made again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from popcast.serving.reasons.explanation import WordEffect, factor_of
from popcast.serving.reasons.mixed_posts import Forecasting, predicted, seen

MOST, SHOWN = 60, 8
"""Words that are left out, from the first on, and those that are told of."""
LEAST = 0.005
"""A smaller change is none: it is within what rounding and boosting's steps leave."""
WORD = re.compile(r"[\w#@'’-]+", re.UNICODE)


def left_out(post: dict[str, object]) -> Iterator[tuple[str, str, object]]:
    """Field, word and the field's content without it, each word once: all of its places are emptied together.

    >>> [(word, rest) for _, word, rest in left_out({"title": "Go, dog go!", "tags": None})]
    [('Go', ', dog !'), ('dog', 'Go, go!')]
    """
    title, tags = post.get("title"), post.get("tags")
    found: dict[str, str] = {}
    for word in WORD.findall(title or ""):
        found.setdefault(word.lower(), word)
    for low, word in list(found.items())[:MOST]:
        rest = WORD.sub(lambda match, low=low: "" if match.group().lower() == low else match.group(), title)
        rest = re.sub(r"\s{2,}", " ", rest).strip()
        yield "title", word, rest or None
    for tag in list(dict.fromkeys(tags or []))[:MOST]:
        yield "tags", tag, [one for one in tags if one != tag]


def words_of(forecast: Forecasting, prepared: pl.DataFrame, media: Path | None = None) -> list[list[WordEffect]]:
    """Per post the ``SHOWN`` words that matter most. prepared: as ``Forecast.prepared`` returns posts."""
    rows, owners, names = [], [], []
    for number, post in enumerate(prepared.select("title", "tags").iter_rows(named=True)):
        changes = [*left_out(post)]
        rows += [{}] + [{field: rest} for field, _, rest in changes] if changes else []
        owners += [number] * (len(changes) + 1) if changes else []
        names += [None] + [change[:2] for change in changes] if changes else []
    found: list[list[WordEffect]] = [[] for _ in range(prepared.height)]
    if not rows:
        return found
    values = predicted(forecast, seen(forecast, changed(prepared, owners, rows), media))
    for place, (owner, name) in enumerate(zip(owners, names, strict=True)):
        if name is None:
            whole = values[place]  # the draft itself, under an id of its own like its variants
        elif abs(effect := float(round(whole - values[place], 6))) >= LEAST:
            found[owner].append(WordEffect(*name, effect, factor_of(effect, forecast.contents.transform)))
    return [sorted(one, key=lambda w: (-abs(w.value), w.field, w.word))[:SHOWN] for one in found]


def changed(prepared: pl.DataFrame, owners: list[int], changes: list[dict[str, object]]) -> pl.DataFrame:
    """Row ``owners[i]`` with the fields of ``changes[i]`` for each i, under ids that no post has."""
    table = prepared[np.asarray(owners, dtype=np.int64)]
    for name in sorted({field for change in changes for field in change}):
        own = table[name].to_list()
        values = [change.get(name, value) for change, value in zip(changes, own, strict=True)]
        table = table.with_columns(pl.Series(name, values, dtype=table.schema[name]))
    ids = [f"{one}\n{i}" for i, one in enumerate(table["post_id"])]
    return table.with_columns(post_id=pl.Series(ids, dtype=pl.String))
