"""Generated Weibo: what the collectors of hashtag posts write, formats A to D of socialalign.md 2, all invented.

Users answer several topics. Whether an answer is negative, neutral or positive follows from the topic, from the user's
temper and from whether the topic touches the user's interests; the user's earlier posts show temper and interests.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from popcast.datasets import weibo_ids
from popcast.datasets.sample import Weibo
from popcast.datasets.sample import weibo_texts as texts
from popcast.datasets.sample.random_draws import stream

HEADER = (
    "id", "bid", "user_id", "用户昵称", "微博正文", "头条文章url", "发布位置", "艾特用户", "话题", "转发数",
    "评论数", "点赞数",
    "发布时间", "发布工具", "微博图片url", "微博视频url", "retweet_id", "ip", "user_authentication",
)  # fmt: skip
START = int(datetime(2023, 3, 1, tzinfo=UTC).timestamp())
DAY, EVERY, BEFORE = 86_400, 12, 240
"""Seconds of a day; days from topic to topic; days of history before the first topic."""
ZONE = timedelta(hours=8)


@dataclass(frozen=True)
class User:
    """One invented user: temper around 0, and the interests that their posts are about."""

    number: str
    name: str
    temper: float
    interests: tuple[str, ...]
    level: str
    region: str
    gender: str


@dataclass(frozen=True)
class Post:
    """One post of a user."""

    mid: str
    second: int
    text: str
    hashtag: str
    retweet: Post | None = None
    user: User | None = None


def write(params: Weibo, seed: int, dataset: str, raw: Path) -> dict[str, float]:
    """Write topics below ``search`` (csv) and ``ai_search`` (JSON), histories below ``weibo_*``. Withholds nothing."""
    people = _people(params, seed, dataset)
    answers: dict[str, dict[str, list[Post]]] = {"search": {}, "ai_search": {}}
    for number in range(params.topics):
        segment = "ai_search" if number >= params.topics - params.ai_topics else "search"
        hashtag, _, _, news = texts.event(number)
        posts = _answers(number, people, params, stream(seed, dataset, "topic", number))
        folder = raw / segment / hashtag
        folder.mkdir(parents=True)
        (folder / "news.txt").write_text(news + "\n", encoding="utf-8")
        rng = stream(seed, dataset, "file", number)
        if segment == "search":
            _write_search(posts, folder / f"{hashtag}.csv", rng)
        else:
            _write_ai_search(posts, folder / f"{hashtag}.json", rng)
        for post in posts:
            answers[segment].setdefault(post.user.number, []).append(post)
    histories = {user.number: _history(user, params, stream(seed, dataset, "history", user.number)) for user in people}
    for segment, by_user in answers.items():
        for user in people:
            if user.number in by_user:
                own = [*histories[user.number], *by_user[user.number]]
                folder = raw / f"weibo_{segment}" / user.number
                _write_history(user, own, folder, stream(seed, dataset, "counts", segment, user.number))
    return {}


def _people(params: Weibo, seed: int, dataset: str) -> list[User]:
    """Twice as many users as answer one topic, so that they recur."""
    rng = stream(seed, dataset, "users")
    heads, tails = texts.NAMES
    names = rng.permutation([head + tail for head in heads for tail in tails])
    people = []
    for row in range(2 * params.users):
        name = str(names[row % len(names)]) + ("" if row < len(names) else str(row))
        interests = tuple(rng.choice(list(texts.INTERESTS), 3, replace=False).tolist())
        level, region = str(rng.choice(texts.LEVELS)), str(rng.choice(texts.REGIONS))
        number = str(1_700_000_000 + 7919 * row + int(rng.integers(7000)))
        people.append(User(number, name, float(rng.normal(0, 0.7)), interests, level, region, "mf"[rng.integers(2)]))
    return people


def _answers(number: int, people: list[User], params: Weibo, rng: np.random.Generator) -> list[Post]:
    """Posts of ``params.users`` users under the hashtag of topic ``number``, within two days of the news."""
    hashtag, valence, interest, _ = texts.event(number)
    posts = []
    for row in rng.choice(len(people), params.users, replace=False):
        user = people[row]
        strength = 1.6 if interest in user.interests else 1.0
        mood = feeling(strength * 1.5 * valence + 0.9 * user.temper + rng.normal(0, 0.5))
        second = START + number * EVERY * DAY + int(2 * DAY * rng.beta(1, 3))
        mid = weibo_ids.mid_of(second, int(rng.integers(1 << 22)))
        posts.append(Post(mid, second, f"#{hashtag}# {said(mood, rng)}", hashtag, user=user))
    return sorted(posts, key=lambda post: post.mid)


def feeling(score: float) -> str:
    """Class of sentiment of a score: neutral within 0.55 of 0."""
    return "neutral" if abs(score) < 0.55 else "positive" if score > 0 else "negative"


def said(mood: str, rng: np.random.Generator) -> str:
    """An invented reaction: opener, one or two phrases, and mostly an emoticon of that sentiment."""
    phrases = rng.choice(texts.SAID[mood], int(rng.integers(1, 3)), replace=False)
    text = str(rng.choice(texts.OPENERS)) + "，".join(phrases)
    if rng.random() < 0.75:
        text += str(rng.choice(texts.EMOTICONS[mood])) * int(rng.integers(1, 3))
    return text


def _history(user: User, params: Weibo, rng: np.random.Generator) -> list[Post]:
    """Posts about the user's interests in the user's temper, some of them retweets and some boilerplate."""
    count = int(rng.integers(params.history_low, params.history_high + 1))
    span = (BEFORE + params.topics * EVERY) * DAY
    posts = []
    for row in range(count):
        second = START - BEFORE * DAY + int(span * rng.random())
        mid = weibo_ids.mid_of(second, int(rng.integers(1 << 22)))
        interest = str(rng.choice(user.interests))
        hashtag, *about = texts.INTERESTS[interest]
        mood = feeling(0.8 * user.temper + rng.normal(0, 0.7))
        if row >= 11 and rng.random() < 0.3:  # eleven posts of every user survive the cleaning
            posts.append(Post(mid, second, str(rng.choice(texts.BOILERPLATE)), ""))
            continue
        text = f"#{hashtag}# {rng.choice(about)}，{said(mood, rng)}"
        retweet = None
        if rng.random() < 0.15:
            before = second - int(rng.integers(60, DAY))
            other = Post(weibo_ids.mid_of(before, int(rng.integers(1 << 22))), before, "", hashtag)
            retweet = Post(other.mid, before, f"#{hashtag}# {rng.choice(about)}", hashtag)
        posts.append(Post(mid, second, text, hashtag, retweet))
    return posts


def _clock(second: int, form: str) -> str:
    return (datetime.fromtimestamp(second, UTC) + ZONE).strftime(form)


def _count(rng: np.random.Generator) -> int:
    return int(np.exp(rng.normal(1.5, 1.5)))


def _shown(count: int) -> str:
    """A count as the site shows it."""
    return "100万+" if count >= 1_000_000 else f"{count / 10_000:.1f}万" if count >= 10_000 else str(count)


def _write_search(posts: list[Post], path: Path, rng: np.random.Generator) -> None:
    """Format A. One original of a retweet comes along: without region and level, as the collector leaves it."""
    rows = []
    for row, post in enumerate(posts):
        source = ""
        if row == len(posts) // 2:
            before = post.second - 3600
            source = weibo_ids.mid_of(before, int(rng.integers(1 << 22)))
            original = [f"#{post.hashtag}# 最新进展", "", "", "", post.hashtag, "3.2万", "1.1万", "100万+"]
            told = [_clock(before, "%Y-%m-%d %H:%M"), "微博网页版", "", "", "", "", ""]
            rows.append([source, weibo_ids.to_bid(source), "1600000001", "云溪早报", *original, *told])
        user, likes = post.user, _count(rng) * (3000 if rng.random() < 0.03 else 1)
        content = [post.text, "", "", "", post.hashtag, _shown(_count(rng)), _shown(_count(rng)), _shown(likes)]
        told = [_clock(post.second, "%Y-%m-%d %H:%M"), str(rng.choice(texts.TOOLS)), "", "", source]
        rows.append(
            [post.mid, weibo_ids.to_bid(post.mid), user.number, user.name, *content, *told, user.region, user.level]
        )
    table = io.StringIO(newline="")
    csv.writer(table).writerows([HEADER, *rows])
    path.write_bytes(table.getvalue().encode("utf-8-sig"))


def _write_ai_search(posts: list[Post], path: Path, rng: np.random.Generator) -> None:
    """Format B: ids as numbers or in base 62."""
    rows = []
    for post in posts:
        weibo_id = post.mid if rng.random() < 0.5 else weibo_ids.to_bid(post.mid)
        rows.append(
            {"username": post.user.name, "user_id": post.user.number, "weibo_id": weibo_id, "content": post.text}
        )
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _write_history(user: User, posts: list[Post], folder: Path, rng: np.random.Generator) -> None:
    """Format C, newest post first."""
    profile = {
        "id": user.number, "screen_name": user.name, "gender": user.gender, "birthday": "", "location": user.region,
        "education": "", "company": "", "registration_time": "2015-06-01", "sunshine": "",
        "statuses_count": len(posts) * 9,
        "followers_count": _count(rng) * 40, "follow_count": _count(rng) * 20,
        "description": str(rng.choice(texts.PROFILES)).format(user.interests[0]),
        "profile_url": f"https://m.weibo.cn/u/{user.number}", "profile_image_url": "", "avatar_hd": "", "urank": 9,
        "mbrank": 0, "verified": user.level != "普通用户", "verified_type": -1 if user.level == "普通用户" else 0,
        "verified_reason": "",
    }  # fmt: skip
    weibo = []
    for post in sorted(posts, key=lambda post: post.mid, reverse=True):
        record = _crawled(post, user.number, user.name, rng)
        if post.retweet is not None:
            record["retweet"] = _crawled(post.retweet, "1600000001", "云溪早报", rng)
        weibo.append(record)
    folder.mkdir(parents=True)
    content = json.dumps({"user": profile, "weibo": weibo}, ensure_ascii=False, indent=1)
    (folder / f"{user.number}.json").write_text(content + "\n", encoding="utf-8")


def _crawled(post: Post, user_id: str, name: str, rng: np.random.Generator) -> dict:
    return {
        "user_id": int(user_id), "screen_name": name, "id": int(post.mid), "bid": weibo_ids.to_bid(post.mid),
        "text": post.text, "article_url": "", "pics": "", "video_url": "", "location": "",
        "created_at": _clock(post.second, "%Y-%m-%dT%H:%M:%S"), "source": str(rng.choice(texts.TOOLS)),
        "attitudes_count": _count(rng), "comments_count": _count(rng), "reposts_count": _count(rng),
        "topics": post.hashtag, "at_users": "", "full_created_at": _clock(post.second, "%Y-%m-%d %H:%M:%S"),
    }  # fmt: skip
