"""Feature blocks ``simulation`` and ``mean_field``: what a simulated audience makes of a post (popsim.md 3.9, 4, 5.1).

Both come from the states of run 0, after the epoch that ``simulations.<key>.fields`` names. No label takes part.

``simulation.mean_attitude``, ``.attitude_sd`` (over all personas), ``.mean_raw_score``, ``.share_interested``,
``.n_<action>`` (answers of that epoch), ``.<number>_change_<e>`` (after epoch e, from 1, minus after epoch e - 1) and
``.field_embedding``: the field's words as a vector, learned from the fields of training posts. ``mean_field.text`` and
``mean_field.attitude`` are for prompts. A post that was not simulated has nulls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.core.tables import FEATURES, check, write_json
from popcast.features.common.block_files import load_block
from popcast.features.common.contract import Context
from popcast.features.text import Block, Params
from popcast.features.text.block import Tfidf
from popcast.simulation.params import MEAN_FIELD, SIMULATION, FieldFeatures
from popcast.simulation.records import ACTIONS, NO_FIELD

RUN = 0
"""Features come from the first run; the others are for the ablation."""
MOVING = ("mean_attitude", "mean_raw_score", "share_interested")
"""Numbers whose way from epoch to epoch is a feature too."""
COUNTS = tuple(f"n_{action}" for action in ACTIONS)
EMBEDDING = f"{SIMULATION}.field_embedding"
TERMS = 5000
"""Words and pairs of words at most that the vectors of text fields are made of."""


def chosen_epoch(section: FieldFeatures, epochs: int) -> int:
    """Epoch (from 1) that features are taken from: the one asked for, else the last of ``epochs``."""
    if section.epoch is not None and section.epoch > epochs:
        raise bad_input("no such epoch", field="simulations.fields.epoch", value=section.epoch,
                        expected=f"at most {epochs}, the epochs of the simulation")  # fmt: skip
    return section.epoch or epochs


def epochs_of(states: pl.DataFrame) -> int:
    """Number of epochs of a simulation."""
    if not states.height:
        raise BadInput("the simulation holds no state: run `dvc repro`")
    return int(states["epoch"].max()) + 1


def numbers_of(states: pl.DataFrame, run: int, epoch: int) -> pl.DataFrame:
    """What the state after ``epoch`` (from 1) of one run says, one row per trigger, sorted by it.

    states: STATES. Columns: ``trigger``, ``field_text`` (null before any text came), ``mean_attitude``,
    ``attitude_sd``, ``mean_raw_score``, ``share_interested``, ``n_<action>``, ``<number>_change_<e>`` for 2 <= e <=
    epoch. Raises BadInput where a trigger has no such state or lacks one before it.
    """
    own = states.filter((pl.col("run") == run) & (pl.col("epoch") < epoch))
    found = own.filter(pl.col("epoch") == epoch - 1).sort("trigger")
    if own.height != found.height * epoch or not found["trigger"].is_unique().all():
        raise BadInput(f"states of run {run} do not have epochs 1 to {epoch} of every post: run `dvc repro`")
    text = pl.col("field_text")
    table = found.select(
        "trigger",
        "mean_attitude",
        "mean_raw_score",
        "share_interested",
        *(pl.col(name).cast(pl.Float64) for name in COUNTS),
        field_text=pl.when((text != NO_FIELD) & (text.str.strip_chars() != "")).then(text),
        attitude_sd=pl.col("attitudes").list.std(ddof=0),
    )
    for e in range(2, epoch + 1):
        before, after = (own.filter(pl.col("epoch") == at).select("trigger", *MOVING) for at in (e - 2, e - 1))
        changes = after.join(before, on="trigger", suffix="_before").select(
            "trigger", *((pl.col(name) - pl.col(f"{name}_before")).alias(f"{name}_change_{e}") for name in MOVING)
        )
        table = table.join(changes, on="trigger", how="left", maintain_order="left")
    return table


def of_posts(rows: pl.DataFrame, triggers: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """``rows`` (by ``post_id``) with the columns of :func:`numbers_of`, null where a post was not simulated."""
    keys = triggers.select("post_id", "trigger")
    strangers = keys.join(rows, on="post_id", how="anti")
    if strangers.height:
        raise bad_input("the simulation holds a post that posts do not: run `dvc repro`", field="post_id",
                        value=strangers["post_id"][0])  # fmt: skip
    joined = rows.join(keys, on="post_id", how="left", maintain_order="left")
    lost = keys.join(numbers, on="trigger", how="anti")
    if lost.height:
        raise bad_input("a simulated post has no states: run `dvc repro`", field="post_id", value=lost["post_id"][0])
    return joined.join(numbers, on="trigger", how="left", maintain_order="left")


class FieldTexts:
    """Vectors of text fields, by the code of the feature block ``text``: tf-idf and SVD, or a sentence encoder."""

    def __init__(self, section: FieldFeatures, context: Context) -> None:
        self.dataset = context.dataset
        tfidf = None if section.encoder else Tfidf(dim=section.dim, char=None, max_features=TERMS)
        self.block = Block(Params(fields=["title"], tfidf=tfidf, encoder=section.encoder), context)

    def fit(self, table: pl.DataFrame) -> Self:
        """Learn from the rows with ``split == "train"``. table: ``post_id``, ``split``, ``field_text``."""
        if not table.filter(split="train")["field_text"].count():
            raise BadInput(
                f"{self.dataset}: no training post of the simulation has a text field: nothing to learn from"
            )
        try:
            self.block.fit(_as_posts(table))
        except BadInput as error:
            raise BadInput(f"{self.dataset}: text fields: {str(error).rpartition(': ')[2]}") from None
        return self

    def transform(self, table: pl.DataFrame) -> pl.Series:
        """Column Array(Float32, width) of ``field_text``, row by row; null where that is null."""
        return self.block.transform(_as_posts(table)).to_series(1).alias(EMBEDDING)

    def save(self, folder: Path) -> None:
        self.block.save(folder)

    @classmethod
    def load(cls, folder: Path, section: FieldFeatures, context: Context) -> Self:
        texts = cls(section, context)
        texts.block = load_block(Block, folder, context)
        return texts


def _as_posts(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("post_id", *(c for c in ("split",) if c in table.columns), title="field_text")


class FieldBlocks:
    """The two feature tables of one simulation, and what is needed to make them for new posts.

    section: ``simulations.<key>.fields``. epochs: of the simulation.
    """

    def __init__(self, section: FieldFeatures, epochs: int, context: Context) -> None:
        self.section, self.epochs = section, epochs
        self.epoch = chosen_epoch(section, epochs)
        self.texts = FieldTexts(section, context)

    def fit(self, rows: pl.DataFrame, triggers: pl.DataFrame, states: pl.DataFrame) -> Self:
        """rows: ``post_id`` and ``split`` of all posts. Learns from the fields of training posts alone."""
        self.texts.fit(self._joined(rows, triggers, states))
        return self

    def transform(
        self, rows: pl.DataFrame, triggers: pl.DataFrame, states: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Tables ``simulation`` and ``mean_field`` of the posts of ``rows``, in their order."""
        table = self._joined(rows, triggers, states)
        names = [name for name in table.columns if name not in (*rows.columns, "trigger", "field_text")]
        simulation = table.select("post_id", *(pl.col(name).alias(f"{SIMULATION}.{name}") for name in names))
        simulation = simulation.with_columns(self.texts.transform(table))
        mean_field = table.select(
            "post_id",
            pl.col("field_text").alias(f"{MEAN_FIELD}.text"),
            pl.col("mean_attitude").alias(f"{MEAN_FIELD}.attitude"),
        )
        return check(simulation, FEATURES, SIMULATION), check(mean_field, FEATURES, MEAN_FIELD)

    def _joined(self, rows: pl.DataFrame, triggers: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
        return of_posts(rows, triggers, numbers_of(states, RUN, self.epoch))

    def save(self, folder: Path, facts: dict[str, Any]) -> None:
        """``block.json`` (settings; ``facts``: what the simulation was made with) and the vectoriser ``texts/``."""
        self.texts.save(folder / "texts")
        content = {"fields": self.section.model_dump(mode="json"), "epochs": self.epochs, "facts": facts}
        write_json(content, folder / "block.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        content = read_json(folder / "block.json")
        with putting_together(folder / "block.json"):
            section = FieldFeatures.model_validate(content["fields"])
            blocks = cls(section, content["epochs"], context)
        blocks.texts = FieldTexts.load(folder / "texts", section, context)
        return blocks
