"""A small raw folder of the collectors, written by hand: two users, two searches, one AI search."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

from popcast.datasets.weibo_ids import mid_of, to_bid
from popcast.response.params import ResponseSet

HEADER = [
    "id", "bid", "user_id", "用户昵称", "微博正文", "头条文章url", "发布位置", "艾特用户", "话题", "转发数",
    "评论数", "点赞数", "发布时间", "发布工具", "微博图片url", "微博视频url", "retweet_id", "ip",
    "user_authentication",
]  # fmt: skip
NOW = datetime(2024, 1, 1, tzinfo=UTC)
ANNA, BERT = "1700000001", "1700000002"
NAMES = {ANNA: "安娜爱猫", BERT: "老伯特"}
SECTION = ResponseSet(kind="collector", raw="data/raw/weibo", generated=True, salt_variable=None)


def at(day: int, hour: int = 12) -> int:
    """Unix second of an hour, in UTC+8, of a day of 2023 (1 is the first of January)."""
    return int(datetime(2023, 1, 1, tzinfo=UTC).timestamp()) + (day - 1) * 86_400 + (hour - 8) * 3600


def clock(second: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(second + 8 * 3600, UTC).strftime(form)


def search_row(second: int, user: str, text: str, topic: str, **cells: str) -> dict[str, str]:
    """A row of format A; ``cells`` by their column names take the place of the usual ones."""
    mid = mid_of(second, 7)
    row = dict.fromkeys(HEADER, "") | {
        "id": mid, "bid": to_bid(mid), "user_id": user, "用户昵称": NAMES[user], "微博正文": text, "话题": topic,
        "转发数": "3", "评论数": "1.2万", "点赞数": "100万+", "发布时间": clock(second, "%Y-%m-%d %H:%M"),
        "发布工具": "网页", "ip": "江苏", "user_authentication": "普通用户",
    }  # fmt: skip
    return row | cells


def csv_bytes(rows: list[dict[str, str]] | list[list[str]], header: list[str] = HEADER) -> bytes:
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(header)
    writer.writerows(list(row.values()) if isinstance(row, dict) else row for row in rows)
    return table.getvalue().encode("utf-8-sig")


def answer(second: int, user: str, text: str, bid: bool = False, **fields) -> dict:
    """A record of format B."""
    mid = mid_of(second, 9)
    named = {"username": NAMES[user], "user_id": user, "weibo_id": to_bid(mid) if bid else mid, "content": text}
    return named | fields


def profile(user: str, **fields) -> dict:
    texts = (
        "birthday", "location", "education", "company", "registration_time", "sunshine", "profile_url",
        "profile_image_url", "avatar_hd", "verified_reason",
    )  # fmt: skip
    return dict.fromkeys(texts, "") | {
        "id": user, "screen_name": NAMES[user], "gender": "f", "statuses_count": 9, "followers_count": 8,
        "follow_count": 7, "description": f"我是{NAMES[user]}", "urank": 1, "mbrank": 0, "verified": False,
        "verified_type": -1,
    } | fields  # fmt: skip


def crawled(second: int, user: str, text: str, topics: str, counter: int = 5, **fields) -> dict:
    """A post of format C."""
    mid = mid_of(second, counter)
    texts = ("article_url", "pics", "video_url", "location", "source", "at_users")
    return dict.fromkeys(texts, "") | {
        "user_id": int(user), "screen_name": NAMES.get(user, "路人甲乙"), "id": int(mid), "bid": to_bid(mid),
        "text": text, "created_at": clock(second, "%Y-%m-%dT%H:%M:%S"), "attitudes_count": 1, "comments_count": 2,
        "reposts_count": 3, "topics": topics, "full_created_at": clock(second),
    } | fields  # fmt: skip


def put(path: Path, content: bytes | str | list | dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)).encode()
    path.write_bytes(content)
    return path


def history(user: str, days: range, topic: str = "家有橘猫一只") -> list[dict]:
    """One post a day, newest first; every text is another one."""
    return [crawled(at(day), user, f"#{topic}# 第{day}天的小事情", topic, int(user[-1])) for day in reversed(days)]


def folder(raw: Path) -> Path:
    """地铁延误 (day 100) and 球队夺冠 (day 200) by search, 水价上涨 (day 300) by AI search, and histories."""
    for name, day in (("地铁延误", 100), ("球队夺冠", 200)):
        rows = [
            search_row(at(day, hour), user, f"#{name}# 有话要说{hour}", name) for user, hour in ((ANNA, 9), (BERT, 10))
        ]
        put(raw / "search" / name / f"{name}.csv", csv_bytes(rows))
        put(raw / "search" / name / "news.txt", f"今天{name}，大家都在说。\n")
    name = "水价上涨"
    answers = [answer(at(300, 9), ANNA, f"#{name}# 太贵"), answer(at(300, 10), BERT, f"#{name}# 随便", bid=True)]
    put(raw / "ai" / name / "answers.json", answers)
    put(raw / "ai" / name / "news.txt", f"今天{name}，大家都在说。\n")
    for segment in ("search", "ai"):
        for user in (ANNA, BERT):
            content = {"user": profile(user), "weibo": history(user, range(80, 310, 5))}
            put(raw / f"weibo_{segment}" / user / f"{user}.json", content)
    return raw
