"""What the prompts of cases are made of, out of the tables of a set of responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.core import paths, tables
from popcast.core.stable import stable_random
from popcast.response import response_tables as contracts
from popcast.response.portraits.portraits import render
from popcast.response.writing.response_prompts import Asked, Asking, ResponsePrompts

TABLES = ("cases", "topics", "users", "history", "portraits")


@dataclass(frozen=True)
class ResponseData:
    """Tables of ``data/responses/<key>/`` that prompts are made of."""

    cases: pl.DataFrame
    topics: pl.DataFrame
    users: pl.DataFrame
    history: pl.DataFrame
    portraits: pl.DataFrame


def read_data(key: str) -> ResponseData:
    """Raises BadInput where a table is missing or breaks its contract."""
    found = {name: tables.read(paths.responses(key, name), getattr(contracts, name.upper())) for name in TABLES}
    return ResponseData(**found)


def askings(data: ResponseData, cases: pl.DataFrame) -> list[Asking]:
    """One per case, in their order. History posts stand as they were found, the best first."""
    topics = {row["topic_id"]: row for row in data.topics.iter_rows(named=True)}
    names = dict(data.users.select("user_id", "alias").iter_rows())
    shown = data.history.filter(pl.col("post_id").is_in(cases["history"].explode().unique().drop_nulls().implode()))
    texts = {post: (text, seen) for post, text, seen in shown.select("post_id", "text", "retweet_text").iter_rows()}
    portraits = {row["case_id"]: render(row) for row in data.portraits.iter_rows(named=True) if row["error"] is None}
    found = []
    for case, topic, user, history in cases.select("case_id", "topic_id", "user_id", "history").iter_rows():
        about = topics[topic]
        found.append(
            Asking(names[user], [texts[post] for post in history], portraits.get(case) or None, about["news_text"],
                   about["hashtag"])
        )  # fmt: skip
    return found


def drawn(cases: pl.DataFrame, most: int | None, seed: int, purpose: str) -> pl.DataFrame:
    """At most ``most`` cases, drawn by seed and case, in the order of ``cases``; None: all of them."""
    if most is None or cases.height <= most:
        return cases
    chance = stable_random(cases["case_id"].to_list(), seed, purpose)
    return cases[np.sort(np.argsort(chance, kind="stable")[:most])]


def prompts_of(data: ResponseData, cases: pl.DataFrame, writer: ResponsePrompts) -> list[Asked]:
    """Prompts of cases, in their order."""
    pairs = zip(askings(data, cases), cases["case_id"], strict=True)
    return [writer.prompt(asking, f"case {case}") for asking, case in pairs]
