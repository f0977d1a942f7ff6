"""From what the collectors' files hold to canonical tables: here real ids and names end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from popcast.datasets import weibo_ids
from popcast.fewshot.templates import clean
from popcast.response import response_tables as contracts
from popcast.response.casework.text_cleaning import clean_text, clean_topics
from popcast.response.importing.canonical_tables import Labeller, class_counts, frame
from popcast.response.importing.collector_folder import Gathered
from popcast.response.importing.pseudonyms import Pseudonyms


class Told:
    """Texts and topics of users, without their names and numbers. All users are known before the first text."""

    def __init__(self, found: Gathered, pseudonyms: Pseudonyms) -> None:
        self._found, self._pseudonyms = found, pseudonyms
        self._events = {topic["hashtag"] for topic in found.topics}
        retweets = (entry["record"].retweet for entry in found.history.values())
        for number in {*found.names, *(retweet.user_id for retweet in retweets if retweet is not None)}:
            pseudonyms.user(number)

    def text(self, text: str, *numbers: str, others: Iterable[tuple[str, str]] = ()) -> str:
        """``text`` written by the users ``numbers``. others: more pairs of a number and a name."""
        own = [(number, name) for number in numbers for name in self._found.names.get(number, ())]
        return self._pseudonyms.text(text, [*own, *others])

    def topics(self, topics: Iterable[str], number: str) -> list[str] | None:
        """Topics of a user's post; an event's hashtag stays as it is, whoever it names."""
        return clean_topics(topic if topic in self._events else self.text(topic, number) for topic in topics) or None


def tables(found: Gathered, pseudonyms: Pseudonyms, label: Labeller | None) -> dict[str, pl.DataFrame | None]:
    """Tables without ``split``; topics have ``time`` (of their first response) and ``withheld``."""
    told = Told(found, pseudonyms)
    responses = frame(list(_responses(found, pseudonyms, told)), contracts.RESPONSES)
    answers = responses.filter(~pl.col("is_retweet_source"))
    return {
        "topics": _topics(found, told, answers),
        "responses": responses,
        "users": frame(list(_users(found, pseudonyms, told)), contracts.USERS),
        "history": frame(list(_history(found, pseudonyms, told)), contracts.HISTORY),
        "counts": None if label is None else class_counts(answers["topic_id"], answers["text"], label),
    }


def _topics(found: Gathered, told: Told, answers: pl.DataFrame) -> pl.DataFrame:
    schema = {"topic_id": pl.String, "hashtag": pl.String, "news_text": pl.String, "source": pl.String}
    rows = [{**topic, "news_text": clean(told.text(topic["news_text"]))} for topic in found.topics]
    first = answers.group_by("topic_id").agg(pl.col("posted_at").min().alias("time"))
    return (
        pl.DataFrame(rows, schema=schema)
        .join(first, on="topic_id", how="left")
        .with_columns(withheld=False, news_time=pl.lit(None, contracts.TIME), author_id=pl.lit(None, pl.String))
    )


def _responses(found: Gathered, pseudonyms: Pseudonyms, told: Told) -> Iterator[dict]:
    for mid, response in found.responses.items():
        number = response["number"]
        raw = told.text(response["text_raw"], number)
        yield {
            **response, "bid": weibo_ids.to_bid(mid), "user_id": pseudonyms.user(number), "text_raw": clean(raw),
            "text": clean_text(raw) or None, "topics": told.topics(response["topics"], number),
        }  # fmt: skip


def _users(found: Gathered, pseudonyms: Pseudonyms, told: Told) -> Iterator[dict]:
    for number, names in found.names.items():
        row = {"user_id": pseudonyms.user(number), "alias": pseudonyms.name(number, clean(next(iter(names), "")))}
        profile = found.profiles.get(number)
        if profile is not None:
            row |= {
                "gender": profile.gender or None, "followers": profile.followers_count,
                "description": clean(told.text(profile.description, number)) or None,
                "follows": profile.follow_count, "statuses": profile.statuses_count, "verified": profile.verified,
            }  # fmt: skip
        yield row


def _history(found: Gathered, pseudonyms: Pseudonyms, told: Told) -> Iterator[dict]:
    """Rows with cleaned texts; a post of which nothing is left is none."""
    for mid, entry in found.history.items():
        post, retweet = entry["record"], entry["record"].retweet
        text = clean_text(told.text(post.text, post.user_id))
        if not text:
            continue
        row = {
            "post_id": mid, "bid": weibo_ids.to_bid(mid), "user_id": pseudonyms.user(post.user_id), "text": text,
            "topics": told.topics(post.topics.split(","), post.user_id), "posted_at": entry["posted_at"],
            "likes": post.attitudes_count, "comments": post.comments_count, "reposts": post.reposts_count,
        }  # fmt: skip
        if retweet is not None:
            others = [(retweet.user_id, retweet.screen_name)]
            row["retweet_text"] = clean_text(told.text(retweet.text, post.user_id, others=others)) or None
            row["retweet_topics"] = told.topics(retweet.topics.split(","), post.user_id)
        yield row
