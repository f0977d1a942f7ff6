"""What a forecast is put down to: groups of feature columns, and of the fields that predictors read by themselves.

A column belongs to the one thing that it tells about. The embedding of a post's text counts as text though tags and
category are in it too; what the author's older posts got is the author's past, also where it is that of one category.
"""

from __future__ import annotations

from popcast.core.named import kind_of_block

PAST, TIME, TEXT, TAGS, CATEGORY = "author_past", "time", "text", "tags", "category"
PICTURE, NUMBERS, SIMILAR, OTHER = "picture", "author_numbers", "similar_posts", "other"

GROUPS: dict[str, str] = {
    PAST: "the author's past",
    TIME: "time",
    TEXT: "text",
    TAGS: "tags",
    CATEGORY: "category and topic",
    PICTURE: "picture or video",
    NUMBERS: "numbers of the author",
    SIMILAR: "similar posts",
    OTHER: "other",
}
"""Key of each group -> what it is called, in the order in which they are listed."""

CATEGORIES = ("category", "subcategory", "concept")
DAY_PARTS = ("hour", "weekday", "hour_of_week", "day", "minute", "week")
FIELDS = {
    "post_id": TEXT,  # predictors that look for similar posts leave the post itself out by its id
    "user_id": PAST,
    "posted_at": TIME,
    "title": TEXT,
    "tags": TAGS,
    **dict.fromkeys(CATEGORIES, CATEGORY),
    "media": PICTURE,
    "post_exposure_days": TIME,
    "post_mediatype": PICTURE,
}
BLOCKS = {
    "history": PAST, "text": TEXT, "image": PICTURE, "video": PICTURE, "neighbours": SIMILAR, "knn_values": SIMILAR,
    "windows": PAST, "repeats": PAST, "profile": NUMBERS, "glove": TEXT, "ocr": PICTURE,
}  # fmt: skip
"""Blocks of which every column, but those named in ``group_of_column``, belongs to one group."""


def group_of_field(name: str) -> str:
    """Group of a column of the ``posts`` table.

    >>> group_of_field("user_followers"), group_of_field("latitude"), group_of_field("post_video_duration")
    ('author_numbers', 'other', 'picture')
    """
    if name in FIELDS:
        return FIELDS[name]
    if name.startswith("user_"):
        return NUMBERS
    return PICTURE if name.startswith(("post_video_", "post_music_")) else OTHER


def group_of_column(name: str) -> str:
    """Group of a feature column ``<block>.<column>``.

    >>> group_of_column("metadata.hour"), group_of_column("history.tags_mean"), group_of_column("history.mean")
    ('time', 'tags', 'author_past')
    """
    block, _, column = name.partition(".")
    kind = kind_of_block(block)
    if kind == "history":
        return _of_history(column)
    return _of_metadata(column) if kind == "metadata" else BLOCKS.get(kind, OTHER)


def _of_history(column: str) -> str:
    if column == "level":
        return TIME
    if column == "tags_mean":
        return TAGS
    return CATEGORY if column.removesuffix("_mean").removesuffix("_count") in CATEGORIES else PAST


def _of_metadata(column: str) -> str:
    if column in DAY_PARTS:
        return TIME
    if column in ("media_count", "has_media", "video_music_ratio"):
        return PICTURE
    if column.endswith(("_per_video", "_per_follower", "_per_following", "_per_like")):
        return NUMBERS
    if column.startswith("title_"):
        return TEXT
    return TAGS if column in ("tags_count", "tags_length") else group_of_field(column)
