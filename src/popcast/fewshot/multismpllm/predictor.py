"""``multismpllm``: a language model reads an author's older posts with their scores and answers with a post's score.

Sheet multismpllm.md sections 1, 2, 5 and 11, on every post of a dataset instead of drawn authors: the labelled posts
that it learns from are also its memory, and a prompt shows the author's newest posts in it that are older than the post
asked about. A post whose author or time is unknown, or who has none older, is asked about by its own words alone. No
prompt names an author. Saved: what was tuned and the memory (safetensors, JSON, parquet); the base model stays where
it is.
"""

from __future__ import annotations

import shutil
from bisect import bisect_left
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.errors import bad_input
from popcast.core.pretrained.model_notes import base_note
from popcast.core.scratch import temporary
from popcast.core.section import Place, Section
from popcast.core.stable import stable_random
from popcast.fewshot import score_prompts
from popcast.fewshot.score_prompts import Params as Prompts
from popcast.fewshot.score_prompts import PostText
from popcast.lm import backbone, decoding, tuning
from popcast.lm.decoding import Params as Decoding
from popcast.lm.tuning import Params as Tuning
from popcast.models.contract.predictor_files import read_predictor, write_predictor
from popcast.models.inputs.matrix import training_order
from popcast.models.params import Loss

TAIL = 6
"""Posts to tune on are drawn from the newest ``TAIL * max_train``: their authors have more older posts to show."""

History = list[tuple[PostText, float]]


class Params(Section):
    """What a prompt shows, how the model is tuned and how its answer is read."""

    base: Place = Field(description="folder of the base model: a run in llm_runs names it by its key in llms")
    template: Literal["smpd", "tpic2017", "microlens", "table"] = "smpd"
    fields: list[str] | None = Field(None, description="columns of posts that a prompt shows; null: the template's")
    caption: str | None = Field(None, description="column of posts that describes the image in words")
    shots: int = Field(3, ge=1, description="older posts of the author in a prompt, at most")
    max_train: int | None = Field(1200, ge=1, description="posts tuned on: a seeded sample of newer ones; null: all")
    loss: Loss = Field("mae", description="mae, mape: the answer's median counts; rmse, huber: its mean")
    answer: Literal["expected", "greedy"] = Field(
        "expected",
        description="expected: over all scores; greedy: the text as written, and where it is no score the mean of the "
        "scores shown, or of all learned posts",
    )
    exact: bool = Field(True, description="predict in double precision; false: faster, rows then agree to about 1e-5")
    prompts: Prompts = Prompts()
    tuning: Tuning = Tuning()
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def one_precision(self) -> Params:
        if self.exact and self.decoding.dtype != "auto":
            raise ValueError(f"decoding.dtype: {self.decoding.dtype} is not double precision: it needs exact: false")
        return self


class Memory:
    """Scored posts by author, oldest first; those without author or time cannot be anybody's older posts."""

    def __init__(self, posts: pl.DataFrame) -> None:
        """posts: post_id, user_id, posted_at, score; the parallel lists ``words`` and ``texts`` are a post's text."""
        self.posts = posts.drop_nulls(["user_id", "posted_at"]).sort("posted_at", "post_id")
        self.of: dict[str, tuple[list[datetime], History]] = {}
        for user, time, score, words, texts in self.posts.select(
            "user_id", "posted_at", "score", "words", "texts"
        ).iter_rows():
            times, shown = self.of.setdefault(user, ([], []))
            times.append(time)
            shown.append((PostText(tuple(zip(words, texts, strict=True))), score))

    def older(self, user: str | None, time: datetime | None, shots: int) -> History:
        """The author's newest posts before ``time``, oldest first; a post of the same moment is not older."""
        if user is None or time is None or user not in self.of:
            return []
        times, shown = self.of[user]
        end = bisect_left(times, time)
        return shown[max(end - shots, 0) : end]


def base_facts(folder: Path) -> dict:
    """What ``base.json`` says about the base of a base or tuned folder. Raises BadInput where that is gone."""
    file = backbone.base_of(folder) / backbone.BASE
    note = base_note(file.parent)
    if note is None:
        raise bad_input("no such file", file=file, expected="the folder of a base model: run `dvc repro` first")
    return note


def check_unseen(base: Path, posts: pl.DataFrame, first: int, where: str) -> None:
    """Raise BadInput where out-of-fold predictions would be made for posts whose labels the base model learned.

    posts: of the dataset that the base was made from, with ``fold``. first: earliest fold that is predicted (fold 0
    never is). where: of the run in params.yaml.
    """
    until = base_facts(base)["learned_before"]
    oldest = posts.filter(pl.col("fold") >= max(first, 1))["posted_at"].min()
    if until is not None and oldest is not None and oldest < datetime.fromisoformat(until):
        raise bad_input(
            f"the base model learned labels until {until}",
            file="params.yaml",
            field=f"{where}.cross_fit_from",
            value=first,
            expected="a later fold, whose posts it has not seen",
        )


def rows_of(features: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
    """The rows of ``features``; a frame without columns has none and stays as it is."""
    return features[rows] if features.width else features


class Predictor:
    """A tuned language model with its memory."""

    Params = Params
    blocks = ()
    scratch: Path | None = None

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        """Tune on prompts whose histories hold labels of older posts only, as at test time. No fold is held out."""
        p, order = self.params, training_order(posts)
        posts, features, target = posts[order], rows_of(features, order), target[order].astype(np.float64)
        texts = self._texts(posts)
        self.center = float(np.median(target) if p.loss in ("mae", "mape") else target.mean())
        self.memory = Memory(
            posts.select("post_id", "user_id", "posted_at").with_columns(
                score=pl.Series(target),
                words=pl.Series([[word for word, _ in text.fields] for text in texts], dtype=pl.List(pl.String)),
                texts=pl.Series([[said for _, said in text.fields] for text in texts], dtype=pl.List(pl.String)),
            )
        )
        base = Path(p.base)
        low, high = base_facts(base)["scores"]
        chosen = self._chosen(posts, features)
        asked, _ = self._prompts(posts[chosen], rows_of(features, chosen), backbone.load_tokenizer(base))
        answers = [score_prompts.answer(score) for score in np.clip(target[chosen], low, high)]
        self.records = pl.DataFrame({"post_id": posts["post_id"][chosen], "prompt": asked, "answer": answers})
        self.kept = temporary(
            "tuned", None if self.scratch is None else self.scratch.parent
        )  # as long as the predictor
        self.tuned = Path(self.kept.name) / "tuned"
        work = None if self.scratch is None else self.scratch / "tuning"
        tuning.tune(base, asked, answers, p.tuning, self.seed, self.tuned, work=work)
        return self

    def _chosen(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """Rows (ascending) of the posts to tune on; ``posts`` in time order."""
        count = posts.height if self.params.max_train is None else min(self.params.max_train, posts.height)
        tail = np.arange(max(posts.height - TAIL * count, 0), posts.height)
        draws = stable_random(posts["post_id"][tail], self.seed, "multismpllm tuning")
        return np.sort(tail[np.argsort(draws, kind="stable")[:count]])

    def _texts(self, posts: pl.DataFrame) -> list[PostText]:
        p = self.params
        found = score_prompts.post_texts(posts, p.template, p.fields, p.caption)
        return [found[post] for post in posts["post_id"]]

    def notes(self, posts: pl.DataFrame, features: pl.DataFrame) -> list[tuple[str, ...]]:
        """What a prompt says about each post asked about besides its own words: nothing here."""
        return [()] * posts.height

    def _prompts(self, posts: pl.DataFrame, features: pl.DataFrame, tokenizer) -> tuple[list[str], list[History]]:
        """The question about each post, and the scored posts that it shows."""
        writer = score_prompts.PromptWriter(tokenizer, self.params.prompts, self.params.template)
        authors = posts.select("user_id", "posted_at").iter_rows()
        histories = [self.memory.older(user, time, self.params.shots) for user, time in authors]
        asked = zip(histories, self._texts(posts), self.notes(posts, features), strict=True)
        return [writer.prompt(history, text, notes) for history, text, notes in asked], histories

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:
            return np.empty(0)
        p = self.params
        model, tokenizer = backbone.load(self.tuned, device=p.decoding.device, dtype="float64" if p.exact else None)
        asked, histories = self._prompts(posts, features, tokenizer)
        low, high = base_facts(self.tuned)["scores"]
        if p.answer == "expected":
            tree = p.decoding.tree(tokenizer, low, high)
            found = decoding.expected(model, tokenizer, asked, tree, p.decoding)
            return np.asarray(found.median if p.loss in ("mae", "mape") else found.mean, dtype=np.float64)
        written = decoding.greedy(model, tokenizer, asked, p.decoding)
        scores = [decoding.parse(text, low, high) for text in written]
        return np.array([
            self._without(history) if score is None else score
            for score, history in zip(scores, histories, strict=True)
        ])  # fmt: skip

    def _without(self, history: History) -> float:
        return float(np.mean([score for _, score in history])) if history else self.center

    def importances(self) -> dict[str, float]:
        return {}

    def facts(self) -> dict[str, bool | str]:
        """``stand_in``: the base model was made here and stands in for a pretrained one. ``weights``: what tables must
        say of those of a pretrained one, where there is something to say."""
        base = base_facts(self.tuned)
        weights = {"weights": base["weights"]} if base.get("weights") else {}
        return {"stand_in": bool(base["stand_in"]), **weights}

    def save(self, folder: Path) -> None:
        """``tuned/``, ``memory.parquet``, ``records.parquet`` (what it was tuned on) and ``predictor.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.tuned, folder / "tuned", dirs_exist_ok=True)
        self.memory.posts.write_parquet(folder / "memory.parquet")
        self.records.write_parquet(folder / "records.parquet")
        write_predictor(folder, self, center=self.center)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BadInput where the base model is gone."""
        predictor, content = read_predictor(cls, folder)
        predictor.center = content["center"]
        predictor.memory = Memory(pl.read_parquet(folder / "memory.parquet"))
        predictor.records = pl.read_parquet(folder / "records.parquet")
        predictor.tuned = folder / "tuned"
        backbone.base_of(predictor.tuned)
        return predictor
