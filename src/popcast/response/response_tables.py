"""Contracts of the tables of responses, see ``popcast.core.tables``: parquet, sorted by key, null for what is missing.

All ids are texts; those of users are pseudonyms. ``data/responses/<key>/`` holds one file per table.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from popcast.core.tables import SPLITS, TIME

SENTIMENTS = ("negative", "neutral", "positive")
"""Classes of sentiment, in the order of every vector of shares; their polarity is -1, 0, 1."""

SOURCES = ("search", "ai_search", "manual", "post")

TOPICS = pa.DataFrameSchema(
    {
        "topic_id": pa.Column(pl.String, unique=True),
        "hashtag": pa.Column(pl.String, nullable=True),
        "news_text": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "news_time": pa.Column(TIME, nullable=True),
        "author_id": pa.Column(pl.String, nullable=True),
        "source": pa.Column(pl.String, pa.Check.isin(SOURCES)),
        "split": pa.Column(pl.String, pa.Check.isin(SPLITS)),
    }
)
"""What is responded to: a piece of news under a hashtag, or (source ``post``) somebody's post. Besides these only
``fact_*`` (f64 or null): numbers known when the topic appeared, such as followers of its author."""
TOPICS_KEY = "topic_id"

RESPONSES = pa.DataFrameSchema(
    {
        "response_id": pa.Column(pl.String, unique=True),
        "bid": pa.Column(pl.String, nullable=True),
        "topic_id": pa.Column(pl.String),
        "user_id": pa.Column(pl.String),
        "text_raw": pa.Column(pl.String, nullable=True),
        "text": pa.Column(pl.String, nullable=True),
        "topics": pa.Column(pl.List(pl.String), nullable=True),
        "posted_at": pa.Column(TIME, nullable=True),
        "likes": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "comments": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "reposts": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "ip": pa.Column(pl.String, nullable=True),
        "level": pa.Column(pl.String, nullable=True),
        "is_retweet_source": pa.Column(pl.Boolean),
    },
    strict=True,
)
"""What was written about a topic. ``text`` is null where it is withheld. ``is_retweet_source``: the original of a
retweet that the collector brought along: context, never a target."""
RESPONSES_KEY = "response_id"

USERS = pa.DataFrameSchema(
    {
        "user_id": pa.Column(pl.String, unique=True),
        "alias": pa.Column(pl.String),
        "gender": pa.Column(pl.String, pa.Check.isin(("m", "f")), nullable=True),
        "description": pa.Column(pl.String, nullable=True),
        "followers": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "follows": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "statuses": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "verified": pa.Column(pl.Boolean, nullable=True),
    },
    strict=True,
)
"""Authors of responses; ``alias`` stands for the screen name everywhere."""
USERS_KEY = "user_id"

HISTORY = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "bid": pa.Column(pl.String, nullable=True),
        "user_id": pa.Column(pl.String),
        "text": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "topics": pa.Column(pl.List(pl.String), nullable=True),
        "posted_at": pa.Column(TIME, nullable=True),
        "retweet_text": pa.Column(pl.String, nullable=True),
        "retweet_topics": pa.Column(pl.List(pl.String), nullable=True),
        "likes": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "comments": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
        "reposts": pa.Column(pl.Int64, pa.Check.ge(0), nullable=True),
    },
    strict=True,
)
"""Cleaned earlier posts of users. Of ced-weibo: their responses to other posts."""
HISTORY_KEY = "post_id"

CASES = pa.DataFrameSchema(
    {
        "case_id": pa.Column(pl.String, unique=True),
        "response_id": pa.Column(pl.String, unique=True),
        "topic_id": pa.Column(pl.String),
        "user_id": pa.Column(pl.String),
        "split": pa.Column(pl.String, pa.Check.isin(SPLITS)),
        "target_text": pa.Column(pl.String, nullable=True),
        "target_time": pa.Column(TIME, nullable=True),
        "time_unknown": pa.Column(pl.Boolean),
        "n_history": pa.Column(pl.Int32, pa.Check.ge(0)),
        "history": pa.Column(pl.List(pl.String)),
        "bm25": pa.Column(pl.List(pl.Float64)),
    },
    strict=True,
)
"""Who is asked about what. ``history``: post ids found by BM25, best first; ``bm25``: their scores. ``n_history``: how
many posts of the user were left to search. ``case_id`` is the ``response_id``. Unlabelled cases have no text."""
CASES_KEY = "case_id"

PORTRAITS = pa.DataFrameSchema(
    {
        "case_id": pa.Column(pl.String, unique=True),
        "interest_topics": pa.Column(pl.String, nullable=True),
        "language_style": pa.Column(pl.String, nullable=True),
        "emotional_tone": pa.Column(pl.String, nullable=True),
        "personality": pa.Column(pl.String, nullable=True),
        "values": pa.Column(pl.String, nullable=True),
        "tone_label": pa.Column(pl.String, pa.Check.isin(SENTIMENTS), nullable=True),
        "provider": pa.Column(pl.String, pa.Check.isin(("heuristic", "server", "none"))),
        "model": pa.Column(pl.String, nullable=True),
        "prompt_version": pa.Column(pl.String),
        "input_hash": pa.Column(pl.String),
        "error": pa.Column(pl.String, nullable=True),
    },
    strict=True,
)
"""Portraits of real users. ``error``: why there is none; then the five items are null."""
PORTRAITS_KEY = "case_id"

COUNTS_KEY = SHARES_KEY = "post_id"

COUNTS = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "counts": pa.Column(pl.List(pl.Float64)),
    },
    strict=True,
)
"""How many reactions of each class a post or topic got. The classes are those that the section names, in its order."""

SHARES = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "split": pa.Column(pl.String, pa.Check.isin(SPLITS)),
        "shares": pa.Column(pl.List(pl.Float64)),
    },
    strict=True,
)
"""Predicted share of each class, summing to 1."""

GENERATED = pa.DataFrameSchema(
    {
        "case_id": pa.Column(pl.String),
        "topic_id": pa.Column(pl.String),
        "system": pa.Column(pl.String),
        "sample": pa.Column(pl.Int16, pa.Check.ge(0)),
        "split": pa.Column(pl.String, pa.Check.isin(SPLITS)),
        "text": pa.Column(pl.String),
        "finish_reason": pa.Column(pl.String, pa.Check.isin(("end", "length"))),
    },
    strict=True,
)
"""Generated responses of every system; ``text`` may be empty."""
GENERATED_KEY = ("system", "case_id", "sample")

PREDICTED = pa.DataFrameSchema(
    {
        "mid": pa.Column(pl.String, unique=True),
        "text": pa.Column(pl.String),
        "sentiment": pa.Column(pl.String, pa.Check.isin(SENTIMENTS), nullable=True),
    },
    strict=True,
)
"""Predictions of withheld responses, by the id of the response. Null: the labeller finds no sentiment in the text."""
PREDICTED_KEY = "mid"
