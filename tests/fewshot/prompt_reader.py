"""What tests know of a prompt by the definition of its format alone, and posts to render."""

from __future__ import annotations

import re

import polars as pl

from popcast.fewshot import score_prompts
from popcast.fewshot.score_prompts import PostText, post_texts
from popcast.fewshot.tokenizer import make_tokenizer
from tests.generated import make_posts


def new_tokenizer():
    texts = [
        'Post 1: title "red sky over the sea", category "Travel", concept "beach"\nPost 1 has popularity 7.52\n',
        "Post 2: title length 12, tags 4, date 2016-03-04\nPost 2 has popularity?\n",
    ]
    return make_tokenizer(texts * 20, 2400, (1.0, 16.99))


def described(text: str) -> list[tuple[str, str]]:
    """A description by the format's definition: ``no text``, or ``word value`` joined by a comma and a space."""
    found, rest = [], "" if text == "no text" else text
    while rest:
        match = re.match(r'([^\W\d_](?:[^\W_]| )*?) (?:"([^"]*)"|([0-9.-]+))(?:, |$)', rest)
        assert match, f"not a field: {rest!r}"
        found.append((match[1], match[2] if match[2] is not None else match[3]))
        rest = rest[match.end() :]
    return found


def strictly(prompt: str, instruction: str = score_prompts.INSTRUCTION) -> tuple[list, list, list, list]:
    """Everything in a prompt: descriptions of old posts, (ordinal, score) pairs, the question, notes.

    Lines end where any reader would end them: ``str.splitlines`` knows all Unicode line breaks.
    """
    assert prompt.endswith("\n")
    lines = prompt.splitlines()
    assert lines.pop(0) == instruction
    last = int(re.fullmatch(r"Post (\d+) has popularity\?", lines.pop())[1])
    old, scores, notes = [], [], []
    for ordinal in range(1, last):
        old.append(described(re.fullmatch(rf"Post {ordinal}: (.*)", lines.pop(0))[1]))
        stated = re.fullmatch(rf"Post {ordinal} has popularity (-?\d+\.\d\d)", lines.pop(0))
        scores.append((ordinal, float(stated[1])))
    question = described(re.fullmatch(rf"Post {last}: (.*)", lines.pop(0))[1])
    for line in lines:
        notes.append(re.fullmatch(r'Note: (?:"([^"]*)"|[0-9.-]+)', line)[0])
    return old, scores, question, notes


def loosely(prompt: str) -> list[tuple[int, float]]:
    """Score sentences anywhere outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", prompt)
    return [(int(k), float(score)) for k, score in re.findall(r"Post\s+(\d+)\s+has\s+popularity\s+(-?[\d.]+)", bare)]


def titled(*titles: str, **fields: str) -> list[PostText]:
    """Posts with these titles as the pipeline makes them: through a posts table."""
    table = (
        make_posts(60)
        .head(len(titles))
        .with_columns(
            post_id=pl.Series([str(i) for i in range(len(titles))]),
            title=pl.Series(titles, dtype=pl.String),
            **{name: pl.lit(value, pl.String) for name, value in fields.items()},
        )
    )
    texts = post_texts(table, "smpd")
    return [texts[str(i)] for i in range(len(titles))]
