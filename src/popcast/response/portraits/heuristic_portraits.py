"""Portraits without a model: frequent topics and terms, habits of writing, and the lexicon's reading of the tone.

A rough stand-in for a portrait that a language model draws: it counts, it does not understand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from popcast.response.judging.text_overlap import normalised
from popcast.response.portraits.portrait_items import LONGEST, Portrait, Sitter
from popcast.response.response_tables import SENTIMENTS
from popcast.response.sentiment import emoticons
from popcast.response.sentiment.labelling import EmoticonsThenWords
from popcast.simulation.policies.quoting import safe

VERSION = f"heuristic-1.{EmoticonsThenWords.version}"
SHORT, LONG = 20, 60
"""Characters of a post below and above which it is called short or long."""
TONE = 0.2
"""Mean polarity nearer to 0 is neutral."""
MOST_TERMS = 200_000

_RUN = re.compile(r"[一-鿿]{2,}|[a-z][a-z0-9]{2,}")
_MARKS = re.compile(r"[^\w·：！？ ]+|_")
"""What no item takes over from a post."""
_EMPTY = frozenset(
    "的了是我你他她它在和就不也都有这那个一吗呢吧啊哦嘛呀么什没很还要会说去来到上下着过把被让给又再但而与及或为以之其"
)
"""Characters that no term of interest holds."""
_VALUES = {
    "重视家庭": ("妈", "爸", "孩子", "家人", "父母", "回家"),
    "看重公平正义": ("公平", "正义", "法律", "公正", "真相", "维权"),
    "关心国家": ("祖国", "国家", "中国", "人民", "爱国"),
    "追求成长": ("学习", "努力", "梦想", "坚持", "奋斗", "读书"),
    "享受生活": ("美食", "旅行", "好吃", "音乐", "电影", "周末"),
    "乐于助人": ("帮助", "志愿", "捐", "爱心", "公益", "求助"),
}
_NO_VALUE = "未见明显倾向"
_NO_TOPIC = "话题不集中"


def draw(sitters: Sequence[Sitter]) -> Iterator[Portrait]:
    """A portrait of each, in their order. How rare a term is, is learnt from the posts of training cases only."""
    terms = _top_terms(sitters)
    for sitter, own in zip(sitters, terms, strict=True):
        texts = [text if retweet is None else f"{text} {retweet}" for text, retweet, _ in sitter.posts]
        polarity = _polarity([text for text, _, _ in sitter.posts])
        tone = SENTIMENTS[(polarity > TONE) - (polarity < -TONE) + 1]
        yield Portrait(
            interest_topics=_interests(sitter, own),
            language_style=_style(sitter),
            emotional_tone={"negative": "多为消极", "neutral": "较为平和", "positive": "多为积极"}[tone],
            personality=_personality(sitter),
            values=_values(texts),
            tone_label=tone,
        )


def _top_terms(sitters: Sequence[Sitter], most: int = 40) -> list[list[str]]:
    """Terms of each sitter's posts by TF-IDF, the heaviest first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    documents = [" ".join(text for post in one.posts for text in post[:2] if text) for one in sitters]
    learnt = [text for text, one in zip(documents, sitters, strict=True) if one.training] or documents
    vectorizer = TfidfVectorizer(analyzer=_terms, max_features=MOST_TERMS, sublinear_tf=True)
    try:
        vectorizer.fit(learnt)
    except ValueError:  # no terms at all
        return [[] for _ in documents]
    names, table = vectorizer.get_feature_names_out(), vectorizer.transform(documents)
    found = []
    for start, stop in zip(table.indptr, table.indptr[1:], strict=False):
        own, weights = table.indices[start:stop], table.data[start:stop]
        order = np.lexsort((own, -np.round(weights * [len(names[one]) for one in own], 9)))[:most]
        found.append([str(names[own[place]]) for place in order])
    return found


def _terms(text: str) -> list[str]:
    """Runs of 2 to 4 Chinese characters without empty ones, and Latin words."""
    found = []
    for run in _RUN.findall(emoticons.without(normalised(text))):
        if run.isascii():
            found.append(run)
            continue
        pieces = (run[start : start + n] for n in (2, 3, 4) for start in range(len(run) - n + 1))
        found += [piece for piece in pieces if not _EMPTY & set(piece)]
    return found


def _interests(sitter: Sitter, terms: Sequence[str]) -> str:
    """Most frequent topics of the posts, then terms, as many as fit."""
    counts = Counter(topic for _, _, topics in sitter.posts for topic in topics)
    wanted = [topic for topic, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    chosen: list[str] = []
    for word in (*wanted, *terms):
        word = safe(_MARKS.sub(" ", word), LONGEST).strip("·：！？. ")
        new = word and not any(word in other or other in word for other in chosen)
        if new and len("、".join([*chosen, word])) <= LONGEST:
            chosen.append(word)
        if len(chosen) == 4:
            break
    return "、".join(chosen) or _NO_TOPIC


def _style(sitter: Sitter) -> str:
    texts = [text for text, _, _ in sitter.posts]
    length = np.mean([len(normalised(text)) for text in texts])
    parts = ["短句为主" if length < SHORT else "长文为主" if length > LONG else "篇幅适中"]
    for sign, words in (("！!", "常用感叹"), ("？?", "常用问句")):
        if np.mean([any(one in text for one in sign) for text in texts]) >= 0.5:
            parts.append(words)
    shown = np.mean([len(emoticons.names(text)) for text in texts])
    parts.append("多用表情" if shown >= 1 else "偶用表情" if shown else "不用表情")
    return "，".join(parts)


def _personality(sitter: Sitter) -> str:
    texts = [text for text, _, _ in sitter.posts]
    parts = []
    if np.mean([retweet is not None for _, retweet, _ in sitter.posts]) >= 0.5:
        parts.append("爱转发分享")
    if np.mean(["！" in text or "!" in text for text in texts]) >= 0.5:
        parts.append("热情外露")
    if np.mean(["？" in text or "?" in text for text in texts]) >= 0.5:
        parts.append("好发问")
    return "，".join(parts) or "表达克制"


def _values(texts: Sequence[str]) -> str:
    counts = {name: sum(text.count(word) for text in texts for word in words) for name, words in _VALUES.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else _NO_VALUE


def _polarity(texts: Sequence[str]) -> float:
    return float(np.mean([SENTIMENTS.index(label) - 1 for label in EmoticonsThenWords().label(texts)]))
