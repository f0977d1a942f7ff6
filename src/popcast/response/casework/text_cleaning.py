"""Text of Weibo posts without what the site adds to it (socialalign.md 3, with our fixes)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from popcast.fewshot.templates import clean

HOT_VIDEO = "热门视频"
"""A topic that the site adds to videos."""

URL = re.compile(
    r"(?:https?:/{0,2}|(?<![\w.])(?=(?:t|weibo|sinaurl|url)\.cn/|(?:www\.|m\.|video\.)?weibo\.com/))"
    r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+;=%]*",
    re.ASCII,
)
"""Whole links, taken out before ``//`` is. A Chinese letter ends them."""

HASHTAG = re.compile(r"#([^#\n]*)#")

_VIDEO = ("的微博视频", "的微博直播")
_VIDEO_END = re.compile(r"[^\s#]{0,40}的微博(?:视频|直播)[\s\u200b]*$", re.MULTILINE)
_CUT_OFF = re.compile(r"(?:\.\.\.|…)\s*全文[\s\u200b]*$")
_LITERALS = ("网页链接", "微博正文", "//")
_PLACEHOLDER = re.compile(
    r"\W*(?:转发微博|轉發微博|快转微博|分享图片|分享圖片|分享视频|分享圖片|repost(?:\s+weibo)?)?\W*", re.I
)


def clean_text(text: str) -> str:
    """A post's text as one line; "" where nothing is left.

    Links, the suffixes of videos and of posts that are cut off, empty hashtags and words of the site go. Control and
    direction marks go too, and double quotes become single ones (see ``popcast.fewshot.templates.clean``).

    >>> clean_text("#A# 好看 http://t.cn/A6x 网页链接 #热门视频# 张三的微博视频")
    '#A# 好看'
    >>> clean_text("说完了...\\n全文"), clean_text("第一二三全文"), clean_text("#A##B#//@C:好")
    ('说完了', '第一二三全文', '#A##B#@C:好')
    """
    text = URL.sub(" ", text)
    text = HASHTAG.sub(_kept_hashtag, text)
    text = _CUT_OFF.sub("", _VIDEO_END.sub("", text))
    for literal in _LITERALS:
        text = text.replace(literal, "")
    return clean(text)


def _kept_hashtag(match: re.Match) -> str:
    inner = match[1].strip()
    return "" if not inner or inner == HOT_VIDEO or inner.endswith(_VIDEO) else match[0]


def clean_topics(topics: Iterable[str]) -> list[str]:
    """Topics of a post, each once and in order, without the site's own and without empty ones.

    >>> clean_topics(["热门视频", " A ", "", "A", "B"])
    ['A', 'B']
    """
    found = (clean(topic.strip().strip("#")) for topic in topics)
    return list(dict.fromkeys(topic for topic in found if topic and topic != HOT_VIDEO))


def hashtags(text: str) -> list[str]:
    """Topics that a text carries.

    >>> hashtags("#A# words #B#")
    ['A', 'B']
    """
    return clean_topics(HASHTAG.findall(text))


def without_hashtags(text: str) -> str:
    """A cleaned text without its hashtags.

    >>> without_hashtags("#A# words #B#")
    'words'
    """
    return " ".join(HASHTAG.sub(" ", text).split())


def says_nothing(text: str) -> bool:
    """Whether a text is only what the site writes for somebody who writes nothing.

    >>> says_nothing("转发微博。"), says_nothing("转发微博，好"), says_nothing("[怒]")
    (True, False, False)
    """
    return bool(_PLACEHOLDER.fullmatch(text)) and any(letter.isalnum() for letter in text)
