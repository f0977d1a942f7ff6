"""Contracts of the tables of responses, see ``popcast.core.tables``: parquet, sorted by key, null for what is missing.

All ids are texts; those of users are pseudonyms. ``data/responses/<key>/`` holds one file per table.
"""

from __future__ import annotations

import polars as pl

from popcast.core.libraries.table_schemas import Check, Column, Schema
from popcast.core.tables import SPLITS, TIME

SENTIMENTS = ("negative", "neutral", "positive")
"""Classes of sentiment, in the order of every vector of shares; their polarity is -1, 0, 1."""

SOURCES = ("search", "ai_search", "manual", "post")

TOPICS = Schema(
    {
        "topic_id": Column(pl.String, unique=True),
        "hashtag": Column(pl.String, nullable=True),
        "news_text": Column(pl.String, Check.str_length(min_value=1)),
        "news_time": Column(TIME, nullable=True),
        "author_id": Column(pl.String, nullable=True),
        "source": Column(pl.String, Check.isin(SOURCES)),
        "split": Column(pl.String, Check.isin(SPLITS)),
    }
)
"""What is responded to: a piece of news under a hashtag, or (source ``post``) somebody's post. Besides these only
``fact_*`` (f64 or null): numbers known when the topic appeared, such as followers of its author."""
TOPICS_KEY = "topic_id"

RESPONSES = Schema(
    {
        "response_id": Column(pl.String, unique=True),
        "bid": Column(pl.String, nullable=True),
        "topic_id": Column(pl.String),
        "user_id": Column(pl.String),
        "text_raw": Column(pl.String, nullable=True),
        "text": Column(pl.String, nullable=True),
        "topics": Column(pl.List(pl.String), nullable=True),
        "posted_at": Column(TIME, nullable=True),
        "likes": Column(pl.Int64, Check.ge(0), nullable=True),
        "comments": Column(pl.Int64, Check.ge(0), nullable=True),
        "reposts": Column(pl.Int64, Check.ge(0), nullable=True),
        "ip": Column(pl.String, nullable=True),
        "level": Column(pl.String, nullable=True),
        "is_retweet_source": Column(pl.Boolean),
    },
    strict=True,
)
"""What was written about a topic. ``text`` is null where it is withheld. ``is_retweet_source``: the original of a
retweet that the collector brought along: context, never a target."""
RESPONSES_KEY = "response_id"

USERS = Schema(
    {
        "user_id": Column(pl.String, unique=True),
        "alias": Column(pl.String),
        "gender": Column(pl.String, Check.isin(("m", "f")), nullable=True),
        "description": Column(pl.String, nullable=True),
        "followers": Column(pl.Int64, Check.ge(0), nullable=True),
        "follows": Column(pl.Int64, Check.ge(0), nullable=True),
        "statuses": Column(pl.Int64, Check.ge(0), nullable=True),
        "verified": Column(pl.Boolean, nullable=True),
    },
    strict=True,
)
"""Authors of responses; ``alias`` stands for the screen name everywhere."""
USERS_KEY = "user_id"

HISTORY = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "bid": Column(pl.String, nullable=True),
        "user_id": Column(pl.String),
        "text": Column(pl.String, Check.str_length(min_value=1)),
        "topics": Column(pl.List(pl.String), nullable=True),
        "posted_at": Column(TIME, nullable=True),
        "retweet_text": Column(pl.String, nullable=True),
        "retweet_topics": Column(pl.List(pl.String), nullable=True),
        "likes": Column(pl.Int64, Check.ge(0), nullable=True),
        "comments": Column(pl.Int64, Check.ge(0), nullable=True),
        "reposts": Column(pl.Int64, Check.ge(0), nullable=True),
    },
    strict=True,
)
"""Cleaned earlier posts of users. Of ced-weibo: their responses to other posts."""
HISTORY_KEY = "post_id"

CASES = Schema(
    {
        "case_id": Column(pl.String, unique=True),
        "response_id": Column(pl.String, unique=True),
        "topic_id": Column(pl.String),
        "user_id": Column(pl.String),
        "split": Column(pl.String, Check.isin(SPLITS)),
        "target_text": Column(pl.String, nullable=True),
        "target_time": Column(TIME, nullable=True),
        "time_unknown": Column(pl.Boolean),
        "n_history": Column(pl.Int32, Check.ge(0)),
        "history": Column(pl.List(pl.String)),
        "bm25": Column(pl.List(pl.Float64)),
    },
    strict=True,
)
"""Who is asked about what. ``history``: post ids found by BM25, best first; ``bm25``: their scores. ``n_history``: how
many posts of the user were left to search. ``case_id`` is the ``response_id``. Unlabelled cases have no text."""
CASES_KEY = "case_id"

PORTRAITS = Schema(
    {
        "case_id": Column(pl.String, unique=True),
        "interest_topics": Column(pl.String, nullable=True),
        "language_style": Column(pl.String, nullable=True),
        "emotional_tone": Column(pl.String, nullable=True),
        "personality": Column(pl.String, nullable=True),
        "values": Column(pl.String, nullable=True),
        "tone_label": Column(pl.String, Check.isin(SENTIMENTS), nullable=True),
        "provider": Column(pl.String, Check.isin(("heuristic", "server", "none"))),
        "model": Column(pl.String, nullable=True),
        "prompt_version": Column(pl.String),
        "input_hash": Column(pl.String),
        "error": Column(pl.String, nullable=True),
    },
    strict=True,
)
"""Portraits of real users. ``error``: why there is none; then the five items are null."""
PORTRAITS_KEY = "case_id"

COUNTS_KEY = SHARES_KEY = "post_id"

COUNTS = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "counts": Column(pl.List(pl.Float64)),
    },
    strict=True,
)
"""How many reactions of each class a post or topic got. The classes are those that the section names, in its order."""

SHARES = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "split": Column(pl.String, Check.isin(SPLITS)),
        "shares": Column(pl.List(pl.Float64)),
    },
    strict=True,
)
"""Predicted share of each class, summing to 1."""

GENERATED = Schema(
    {
        "case_id": Column(pl.String),
        "topic_id": Column(pl.String),
        "system": Column(pl.String),
        "sample": Column(pl.Int16, Check.ge(0)),
        "split": Column(pl.String, Check.isin(SPLITS)),
        "text": Column(pl.String),
        "finish_reason": Column(pl.String, Check.isin(("end", "length"))),
    },
    strict=True,
)
"""Generated responses of every system; ``text`` may be empty."""
GENERATED_KEY = ("system", "case_id", "sample")

PREDICTED = Schema(
    {
        "mid": Column(pl.String, unique=True),
        "text": Column(pl.String),
        "sentiment": Column(pl.String, Check.isin(SENTIMENTS), nullable=True),
    },
    strict=True,
)
"""Predictions of withheld responses, by the id of the response. Null: the labeller finds no sentiment in the text."""
PREDICTED_KEY = "mid"
