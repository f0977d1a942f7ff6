"""Portraits of the users of cases, drawn from the history posts found for the case: never from the news or the target.

Five short items and a label of tone. What the user may think of the news is not asked and not guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.response.portraits import heuristic_portraits, server_portraits
from popcast.response.portraits.params import Portraying
from popcast.response.portraits.portrait_items import ITEMS, Portrait, Sitter
from popcast.response.response_tables import PORTRAITS

NO_HISTORY = "no history posts"
LENGTH = 16
"""Hex digits of an input hash."""


def draw(
    cases: pl.DataFrame,
    history: pl.DataFrame,
    users: pl.DataFrame,
    settings: Portraying,
    seed: int,
    *,
    folder: Path = paths.ANSWER_CACHE,
) -> pl.DataFrame:
    """PORTRAITS of CASES, by case_id. history, users: tables HISTORY and USERS; folder: of a server's kept answers.

    A portrait that a server cannot give is a row with its ``error``; provider ``none`` gives rows without items and
    without error. Raises BadInput for a case whose history is not in the table, and when a server is gone.
    """
    people = sitters(cases, history, users)
    sat = [one for one in people if one.posts]
    model, version = None, heuristic_portraits.VERSION
    drawn: list[Portrait | str] = []
    if settings.provider == "heuristic":
        drawn = list(heuristic_portraits.draw(sat))
    elif settings.provider == "server":
        model, version = settings.server.model, server_portraits.VERSION
        drawn = server_portraits.draw(sat, settings, seed, folder=folder)
    found: Mapping[str, Portrait | str] = dict(zip((one.case_id for one in sat), drawn, strict=False))
    rows = []
    for one in people:
        given = found.get(one.case_id, NO_HISTORY)
        told = {"provider": settings.provider, "model": model, "prompt_version": version}
        if settings.provider == "none":
            told |= {"prompt_version": "none", "error": None}
        elif isinstance(given, str):
            told["error"] = given
        else:
            told |= given.model_dump()
        rows.append({"case_id": one.case_id, "input_hash": input_hash(one, told)} | told)
    types = {name: column.dtype for name, column in PORTRAITS.columns.items()}
    return tables.check(pl.DataFrame(rows, schema=types, orient="row").sort("case_id"), PORTRAITS, "portraits")


def sitters(cases: pl.DataFrame, history: pl.DataFrame, users: pl.DataFrame) -> list[Sitter]:
    """Who is portrayed, in the order of ``cases``; nothing of the topic or the target comes along."""
    posts = {
        post: (text, retweet, tuple(topics or ()))
        for post, text, retweet, topics in history.select("post_id", "text", "retweet_text", "topics").iter_rows()
    }
    aliases = dict(users.select("user_id", "alias").iter_rows())
    found = []
    for case, user, split, own in cases.select("case_id", "user_id", "split", "history").iter_rows():
        if missing := [post for post in own or () if post not in posts]:
            raise bad_input(f"case {case}: history post is not in the table of history", value=missing[0])
        if user not in aliases:
            raise bad_input(f"case {case}: user is not in the table of users", value=user)
        found.append(Sitter(case, aliases[user], tuple(posts[post] for post in own or ()), split == "train"))
    return found


def input_hash(sitter: Sitter, told: Mapping[str, Any]) -> str:
    """Of all that a portrait depends on but the case: alias, posts, provider, model, version."""
    parts = [sitter.alias, sitter.posts, told["provider"], told["model"], told["prompt_version"]]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:LENGTH]


def render(row: Mapping[str, Any]) -> str:
    """A row of PORTRAITS as a list of five numbered lines; "" for one without items: a prompt then says nothing.

    >>> print(render({name: "好" for name in ITEMS}).splitlines()[0])
    1. 关注话题：好
    """
    if any(row[name] is None for name in ITEMS):
        return ""
    return "\n".join(f"{place}. {title}：{row[name]}" for place, (name, title) in enumerate(ITEMS.items(), 1))
