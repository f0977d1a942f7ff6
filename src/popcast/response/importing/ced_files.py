"""The ced-weibo files as canonical tables: a post is a topic, a response is a response and its user's history.

``posts.jsonl.gz``, ``responses_train.csv.gz``, ``emoticons_train.csv.gz`` and, with outcomes withheld,
``posts_test.jsonl.gz`` and ``responses_test.csv.gz``. Counts of likes, comments, reposts and responses of a post are
outcomes and stay out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput, bad_input
from popcast.core.tables import TIME
from popcast.datasets import raw_files, times, weibo_ids
from popcast.fewshot.templates import clean
from popcast.response import response_tables as contracts
from popcast.response.casework.text_cleaning import clean_text
from popcast.response.importing import canonical_tables
from popcast.response.importing import collected_records as records
from popcast.response.importing.canonical_tables import Labeller
from popcast.response.importing.collector_files import Row, json_text, record_of
from popcast.response.importing.import_report import ImportReport
from popcast.response.importing.pseudonyms import Pseudonyms

FILES = {
    "posts": "posts.jsonl.gz",
    "responses": "responses_train.csv.gz",
    "emoticons": "emoticons_train.csv.gz",
    "posts_test": "posts_test.jsonl.gz",
    "responses_test": "responses_test.csv.gz",
}
CSV_COLUMNS = {
    "responses": ("post_id", "mid", "user", "time", "text"),
    "emoticons": ("post_id", "mid", "time", "emoticons"),
    "responses_test": ("post_id", "mid", "user", "time"),
}
ID = r"^[0-9A-Za-z_]{1,40}$"
CLOCK, NO_YEAR = "%Y-%m-%d %H:%M:%S", r"^\d{1,2}月\d{1,2}日 \d{1,2}:\d{2}$"
DAY = 86_400


class CedPost(records.Record):
    """A line of ``posts.jsonl.gz``; lines of ``posts_test.jsonl.gz`` lack the outcomes."""

    post_id: str = Field(pattern=ID)
    author_hash: str = Field(pattern=ID)
    time: int
    text: records.Text = Field(min_length=1)
    pics: int = Field(ge=0)
    has_url: bool
    followers: int | None = Field(ge=0)
    friends: int | None = Field(ge=0)
    messages: int | None = Field(ge=0)
    verified: bool | None
    verified_type: int | None
    account_time: int | None
    gender: str | None = Field(pattern="^[mf]$")
    likes: int | None = None
    reposts: int | None = None
    comments: int | None = None
    n_responses: int | None = None
    n_text: int | None = None


def read(
    raw: Path, zone: str, now: datetime, pseudonyms: Pseudonyms, report: ImportReport, label: Labeller | None
) -> dict[str, pl.DataFrame | None]:
    """Tables without ``split``; topics have ``time`` and ``withheld`` (posts of the test file)."""
    topics = _topics(raw / FILES["posts"], False, now, pseudonyms, report, set())
    seen = set(topics["topic_id"].to_list())
    if (raw / FILES["posts_test"]).exists():
        topics = pl.concat([topics, _topics(raw / FILES["posts_test"], True, now, pseudonyms, report, seen)])
    known = {withheld: topics.filter(pl.col("withheld") == withheld)["topic_id"] for withheld in (False, True)}
    responses = _rows(raw, "responses", known[False], zone, now, report)
    if (raw / FILES["responses_test"]).exists():
        later = _rows(raw, "responses_test", known[True], zone, now, report, responses["mid"])
        responses = pl.concat([responses, later], how="diagonal")
    counts = None
    if label is not None:
        emoticons = _rows(raw, "emoticons", known[False], zone, now, report)
        counts = canonical_tables.class_counts(emoticons["post_id"], emoticons["emoticons"], label)
    users = responses["user"].unique(maintain_order=True).to_list()
    names = {user: pseudonyms.user(user) for user in users}
    table = _responses(responses, names, pseudonyms)
    people = [{"user_id": names[user], "alias": pseudonyms.alias(user)} for user in users]
    return {
        "topics": topics,
        "responses": table,
        "users": canonical_tables.frame(people, contracts.USERS),
        "history": _history(table),
        "counts": counts,
    }


def _topics(
    path: Path, withheld: bool, now: datetime, pseudonyms: Pseudonyms, report: ImportReport, seen: set[str]
) -> pl.DataFrame:
    """Posts of one file as rows of ``topics``. seen: ids of the file before."""
    form, rows = path.name.removesuffix(".jsonl.gz"), []
    for number, post, field, fault in _posts(path):
        when = None if post is None else _time(post.time)
        if fault is None:
            field, fault = _fault(post, when, now, seen)
        if fault is not None:
            report.reject(form, fault, path, number, field)
            continue
        seen.add(post.post_id)
        report.keep(form)
        text = clean(pseudonyms.text(post.text))
        rows.append({**_topic(post, when, pseudonyms), "news_text": text, "withheld": withheld})
    schema = {name: column.dtype for name, column in contracts.TOPICS.columns.items() if name != "split"}
    facts = dict.fromkeys(FACTS, pl.Float64)
    return pl.DataFrame(rows, schema=schema | facts | {"time": TIME, "withheld": pl.Boolean}, orient="row")


def _fault(post: CedPost, when: datetime, now: datetime, seen: set[str]) -> tuple[str | None, str | None]:
    """Field and reason of what is wrong with a post whose types are right."""
    if post.post_id in seen:
        return "post_id", "the post stands there twice"
    if when.year < records.FIRST_YEAR:
        return "time", f"a time before {records.FIRST_YEAR}"
    if when > now:
        return "time", "a time in the future"
    if not clean(post.text):
        return "text", "no text"
    return None, None


FACTS = (
    "fact_followers", "fact_friends", "fact_messages", "fact_verified", "fact_pics", "fact_has_url",
    "fact_account_days", "fact_gender",
)  # fmt: skip
"""Numbers known when a post appeared. ``fact_gender``: 1 for m, 0 for f, of its author."""


def _time(second: int) -> datetime:
    """UTC time; seconds out of every range count as the year 1."""
    try:
        return datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=UTC)


def _topic(post: CedPost, when: datetime, pseudonyms: Pseudonyms) -> dict:
    facts = {
        "fact_followers": post.followers, "fact_friends": post.friends, "fact_messages": post.messages,
        "fact_verified": post.verified, "fact_pics": post.pics, "fact_has_url": post.has_url,
        "fact_account_days": None if post.account_time is None else (post.time - post.account_time) / DAY,
        "fact_gender": {"m": 1.0, "f": 0.0, None: None}[post.gender],
    }  # fmt: skip
    numbers = {name: None if value is None else float(value) for name, value in facts.items()}
    about = {"topic_id": post.post_id, "author_id": pseudonyms.user(post.author_hash), "source": "post"}
    return {**about, "hashtag": None, "news_time": when, "time": when, **numbers}


def _posts(path: Path) -> Iterator[Row]:
    raw_files.check_packed(path)
    with raw_files.opened(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                value = json_text(line.decode())
            except ValueError:  # another encoding too
                yield Row(number, fault="not valid JSON in UTF-8")
            else:
                yield record_of(CedPost, value, number)


def _rows(
    raw: Path,
    name: str,
    topics: pl.Series,
    zone: str,
    now: datetime,
    report: ImportReport,
    seen: pl.Series | None = None,
) -> pl.DataFrame:
    """Good rows of one csv with ``posted_at`` (null where the time names no year). seen: numbers of the file before."""
    path, form = raw / FILES[name], FILES[name].removesuffix(".csv.gz")
    columns = CSV_COLUMNS[name]
    with raw_files.opened(path) as file:
        header = file.readline(4096).decode(errors="replace").strip("\r\n")
    if header != ",".join(columns):
        raise bad_input("another header", file=path, row=1, value=header, expected=",".join(columns))
    table = raw_files.csv(path).with_row_index("row", offset=2)
    clock = times.in_zone(table["time"].str.to_datetime(CLOCK, time_unit="us", strict=False), zone)
    table = table.with_columns(posted_at=clock, yearless=pl.col("time").str.contains(NO_YEAR).fill_null(False))
    faults = _faults(columns, topics, now, seen)
    missing = (pl.when(wrong.fill_null(True)).then(place) for place, (_, wrong, _) in enumerate(faults))
    table = table.with_columns(bad_id=~_base62(table["mid"])).with_columns(fault=pl.coalesce(*missing))
    for row, place in table.filter(pl.col("fault").is_not_null()).select("row", "fault").iter_rows():
        field, _, reason = faults[place]
        report.reject(form, reason, path, row, field)
    good = table.filter(pl.col("fault").is_null())
    report.keep(form, good.height)
    report.note(form, "time without a year: null", int(good["yearless"].sum()))
    return good.drop("row", "fault", "yearless", "time", "bad_id")


def _faults(
    columns: tuple[str, ...], topics: pl.Series, now: datetime, seen: pl.Series | None
) -> list[tuple[str, pl.Expr, str]]:
    """Field, what is wrong with it (null counts as wrong), and the reason; the first that holds is a row's fault."""
    twice = ~pl.col("mid").is_first_distinct()
    if seen is not None:
        twice = twice | pl.col("mid").is_in(seen.implode())
    undated = pl.col("yearless") & pl.col("posted_at").is_null()
    faults = [
        ("post_id", ~pl.col("post_id").is_in(topics.implode()), "of no post of the set"),
        ("mid", pl.col("bad_id"), "not a base-62 id"),
        ("mid", twice, "the post stands there twice"),
        ("time", pl.col("posted_at").is_null() & ~pl.col("yearless"), "not a time"),
        ("time", ~undated & (pl.col("posted_at") > now), "a time in the future"),
        ("time", ~undated & (pl.col("posted_at").dt.year() < records.FIRST_YEAR), f"before {records.FIRST_YEAR}"),
    ]
    if "user" in columns:
        faults.append(("user", ~pl.col("user").str.contains(ID), "not the id of a user"))
    for text in ("text", "emoticons"):
        if text in columns:
            faults.append((text, pl.col(text).str.len_chars() > records.LONGEST_TEXT, "no text, or an endless one"))
            faults.append((text, pl.col(text).str.contains("\x00", literal=True), "a NUL character"))
    return faults


def _base62(ids: pl.Series) -> pl.Series:
    """Whether each id is a number of a post in base 62."""

    def fits(bid: str | None) -> bool:
        try:
            return bid is not None and bool(weibo_ids.to_mid(bid))
        except BadInput:
            return False

    return pl.Series("good", [fits(bid) for bid in ids.to_list()], dtype=pl.Boolean)


def _responses(rows: pl.DataFrame, names: dict[str, str], pseudonyms: Pseudonyms) -> pl.DataFrame:
    texts = [None if text is None else pseudonyms.text(text) for text in rows["text"].to_list()]
    cleaned = [None if text is None else clean_text(text) or None for text in texts]
    table = rows.select(
        response_id="mid", bid="mid", topic_id="post_id", posted_at="posted_at",
        user_id=pl.Series([names[user] for user in rows["user"].to_list()], dtype=pl.String),
        text_raw=pl.Series([None if text is None else clean(text) for text in texts], dtype=pl.String),
        text=pl.Series(cleaned, dtype=pl.String), is_retweet_source=pl.lit(False),
    )  # fmt: skip
    return canonical_tables.completed(table, contracts.RESPONSES)


def _history(responses: pl.DataFrame) -> pl.DataFrame:
    """The same responses as what their users wrote before; those without text are none."""
    told = responses.filter(pl.col("text").is_not_null()).rename({"response_id": "post_id"})
    return canonical_tables.completed(told, contracts.HISTORY)
