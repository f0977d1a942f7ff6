"""Guards against leakage: which earlier posts of a user a case may see (socialalign.md 4, all [ours]).

A pair is one case and one post of its user. Each guard drops pairs; the first that holds is counted.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from popcast.response.casework.params import Retrieval
from popcast.response.casework.text_cleaning import hashtags

CLOSED = {
    "train": ("valid", "test", "unlabelled"),
    "valid": ("test", "unlabelled"),
    "test": ("test", "unlabelled"),
    "unlabelled": ("test", "unlabelled"),
}
"""Split of a case -> splits of topics of which no text enters its history."""

GRAM = 3
"""Characters of the pieces by which copies are found."""


def topics_of_history(history: pl.DataFrame, responses: pl.DataFrame, topics: pl.DataFrame) -> pl.DataFrame:
    """Pairs (``post_id``, ``about``) of history posts and the topics that they are about, each once.

    A post is about a topic if it is one of its responses, or if it or what it retweets carries its hashtag. Capitals
    do not matter.
    """
    as_response = history.join(
        responses.select(post_id="response_id", about="topic_id"), on="post_id", how="inner"
    ).select("post_id", "about")
    by_bid = history.join(responses.select("bid", about="topic_id"), on="bid", how="inner").select("post_id", "about")
    known = {
        hashtag.casefold(): topic_id
        for topic_id, hashtag in topics.select("topic_id", "hashtag").iter_rows()
        if hashtag is not None
    }
    rows: list[tuple[str, str]] = []
    if known:
        columns = ("post_id", "topics", "retweet_topics", "text", "retweet_text")
        for post_id, own, other, text, retweet in history.select(columns).iter_rows():
            found = [*(own or ()), *(other or ()), *hashtags(text), *hashtags(retweet or "")]
            rows += [(post_id, known[tag.casefold()]) for tag in found if tag.casefold() in known]
    tagged = pl.DataFrame(rows, schema=as_response.schema, orient="row")
    return pl.concat([as_response, by_bid, tagged]).unique().sort("post_id", "about")


def guarded(
    pairs: pl.DataFrame, about: pl.DataFrame, splits: dict[str, str], settings: Retrieval
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The pairs that a case may see, and how many each guard dropped.

    pairs: ``case_id, case_bid, topic_id, split, cutoff`` (time before which posts must lie, or null), ``target_text``,
    ``post_id, bid, posted_at, text, retweet_text``. about: see :func:`topics_of_history`. splits: topic -> split.
    """
    touched = about.with_columns(of=pl.col("about").replace_strict(splits, return_dtype=pl.String))
    touched = touched.group_by("post_id").agg(pl.col("about"), pl.col("of"))
    pairs = pairs.join(touched, on="post_id", how="left", maintain_order="left")
    closed = pl.lit(False)
    for split, parts in CLOSED.items():
        reached = pl.any_horizontal(*(pl.col("of").list.contains(part) for part in parts))
        closed = closed | ((pl.col("split") == split) & reached)
    same = (
        (pl.col("post_id") == pl.col("case_id"))
        | (pl.col("bid") == pl.col("case_bid")).fill_null(False)
        | (pl.col("post_id") == pl.col("case_bid")).fill_null(False)
        | (pl.col("bid") == pl.col("case_id")).fill_null(False)
    )
    later = pl.col("cutoff").is_not_null() & ~(pl.col("posted_at") < pl.col("cutoff")).fill_null(False)
    guards: dict[str, pl.Expr] = {}
    if settings.drop_target:
        guards["the response itself"] = same
    if settings.drop_event:
        guards["about the same topic"] = pl.col("about").list.contains(pl.col("topic_id"))
    if settings.drop_other_splits:
        guards["about a topic of another split"] = closed
    if settings.only_earlier:
        guards["not strictly before"] = later
    dropped = {}
    for name, rule in guards.items():
        kept = pairs.filter(~rule.fill_null(False))
        dropped[name], pairs = pairs.height - kept.height, kept
    if settings.drop_copies:
        kept = pairs.filter(~copies(pairs, settings.copy_share, settings.copy_length))
        dropped["a copy of the response"], pairs = pairs.height - kept.height, kept
    return pairs.drop("about", "of"), dropped


def copies(pairs: pl.DataFrame, share: float, length: int) -> pl.Series:
    """Which pairs hold a post, or a retweeted one, that is nearly the response: Jaccard of ``share`` or more.

    pairs: ``target_text`` (or null), ``text``, ``retweet_text`` (or null). length: of responses that are looked at.
    """
    known: dict[str, frozenset[str]] = {}

    def grams(text: str) -> frozenset[str]:
        if text not in known:
            known[text] = frozenset(text[i : i + GRAM] for i in range(max(1, len(text) - GRAM + 1)))
        return known[text]

    def copied(target: str | None, others: Iterable[str | None]) -> bool:
        if target is None or len(target) < length:
            return False
        wanted = grams(target)
        for other in others:
            if other is not None:
                found = grams(other)
                small, large = sorted((len(wanted), len(found)))
                if small >= share * large:
                    common = len(wanted & found)
                    if common >= share * (len(wanted) + len(found) - common):
                        return True
        return False

    rows = pairs.select("target_text", "text", "retweet_text").iter_rows()
    return pl.Series("copy", [copied(target, others) for target, *others in rows], dtype=pl.Boolean)
