"""Records of the collectors' formats A to C and E as strict models: unknown fields are refused, nothing is guessed.

socialalign.md 2. A number that a spreadsheet has rounded (3.5e15, 3501756485200000 for another bid) is no id.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from popcast.core.errors import BadInput
from popcast.datasets import weibo_ids

LONGEST_TEXT, LONGEST_FIELD = 20_000, 4_000
"""Characters of a post's text and of any other field at most."""

FIRST_YEAR = 2009
"""Weibo opened in August 2009."""

MOST_COUNTED = 10**11
"""What no count reaches."""

HEADER = (
    "id", "bid", "user_id", "用户昵称", "微博正文", "头条文章url", "发布位置", "艾特用户", "话题",
    "转发数", "评论数", "点赞数", "发布时间", "发布工具", "微博图片url", "微博视频url", "retweet_id", "ip",
    "user_authentication",
)  # fmt: skip
"""Columns of format A, in their order."""

LEVELS = ("蓝V", "黄V", "红V", "金V", "普通用户")

_COUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?\s*(万|亿)?\+?", re.ASCII)
_USER = re.compile(r"[1-9][0-9]{4,11}", re.ASCII)
_UNITS = {None: 1, "万": 10_000, "亿": 100_000_000}
_CLOCKS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_CLOCK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?", re.ASCII)
_API_CLOCK = "%a %b %d %H:%M:%S %z %Y"


def count_of(value: Any) -> int:
    """A count as a number: ints as they are, texts such as 1.2万, 100万+, 3亿.

    >>> count_of("1.2万"), count_of("100万+"), count_of("3亿"), count_of("17"), count_of(5)
    (12000, 1000000, 300000000, 17, 5)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        count = value
    elif isinstance(value, str) and (match := _COUNT.fullmatch(value.strip())):
        whole, part, unit = match.groups()
        if part and not unit:
            raise ValueError("a count with a fraction")
        count = round(float(f"{whole}.{part or 0}") * _UNITS[unit])
    else:
        raise ValueError("not a count")
    if not 0 <= count < MOST_COUNTED:
        raise ValueError("a count below 0 or beyond all counts")
    return count


def _digits(value: Any, what: str) -> str:
    """A whole number, as text or int, as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if -1 < value < 10**20 else ""
    if isinstance(value, float) or (
        isinstance(value, str) and re.fullmatch(r"[0-9.]+[eE]\+?[0-9]+|[0-9]+\.[0-9]*", value)
    ):
        raise ValueError(f"{what} rounded to a decimal number")
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]+", value, re.ASCII):
        raise ValueError(f"not {what}")
    return value


def _mid(value: Any) -> str:
    digits = _digits(value, "the number of a post")
    if not weibo_ids.MID.fullmatch(digits):
        raise ValueError("not the number of a post")
    return digits


def _user_id(value: Any) -> str:
    digits = _digits(value, "the number of a user")
    if not _USER.fullmatch(digits):
        raise ValueError("not the number of a user")
    return digits


def _either(value: Any) -> str:
    """A mid from a mid or a bid."""
    if isinstance(value, str) and weibo_ids.BID.fullmatch(value) and not weibo_ids.MID.fullmatch(value):
        try:
            return weibo_ids.to_mid(value)
        except BadInput:
            raise ValueError("not a base-62 id") from None
    return _mid(value)


def _bid(value: str) -> str:
    if value and not weibo_ids.BID.fullmatch(value):
        raise ValueError("not a base-62 id")
    return value


def clock_of(value: Any) -> datetime:
    """A clock time without zone, or a time with one as comments have it (``Sat Oct 03 12:00:00 +0800 2020``)."""
    if isinstance(value, str):
        for form in (*_CLOCKS, _API_CLOCK):
            if (form == _API_CLOCK) == (_CLOCK.fullmatch(value) is None):
                try:
                    return datetime.strptime(value, form)
                except ValueError:
                    continue
    raise ValueError("not a time")


def _words(value: str) -> str:
    """A text that tables can hold."""
    if "\x00" in value:
        raise ValueError("a NUL character")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("half a character (surrogate)")
    return value


def _short(value: str) -> str:
    if len(value) > LONGEST_FIELD:
        raise ValueError(f"more than {LONGEST_FIELD} characters")
    return _words(value)


def _long(value: str) -> str:
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"more than {LONGEST_TEXT} characters")
    return _words(value)


Count = Annotated[int, BeforeValidator(count_of)]
Mid = Annotated[str, BeforeValidator(_mid)]
MidOrNone = Annotated[str, BeforeValidator(lambda value: "" if value == "" else _mid(value))]
MidOrBid = Annotated[str, BeforeValidator(_either)]
UserId = Annotated[str, BeforeValidator(_user_id)]
Short = Annotated[str, AfterValidator(_short)]
Text = Annotated[str, AfterValidator(_long)]
Bid = Annotated[str, AfterValidator(_short), AfterValidator(_bid)]
Clock = Annotated[datetime, BeforeValidator(clock_of)]


class Record(BaseModel):
    """Base: strict, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class SearchRow(Record):
    """Format A: one row of a hashtag search."""

    id: Mid
    bid: Bid
    user_id: UserId
    screen_name: Short = Field(alias="用户昵称")
    text: Text = Field(alias="微博正文")
    article: Short = Field(alias="头条文章url")
    place: Short = Field(alias="发布位置")
    mentioned: Text = Field(alias="艾特用户")
    topics: Text = Field(alias="话题")
    reposts: Count = Field(alias="转发数")
    comments: Count = Field(alias="评论数")
    likes: Count = Field(alias="点赞数")
    posted: Clock = Field(alias="发布时间")
    tool: Short = Field(alias="发布工具")
    pictures: Text = Field(alias="微博图片url")
    video: Text = Field(alias="微博视频url")
    retweet_id: MidOrNone
    ip: Short
    level: Literal["蓝V", "黄V", "红V", "金V", "普通用户", ""] = Field(alias="user_authentication")

    @model_validator(mode="after")
    def same_post(self) -> SearchRow:
        return _same_post(self)


class AiSearchRow(Record):
    """Format B: one answer of the AI search."""

    username: Short = Field(min_length=1)
    user_id: UserId
    weibo_id: MidOrBid
    content: Text = Field(min_length=1)


class Profile(Record):
    """Format C: ``user``."""

    id: UserId
    screen_name: Short
    gender: Literal["m", "f", ""]
    birthday: Short
    location: Short
    education: Short
    company: Short
    registration_time: Short
    sunshine: Short
    statuses_count: Count
    followers_count: Count
    follow_count: Count
    description: Short
    profile_url: Short
    profile_image_url: Short
    avatar_hd: Short
    urank: int
    mbrank: int
    verified: bool
    verified_type: int
    verified_reason: Short


class Crawled(Record):
    """Format C: a post that another one retweets."""

    user_id: UserId
    screen_name: Short
    id: Mid
    bid: Bid
    text: Text
    article_url: Short
    pics: Text
    video_url: Text
    location: Short
    created_at: Clock
    source: Short
    attitudes_count: Count
    comments_count: Count
    reposts_count: Count
    topics: Text
    at_users: Text
    full_created_at: Clock

    @model_validator(mode="after")
    def same_post(self) -> Crawled:
        return _same_post(self)


class HistoryPost(Crawled):
    """Format C: ``weibo[i]``."""

    retweet: Crawled | None = None


class StoredReply(Record):
    """Format E: a row of ``comments`` or ``reposts``, of the columns that both have."""

    id: MidOrBid
    bid: Bid | None
    weibo_id: MidOrBid
    user_id: UserId
    created_at: Clock
    user_screen_name: Short | None
    text: Text
    like_count: Count | None


def _same_post(record: Any) -> Any:
    """Number and base-62 id of a record belong together."""
    if record.bid and weibo_ids.to_bid(record.id) != record.bid:
        raise ValueError("id and bid are of different posts: one of them is rounded or mixed up")
    return record


def fault_of(error: ValidationError) -> tuple[str | None, str]:
    """Field and reason of the first fault of a record, without its value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    known = {"extra_forbidden": "unknown field", "missing": "field is missing"}
    return field, known.get(first["type"], first["msg"].removeprefix("Value error, "))


def utc(clock: datetime, zone: str, now: datetime) -> datetime:
    """A clock time of ``zone`` in UTC. Raises ValueError outside of Weibo's time: before 2009 or after ``now``."""
    if clock.year < FIRST_YEAR:
        raise ValueError(f"a time before {FIRST_YEAR}")
    if clock.year <= now.year + 1:
        time = (clock if clock.tzinfo else clock.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
        if time <= now:
            return time
    raise ValueError("a time in the future")
