"""The check list of captions: what a machine doubts, what a person says, and which captions pass.

A csv ``post_id,picture,caption,doubts,checked,corrected``. A person writes ``yes`` or ``no`` into ``checked``, or a
better caption into ``corrected``. A row that nobody went through does not pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from popcast.chat.captioning.asked_captions import TOKENS, Captioned
from popcast.core.errors import bad_input

COLUMNS = ("post_id", "picture", "caption", "doubts", "checked", "corrected")
LONGEST = 60
"""Words of a caption."""
FORMULA = "=+-@"
"""Signs with which no caption begins: a spreadsheet would run it."""
YES, NO = ("yes", "y", "ok", "1", "true", "x"), ("no", "n", "0", "false")
_REFUSAL = re.compile(r"\b(sorry|can(no|')t|unable to|as an ai|i am not able|i'm not able)\b", re.IGNORECASE)
_POPULARITY = re.compile(r"\b(popular\w*|viral|likes?d?|views?|followers?|trending|engagement)\b", re.IGNORECASE)
_PREAMBLE = re.compile(r"^(here is|here's|sure|certainly|caption:|description:)", re.IGNORECASE)


def check_list(found: Sequence[Captioned], before: pl.DataFrame | None = None) -> pl.DataFrame:
    """The list of ``found`` captions. before: an earlier list, whose checks stay where the caption is the same."""
    texts = [" ".join(one.answer.text.split()).lstrip(FORMULA) if one.answer is not None else "" for one in found]
    often = Counter(text.lower() for text in texts)
    rows = []
    for one, text in zip(found, texts, strict=True):
        tokens = None if one.answer is None else one.answer.output_tokens
        told = doubts(text, often[text.lower()], tokens) if one.answer is not None else ["picture cannot be read"]
        rows.append([one.post_id, one.picture, text, "; ".join(told)])
    table = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS[:4], pl.String), orient="row")
    if before is None:
        return table.with_columns(checked=pl.lit(""), corrected=pl.lit(""))
    kept = before.select("post_id", "caption", "checked", "corrected").unique(["post_id", "caption"], keep="first")
    both = table.join(kept, on=["post_id", "caption"], how="left", maintain_order="left")
    return both.with_columns(pl.col("checked", "corrected").fill_null(""))


def doubts(caption: str, often: int = 1, tokens: int | None = None) -> list[str]:
    """Why a person should look twice. often: pictures with this very caption; tokens: that the answer took.

    >>> doubts("A dog on a beach.")
    []
    >>> doubts("Sorry, I can't help with that.", often=3)
    ['refused', 'the same for 3 pictures']
    >>> doubts("Here is a popular dog")
    ['speaks to the reader', 'speaks of popularity', 'no end']
    """
    if not caption:
        return ["empty"]
    found = {
        "refused": bool(_REFUSAL.search(caption)),
        "speaks to the reader": bool(_PREAMBLE.search(caption)),
        "speaks of popularity": bool(_POPULARITY.search(caption)),
        "too long": len(caption.split()) > LONGEST,
        "no end": caption[-1] not in ".!?。！？\"'”" or (tokens is not None and tokens >= TOKENS),
        f"the same for {often} pictures": often > 1,
    }
    return [name for name, holds in found.items() if holds]


def read_list(file: Path) -> pl.DataFrame:
    """A check list as a person left it. BadInput: no such file, a column is missing, a post occurs twice."""
    if not file.is_file():
        raise bad_input("no such file", file=file, expected="the check list that popcast caption wrote")
    try:
        table = pl.read_csv(file, infer_schema=False).with_columns(pl.all().fill_null(""))
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise bad_input("not a csv", file=file, expected=f"columns {', '.join(COLUMNS)}") from error
    for name in COLUMNS:
        if name not in table.columns:
            raise bad_input("no such column", file=file, field=name, expected=f"columns {', '.join(COLUMNS)}")
    if (twice := table.filter(pl.col("post_id").is_duplicated())).height:
        raise bad_input("the id occurs twice", file=file, field="post_id", value=twice["post_id"][0])
    return table.select(COLUMNS)


def passed(table: pl.DataFrame, file: Path) -> tuple[pl.DataFrame, int, int]:
    """(``post_id``, ``caption`` of what passed; rows turned down; rows nobody went through). BadInput: other words."""
    said = table.with_columns(said=pl.col("checked").str.strip_chars().str.to_lowercase())
    for row, (value, better) in enumerate(said.select("said", "corrected").iter_rows(), start=2):
        if value not in (*YES, *NO, ""):
            raise bad_input(
                "neither yes nor no", file=file, row=row, field="checked", value=value, expected="yes or no"
            )
        if value in NO and better.strip():
            raise bad_input("turned down and corrected", file=file, row=row, field="corrected", expected="one of both")
    better = pl.col("corrected").str.strip_chars()
    good = said.filter(pl.col("said").is_in(YES) | (better != ""))
    good = good.select("post_id", caption=pl.when(better != "").then(better).otherwise("caption"))
    good = good.filter(pl.col("caption") != "").sort("post_id")
    turned_down = said.filter(pl.col("said").is_in(NO)).height
    return good, turned_down, table.height - good.height - turned_down
