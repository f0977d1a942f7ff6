"""From canonical tables to cases: who is asked about what, and which of their earlier posts are shown."""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.response import response_tables as contracts
from popcast.response.casework import case_guards, history_cleaning, history_search, word_tokens
from popcast.response.casework.params import Casework, Retrieval
from popcast.response.casework.text_cleaning import says_nothing, without_hashtags
from popcast.response.importing.canonical_tables import Canonical


def build(canonical: Canonical, settings: Casework, seed: int = 0) -> tuple[pl.DataFrame, dict]:
    """The table ``cases`` after its contract, sorted by key, and the facts of its making (for a JSON file).

    One case per response, those of withheld topics too (without text). A case shows the ``top`` posts that BM25 finds
    for the news in what the guards leave of its user's cleaned history. Nothing here is drawn, so ``seed`` changes
    nothing; the parameter is part of the form of such functions.
    """
    retrieval = settings.retrieval
    kept, dropped = history_cleaning.cleaned(canonical.history, canonical.users, settings.cleaning)
    targets, skipped = _targets(canonical, settings)
    pairs = targets.join(kept.drop("topics", "retweet_topics"), on="user_id", how="inner")
    about = case_guards.topics_of_history(kept, canonical.responses, canonical.topics)
    splits = dict(canonical.topics.select("topic_id", "split").iter_rows())
    pairs, guards = case_guards.guarded(pairs, about, splits, retrieval)
    left = pairs.group_by("case_id").len("n_history")
    targets = targets.join(left, on="case_id", how="left").with_columns(pl.col("n_history").fill_null(0))
    known = canonical.history.select(pl.col("user_id").unique())["user_id"].implode()
    without = ~pl.col("user_id").is_in(known)
    few = pl.col("n_history") < retrieval.min_history
    skipped["user without a history"] = targets.filter(few & without).height
    skipped[f"fewer than {retrieval.min_history} posts left"] = targets.filter(few & ~without).height
    targets = targets.filter(~few)
    shown = _shown(pairs.join(targets.select("case_id"), on="case_id", how="semi"), canonical.topics, retrieval)
    empty = pl.col("history").fill_null(pl.lit([], pl.List(pl.String)))
    cases = targets.join(shown, on="case_id", how="left").with_columns(
        empty, pl.col("bm25").fill_null(pl.lit([], pl.List(pl.Float64))), pl.col("n_history").cast(pl.Int32)
    )
    cases = cases.with_columns(response_id="case_id", time_unknown=pl.col("cutoff").is_null())
    cases = tables.rounded(cases.select(*contracts.CASES.columns)).sort(contracts.CASES_KEY)
    tables.check(cases, contracts.CASES, "cases")
    return cases, _facts(canonical, cases, kept, dropped, guards, skipped)


def _targets(canonical: Canonical, settings: Casework) -> tuple[pl.DataFrame, dict[str, int]]:
    """Responses that can be cases, with split and cutoff, and how many cannot by reason."""
    topics = canonical.topics.select("topic_id", "split", "news_time")
    table = canonical.responses.filter(~pl.col("is_retweet_source")).join(topics, on="topic_id", how="inner")
    bare = {text: without_hashtags(text) for text in table["text"].drop_nulls().unique().to_list()}
    silent = [text for text, rest in bare.items() if rest and says_nothing(rest)]
    reasons = {
        "nothing left of the text": pl.col("text").is_null()
        & (pl.col("text_raw").is_not_null() | (pl.col("split") != "unlabelled")),
        "hashtags only": pl.col("text").is_in([text for text, rest in bare.items() if not rest]),
    }
    if settings.cleaning.placeholders:
        reasons["words of the site only"] = pl.col("text").is_in(silent)
    skipped = {"originals of retweets": canonical.responses.height - table.height}
    for reason, rule in reasons.items():
        kept = table.filter(~rule.fill_null(False))
        skipped[reason], table = table.height - kept.height, kept
    cutoff = pl.coalesce("posted_at", "news_time")
    return table.select(
        "topic_id", "user_id", "split", case_id="response_id", case_bid="bid", target_text="text",
        target_time="posted_at", cutoff=cutoff,
    ), skipped  # fmt: skip


def _shown(pairs: pl.DataFrame, topics: pl.DataFrame, settings: Retrieval) -> pl.DataFrame:
    """``case_id``, ``history`` and ``bm25`` of the best posts. Of equal scores the newest post comes first."""
    tokens = word_tokens.tokenizer(settings.tokens)
    newest = ["case_id", "posted_at", "post_id"]
    pairs = pairs.sort(newest, descending=[False, True, True], nulls_last=True)
    posts = pairs.select("post_id", "text", "retweet_text").unique("post_id").sort("post_id")
    documents = [tokens(text if other is None else f"{text} {other}") for _, text, other in posts.iter_rows()]
    news = topics.filter(pl.col("topic_id").is_in(pairs["topic_id"].implode())).sort("topic_id")
    queries = [tokens(text) for text in news["news_text"].to_list()]
    places = pairs.select(
        case=pl.col("case_id").rle_id(),
        post=pl.col("post_id").replace_strict(_rows(posts["post_id"]), return_dtype=pl.Int64),
        query=pl.col("topic_id").replace_strict(_rows(news["topic_id"]), return_dtype=pl.Int64),
    )
    case, post, query = (places[name].to_numpy().astype(np.int64) for name in ("case", "post", "query"))
    score = history_search.scores(documents, queries, case, post, query, settings.k1, settings.b)
    rows = history_search.best(case, score, settings.top)
    found = pairs.select("case_id", "post_id").with_columns(bm25=pl.Series(score, dtype=pl.Float64))[rows]
    return found.group_by("case_id", maintain_order=True).agg(history="post_id", bm25="bm25")


def _rows(ids: pl.Series) -> dict[str, int]:
    return {name: row for row, name in enumerate(ids.to_list())}


def _facts(
    canonical: Canonical,
    cases: pl.DataFrame,
    kept: pl.DataFrame,
    dropped: dict[str, int],
    guards: dict[str, int],
    skipped: dict[str, int],
) -> dict:
    """Sizes, and everything that was left out by reason."""
    per_split = {
        split: {
            "cases": own.height,
            "topics": own["topic_id"].n_unique(),
            "users": own["user_id"].n_unique(),
        }
        for split in tables.SPLITS
        if (own := cases.filter(pl.col("split") == split)).height
    }
    sizes = cases["n_history"]
    return {
        "topics": canonical.topics.height,
        "posts": canonical.responses.filter(~pl.col("is_retweet_source")).height,
        "users": canonical.responses.filter(~pl.col("is_retweet_source"))["user_id"].n_unique(),
        "history": {
            "posts": canonical.history.height,
            "kept": kept.height,
            "users": kept["user_id"].n_unique(),
            "per_case_min": sizes.min(),
            "per_case_max": sizes.max(),
            "per_case_total": int(sizes.sum()),
        },
        "cases": {"all": cases.height, "time_unknown": int(cases["time_unknown"].sum()), **per_split},
        "skipped": skipped,
        "dropped_posts": dropped,
        "dropped_pairs": guards,
    }
