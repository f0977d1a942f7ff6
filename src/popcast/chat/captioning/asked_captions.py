"""Asks a chat server that sees for a caption of each post's first picture.

Source: sheet multismpllm.md section 1 (an external captioner describes each image, a person checks the caption). Only
the picture is sent, made small and without what a camera writes into its file; no title, author or outcome goes along.
Nothing here runs by itself: only the command ``popcast caption`` calls a captioner.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from popcast.chat.client import Question
from popcast.chat.response import Response
from popcast.core.stable import stable_random
from popcast.features.common.descriptors import Undecodable, read_picture
from popcast.features.common.media import PICTURES, first_media

PROMPT = (
    "Describe this picture in one plain sentence of at most 30 words: what it shows, where, and its kind (photo, "
    "drawing, screenshot). No guesses about who posted it or how popular it is. Write the sentence only."
)
SIDE = 512
"""Longest side of a picture as it is sent."""
TOKENS = 96
AT_A_TIME = 256
"""Pictures held in memory between two rounds of questions; what was answered is kept."""


@dataclass(frozen=True)
class Captioned:
    """A post's picture (path below the raw folder) and what was said of it; ``answer`` None: it cannot be read."""

    post_id: str
    picture: str
    answer: Response | None


def captions(
    posts: pl.DataFrame, raw: Path, ask: Callable[[Sequence[Question]], list[Response]], seed: int,
    prompt: str = PROMPT,
) -> list[Captioned]:  # fmt: skip
    """Captions of all posts with a picture, in the order of ``posts``. ask: puts questions, one answer each."""
    names = first_media(posts, PICTURES)
    asked = [(post, name) for post, name in zip(posts["post_id"], names, strict=True) if name is not None]
    found = []
    for start in range(0, len(asked), AT_A_TIME):
        some = asked[start : start + AT_A_TIME]
        seeds = (stable_random([post for post, _ in some], seed, "caption") * 2**53).astype(np.int64)
        sent = [_data_url(raw / name) for _, name in some]
        questions = [
            Question(prompt, TOKENS, int(own), picture)
            for picture, own in zip(sent, seeds, strict=True) if picture is not None
        ]  # fmt: skip
        answers = iter(ask(questions))
        found += [
            Captioned(post, name, None if picture is None else next(answers))
            for (post, name), picture in zip(some, sent, strict=True)
        ]
    return found


def _data_url(file: Path) -> str | None:
    """The picture as JPEG in a data URL; None where it is gone or cannot be decoded."""
    from PIL import Image

    try:
        rgb, *_ = read_picture(file, SIDE)
    except (Undecodable, OSError):
        return None
    written = io.BytesIO()
    Image.fromarray(rgb).save(written, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
