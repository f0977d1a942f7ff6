"""What the made base model learns from: histories of scored posts, in the words of a prompt but without its question.

A document holds a few neighbouring posts of one author in random order, or is a mosaic: posts of many authors on a
common random level. Which posts, their order, a shift of all their scores and words left out here and there are
drawn anew each time a document is met. So the few posts of a small data set cannot be learned by heart: the level of
an author has to be read off the posts before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.core.stable import stable_random
from popcast.fewshot.score_prompts import PromptWriter
from popcast.fewshot.templates import PostText
from popcast.lm.backbone import Made

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

Scored = tuple[PostText, float]
NEXT_DIGIT = str.maketrans("0123456789", "1234567898")
"""Another digit for each, none of which is a leading zero: where a text changes with its scores, the scores stand."""


def learned_posts(posts: pl.DataFrame, drawn: Sequence[str], before_fold: int | None) -> pl.DataFrame:
    """Posts that the base model may learn from, in the order of time.

    posts: the ``posts`` table with ``split`` and ``fold``. drawn: authors of any draw, who are left out altogether.
    before_fold: only training posts of earlier folds, older than the first post of the later ones; None: of all folds.
    Raises BadInput where nothing is left.
    """
    chosen = posts.filter(
        (pl.col("split") == "train")
        & pl.col("popularity").is_not_null()
        & ~pl.col("user_id").is_in(list(drawn)).fill_null(False)
    )
    if before_fold is not None:
        held_back = posts.filter(pl.col("fold") >= before_fold)["posted_at"].min()
        older = True if held_back is None else pl.col("posted_at") < held_back  # a burst may reach into the next fold
        chosen = chosen.filter((pl.col("fold") < before_fold) & older)
    if chosen.is_empty():
        raise BadInput(
            f"base model: no training post is left of {posts.height} posts: {len(drawn)} authors are drawn for the "
            f"tasks, before_fold is {before_fold}"
        )
    return chosen.sort("posted_at", "post_id", nulls_last=True)


def first_unlearned(posts: pl.DataFrame, before_fold: int | None) -> datetime | None:
    """Time of the oldest post held back: what comes from then on is new to the model. None: no times."""
    held_back = pl.col("split") != "train"
    if before_fold is not None:
        held_back = held_back | (pl.col("fold") >= before_fold)
    return posts.filter(held_back)["posted_at"].min()


def by_author(posts: pl.DataFrame, texts: dict[str, PostText], scores: tuple[float, float]) -> dict[str, list[Scored]]:
    """Scored posts of each author, oldest first. A post without an author stands for itself; scores are clipped."""
    found: dict[str, list[Scored]] = {}
    for post, author, score in posts.select("post_id", "user_id", "popularity").iter_rows():
        key = f"post {post}" if author is None else f"author {author}"
        found.setdefault(key, []).append((texts[post], float(np.clip(score, *scores))))
    return dict(sorted(found.items()))


def held_out(authors: dict[str, list[Scored]], share: float, seed: int) -> tuple[list, list]:
    """(histories to learn, histories that only measure). The share is of the authors with at least two posts."""
    chances = stable_random(authors, seed, "base model: held out")
    learn, measure = [], []
    for history, chance in zip(authors.values(), chances, strict=True):
        (measure if len(history) > 1 and chance < share else learn).append(history)
    return learn, measure


@dataclass(frozen=True)
class Encoder:
    """Documents -> tensors ``input_ids``, ``attention_mask``, ``weight`` [batch, tokens]; padding on the right.

    A document ends with its last score and the end-of-text token: a model that never met that token behind a score can
    hardly be tuned to end an answer there, since embeddings are tied and LoRA leaves them alone.
    """

    tokenizer: PreTrainedTokenizerFast
    writer: PromptWriter
    score_weight: float
    cents_weight: float
    text_weight: float
    max_length: int

    def encode(self, documents: list[list[Scored]]) -> dict[str, torch.Tensor]:
        import torch

        encoded = [self._one(document) for document in documents]
        width = max(len(ids) for ids, _ in encoded)
        batch = {
            "input_ids": torch.full((len(encoded), width), self.tokenizer.pad_token_id),
            "attention_mask": torch.zeros(len(encoded), width, dtype=torch.long),
            "weight": torch.zeros(len(encoded), width),
        }
        for row, (ids, weights) in enumerate(encoded):
            batch["input_ids"][row, : len(ids)] = torch.tensor(ids)
            batch["attention_mask"][row, : len(ids)] = 1
            batch["weight"][row, : len(ids)] = torch.from_numpy(weights)
        return batch

    def _one(self, document: list[Scored]) -> tuple[list[int], np.ndarray]:
        text = self.writer.history(document).removesuffix("\n")
        found = self.tokenizer(
            text, truncation=True, max_length=self.max_length - 1, return_offsets_mapping=True, verbose=False
        )
        scores = score_characters(self.writer, document)[: len(text)]
        inside = np.append(0, np.cumsum(scores))
        spans = np.asarray(found["offset_mapping"])
        score = inside[spans[:, 1]] > inside[spans[:, 0]]
        first = score & ~np.append(False, score[:-1])
        weights = np.where(first, self.score_weight, np.where(score, self.cents_weight, self.text_weight))
        weights[0] = 0.0  # nothing foretells the first token
        ended = [*found["input_ids"], self.tokenizer.eos_token_id]
        return ended, np.append(weights, self.cents_weight).astype(np.float32)


def score_characters(writer: PromptWriter, document: list[Scored]) -> np.ndarray:
    """Mask of the characters of ``writer.history(document)`` that belong to scores.

    They are the ones that change with the scores, and the points between them.
    """
    text = writer.history(document)
    other = writer.history([(post, float(f"{score:.2f}".translate(NEXT_DIGIT))) for post, score in document])
    here, there = (np.frombuffer(t.encode("utf-32-le"), np.uint32) for t in (text, other))
    digits = here != there
    between = np.zeros(len(digits), bool)
    between[1:-1] = digits[:-2] & digits[2:]
    return digits | between


@dataclass(frozen=True)
class Variance:
    """How scores vary: mean of all, sd within authors, sd of the authors' levels (at least a tenth of the other)."""

    mean: float
    within: float
    between: float

    @classmethod
    def of(cls, histories: list[list[Scored]]) -> Variance:
        values = [np.array([score for _, score in history]) for history in histories]
        every = np.concatenate(values)
        freedom = len(every) - len(values)
        squares = sum(((v - v.mean()) ** 2).sum() for v in values)
        within = squares / freedom if freedom else every.var() / 2
        between = max(every.var() - within, within / 100)
        return cls(float(every.mean()), float(within**0.5), float(between**0.5))


class Histories:
    """Documents of real posts (``models.nets.training.Examples``): which author and how many posts are fixed."""

    def __init__(
        self, encoder: Encoder, histories: list[list[Scored]], made: Made, scores: tuple[float, float], seed: int
    ) -> None:
        self.encoder, self.histories, self.made, self.scores = encoder, histories, made, scores
        self.posts = [post for history in histories for post in history]
        self.variance = Variance.of(histories)
        rng = np.random.default_rng((seed, 1))
        sizes = np.array([len(history) for history in histories])
        low, high = made.posts_per_document
        chance = np.minimum(sizes, high) ** made.author_power
        rows = made.steps * made.batch_size // made.epochs
        self.authors = rng.choice(len(histories), size=rows, p=chance / chance.sum())
        self.mosaic = rng.random(rows) < made.mosaic
        room = np.where(self.mosaic, len(self.posts), sizes[self.authors])
        self.counts = np.minimum(rng.integers(low, high, size=rows, endpoint=True), room)
        self.rehearsal = rng.random(rows) < made.rehearsal
        self.lengths = self.counts

    def __len__(self) -> int:
        return len(self.authors)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        rng = drawn_generator()
        return self.encoder.encode([self._document(row, rng) for row in rows])

    def _document(self, row: int, rng: np.random.Generator) -> list[Scored]:
        made, (low, high) = self.made, self.scores
        chosen, found = (self._pieces if self.mosaic[row] else self._window)(row, rng)
        if self.rehearsal[row]:
            found = _around_a_level(len(found), made, self.scores, self.variance, rng)
        else:
            shift = rng.normal(0, self.variance.between if self.mosaic[row] else made.level_shift)
            found = found + np.clip(shift, low - found.min(), high - found.max())
        texts = [_thinned(post, made.drop_text, rng) for post, _ in chosen]
        return list(zip(texts, found.tolist(), strict=True))

    def _window(self, row: int, rng: np.random.Generator) -> tuple[list[Scored], np.ndarray]:
        """Neighbouring posts of one author in random order, and their scores."""
        history, count = self.histories[self.authors[row]], self.counts[row]
        start = rng.integers(len(history) - count, endpoint=True)
        chosen = [history[start + i] for i in rng.permutation(count)]
        return chosen, np.array([score for _, score in chosen])

    def _pieces(self, row: int, rng: np.random.Generator) -> tuple[list[Scored], np.ndarray]:
        """Posts of any author, their scores drawn together until they vary like those of one author."""
        chosen = [self.posts[i] for i in rng.choice(len(self.posts), size=self.counts[row], replace=False)]
        v = self.variance
        share = v.within / (v.within**2 + v.between**2) ** 0.5
        return chosen, v.mean + share * (np.array([score for _, score in chosen]) - v.mean)


class Levels:
    """Warm-up documents: scores around a random level, posts without text. A share varies like the scores of posts."""

    lengths = None

    def __init__(self, encoder: Encoder, made: Made, scores: tuple[float, float], variance: Variance) -> None:
        self.encoder, self.made, self.scores, self.variance = encoder, made, scores, variance

    def __len__(self) -> int:
        return self.made.warmup_steps * self.made.warmup_batch

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        rng, made, documents = drawn_generator(), self.made, []
        for _ in rows:
            found = _around_a_level(made.warmup_posts, made, self.scores, self.variance, rng)
            documents.append([(PostText(()), score) for score in found.tolist()])
        return self.encoder.encode(documents)


def _around_a_level(
    count: int, made: Made, scores: tuple[float, float], variance: Variance, rng: np.random.Generator
) -> np.ndarray:
    """Scores [count] around a level: anywhere in the range, or, for a share, as levels and scores of authors vary.

    In the first kind only the other scores of the document foretell one; the second teaches how far to trust them.
    """
    level, spread = rng.uniform(*scores), rng.uniform(*made.warmup_spread)
    if rng.random() < made.natural:
        level, spread = rng.normal(variance.mean, variance.between), variance.within
    return np.clip(level + spread * rng.normal(size=count), *scores)


def drawn_generator() -> np.random.Generator:
    """Random numbers from torch's state, which the training loop sets by (seed, epoch): a killed run repeats them."""
    import torch

    return np.random.default_rng(int(torch.randint(2**62, (1,))))


def _thinned(post: PostText, drop: float, rng: np.random.Generator) -> PostText:
    """The post without some of its fields and some words of the others, each left out with probability ``drop``."""
    kept = []
    for word, text in post.fields:
        if rng.random() < drop:
            continue
        parts = text.split(" ")
        stays = rng.random(len(parts)) >= drop
        stays[rng.integers(len(parts))] = True
        kept.append((word, " ".join(part for part, stay in zip(parts, stays, strict=True) if stay)))
    return PostText(tuple(kept))
