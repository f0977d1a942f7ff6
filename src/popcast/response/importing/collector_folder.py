"""Reading a raw folder of the collectors (formats A to E).

Layout: ``<segment>/<hashtag>/`` holds ``news.txt`` and one csv (A) or JSON (B); ``weibo_<segment>/<user_id>/
<user_id>.json`` the histories (C); any ``*.db`` or ``*.sqlite`` comments and reposts (E). A hashtag occurs once.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.datasets import weibo_ids
from popcast.fewshot.templates import clean
from popcast.response.casework.text_cleaning import clean_topics, hashtags
from popcast.response.importing import collected_records as records
from popcast.response.importing import collector_files
from popcast.response.importing.import_report import ImportReport

HISTORIES = "weibo_"
"""Head of the folders with histories; the rest is the segment."""

LONGEST_HASHTAG = 200


@dataclass
class Gathered:
    """What was read so far, with real ids and names: only ``collector_tables`` makes tables of it."""

    topics: list[dict] = field(default_factory=list)
    responses: dict[str, dict] = field(default_factory=dict)
    history: dict[str, dict] = field(default_factory=dict)
    profiles: dict[str, records.Profile] = field(default_factory=dict)
    names: dict[str, dict[str, None]] = field(default_factory=dict)

    def met(self, user_id: str, *names: str | None) -> None:
        """Remember a user and the names under which they occur."""
        self.names.setdefault(user_id, {}).update((name, None) for name in names if name)


def gather(raw: Path, zone: str, now: datetime, report: ImportReport) -> Gathered:
    """All good rows of a raw folder. Raises BadInput for a file or folder that is none of the formats."""
    found = Gathered()
    segments = [folder for folder in _folders(raw) if not folder.name.startswith(HISTORIES)]
    for segment in segments:
        for folder in _folders(segment):
            _read_topic(folder, segment.name, zone, now, found, report)
    for folder in _folders(raw):
        if folder.name.startswith(HISTORIES):
            if folder.name.removeprefix(HISTORIES) not in {segment.name for segment in segments}:
                raise bad_input("histories of no segment", file=folder, expected=f"{HISTORIES}<segment>")
            _read_histories(folder, zone, now, found, report)
    for path in sorted(path for end in ("*.db", "*.sqlite") for path in raw.glob(end)):
        _read_stored(path, zone, now, found, report)
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def topic_key(hashtag: str) -> str:
    """Id of a topic: it depends on the hashtag alone.

    >>> topic_key("A")
    't_559aead08264'
    """
    return f"t_{hashlib.sha256(hashtag.encode()).hexdigest()[:12]}"


def _read_topic(folder: Path, segment: str, zone: str, now: datetime, found: Gathered, report: ImportReport) -> None:
    hashtag = unicodedata.normalize("NFC", clean(folder.name))
    encoded = not any("\ud800" <= letter <= "\udfff" for letter in folder.name)
    if not hashtag or "#" in hashtag or len(hashtag) > LONGEST_HASHTAG or not encoded:
        raise bad_input("no hashtag", file=folder, expected="the hashtag without # as the name of the folder")
    topic_id = topic_key(hashtag)
    if any(topic["topic_id"] == topic_id for topic in found.topics):
        raise bad_input(f"a second folder of #{hashtag}#", file=folder, expected="one topic in one segment")
    data = sorted(p for p in folder.iterdir() if p.suffix in (".csv", ".json") and not p.name.startswith("."))
    if len(data) != 1:
        raise bad_input(f"{len(data)} data files", file=folder, expected="one .csv (format A) or one .json (format B)")
    text = collector_files.news(folder / "news.txt")
    report.keep("D")
    source = "search" if data[0].suffix == ".csv" else "ai_search"
    found.topics.append({"topic_id": topic_id, "hashtag": hashtag, "news_text": text, "source": source})
    rows = _search(data[0], zone, now) if source == "search" else _ai_search(data[0], now)
    _add(rows, data[0], "A" if source == "search" else "B", topic_id, found, report)


def _add(rows: Iterator, path: Path, form: str, topic_id: str, found: Gathered, report: ImportReport) -> None:
    """Count rows and keep the good ones: a number again in one file is a fault, in another file a second hashtag."""
    own: set[str] = set()
    for row in rows:
        if row.fault is not None:
            report.reject(form, row.fault, path, row.number, row.field)
            continue
        response = row.record
        if response["response_id"] in own:
            report.reject(form, "the post stands there twice", path, row.number, "id")
        elif response["response_id"] in found.responses:
            report.merge(form, "in an earlier topic too: kept there")
        else:
            found.responses[response["response_id"]] = {**response, "topic_id": topic_id}
            found.met(response["number"], response["name"])
            report.keep(form)
            report.note(form, "originals of retweets, context only", int(response["is_retweet_source"]))
        own.add(response["response_id"])


def _timed(
    row: collector_files.Row, name: str, zone: str, now: datetime
) -> tuple[collector_files.Row, datetime | None]:
    """The row and the time of its field ``name``; a time that cannot be is its fault."""
    if row.record is None:
        return row, None
    try:
        return row, records.utc(getattr(row.record, name), zone, now)
    except ValueError as error:
        shown = type(row.record).model_fields[name].alias or name
        return collector_files.Row(row.number, field=shown, fault=str(error)), None


def _search(path: Path, zone: str, now: datetime) -> Iterator[collector_files.Row]:
    for given in collector_files.search_rows(path):
        row, time = _timed(given, "posted", zone, now)
        if row.record is not None:
            one = row.record
            values = {
                "response_id": one.id, "number": one.user_id, "name": one.screen_name, "text_raw": one.text,
                "topics": clean_topics(one.topics.split(",")), "posted_at": time, "likes": one.likes,
                "comments": one.comments, "reposts": one.reposts, "ip": one.ip or None, "level": one.level or None,
                "is_retweet_source": not one.ip and not one.level,
            }  # fmt: skip
            row = row._replace(record=values)
        yield row


def _ai_search(path: Path, now: datetime) -> Iterator[collector_files.Row]:
    """Format B has no times; numbers of 16 digits do, to within seconds."""
    for row in collector_files.ai_search_rows(path):
        if row.record is None:
            yield row
            continue
        one = row.record
        second = weibo_ids.second_of(one.weibo_id)
        time = None if second is None else datetime.fromtimestamp(second, UTC)
        if time is not None and time > now:
            yield collector_files.Row(row.number, field="weibo_id", fault="a time in the future")
            continue
        values = {
            "response_id": one.weibo_id, "number": one.user_id, "name": one.username, "text_raw": one.content,
            "topics": hashtags(one.content), "posted_at": time, "is_retweet_source": False,
        }  # fmt: skip
        yield row._replace(record=values)


def _read_histories(folder: Path, zone: str, now: datetime, found: Gathered, report: ImportReport) -> None:
    for own in _folders(folder):
        path = own / f"{own.name}.json"
        profile, posts = collector_files.history(path, own.name)
        if profile.record is None:
            report.reject("C user", profile.fault, path, profile.number, profile.field)
        else:
            report.keep("C user")
            found.profiles.setdefault(profile.record.id, profile.record)
            found.met(profile.record.id, profile.record.screen_name)
        seen: set[str] = set()
        for given in posts:
            row, time = _timed(given, "full_created_at", zone, now)
            if row.fault is not None:
                report.reject("C", row.fault, path, row.number, row.field)
            elif row.record.id in seen:
                report.reject("C", "the post stands there twice", path, row.number, "id")
            elif (known := found.history.get(row.record.id)) is not None:
                if known["record"].user_id == row.record.user_id:
                    report.merge("C", "in the history of another segment too")
                else:
                    report.reject("C", "the number of another user's post", path, row.number, "id")
            else:
                found.history[row.record.id] = {"record": row.record, "posted_at": time}
                found.met(row.record.user_id, row.record.screen_name)
                report.keep("C")
            if row.record is not None:
                seen.add(row.record.id)


def _read_stored(path: Path, zone: str, now: datetime, found: Gathered, report: ImportReport) -> None:
    """Comments on, and reposts of, responses that are known: responses to the same topic."""
    known = {mid: response["topic_id"] for mid, response in found.responses.items()}
    for table, given in collector_files.stored_rows(path):
        form = f"E {table}"
        row, time = _timed(given, "created_at", zone, now)
        if row.fault is not None:
            report.reject(form, row.fault, path, row.number, row.field)
            continue
        one = row.record
        if one.weibo_id not in known:
            report.merge(form, "of a post that no topic has")
        elif one.id in found.responses:
            report.merge(form, "among the responses already")
        else:
            found.responses[one.id] = {
                "response_id": one.id, "topic_id": known[one.weibo_id], "number": one.user_id,
                "name": one.user_screen_name or "", "text_raw": one.text, "topics": hashtags(one.text),
                "posted_at": time, "likes": one.like_count, "is_retweet_source": False,
            }  # fmt: skip
            found.met(one.user_id, one.user_screen_name)
            report.keep(form)
