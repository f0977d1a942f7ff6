"""Forecasts of new posts by a bundle: the blocks' features, the members' final models, the blend with its interval.

Each step is that of the pipeline, tables rounded as its files are, so a post without a label that was there when the
models were fitted gets the forecast that the pipeline wrote. A forecast does not depend on the other posts of the same
call: drafts do not see one another. What they see is the posts that the bundle was fitted on, older ones only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

import numpy as np
import polars as pl

from popcast.blend.blending import Blend
from popcast.blend.count_scale import as_counts
from popcast.blend.widths.held_out_posts import wide_features
from popcast.blend.widths.spread import Spread
from popcast.core import tables
from popcast.core.errors import bad_input
from popcast.core.named import block_module, predictor_module
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.core.safety.whole_files import whole_folder
from popcast.features.common.block_files import load_block
from popcast.features.common.block_run import embedding_in
from popcast.features.common.contract import Context, FeatureBlock
from popcast.features.common.media import MediaBlock
from popcast.models.contract.predictor_files import load_predictor
from popcast.models.contract.predictors import Predictor, seed_predictions
from popcast.serving import bundle, known_posts
from popcast.serving.bundle import BundledBlock, Contents, Member


@dataclass(frozen=True)
class Forecast:
    """A bundle that was read. ``members``: name -> fitted predictor, of those with a weight."""

    contents: Contents
    blend: Blend
    blocks: dict[str, FeatureBlock]
    members: dict[str, Predictor]
    known: pl.DataFrame
    scores: dict[str, dict]
    files: Mapping[str, bytes]
    """Path in the folder -> content: what :meth:`save` writes, so that a saved bundle is the one that was read."""

    @classmethod
    def load(cls, folder: Path) -> Forecast:
        """Read a bundle. BadInput, one line: it is broken, or of another format."""
        contents = Contents.read(folder)
        blend = Blend.load(folder)
        blocks = {
            one.block: load_block(
                block_module(one.block).Block, folder / bundle.BLOCKS / one.block, context_of(contents, one)
            )
            for one in contents.blocks
        }
        members = {
            name: load_predictor(predictor_module(one.model).Predictor, folder / bundle.MEMBERS / name)
            for name, one in contents.members.items()
        }
        with putting_together(folder / bundle.KNOWN):
            known = pl.read_parquet(folder / bundle.KNOWN)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        return cls(contents, blend, blocks, members, known, read_json(folder / bundle.SCORES), files)

    def save(self, folder: Path) -> None:
        """Write the bundle into ``folder``, which must be new or hold nothing but a bundle."""
        if folder.exists() and not folder.is_dir():
            raise bad_input("not a folder", file=folder)
        if folder.is_dir() and any(folder.iterdir()) and not (folder / bundle.FILE).is_file():
            raise bad_input("other files are in it", file=folder, expected="a new folder, or an older bundle")
        with whole_folder(folder) as part:
            for name, content in self.files.items():
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_bytes(content)

    def predict(self, posts: pl.DataFrame, media: Path | None = None) -> pl.DataFrame:
        """Forecasts of ``posts``, in their order: ``post_id``, ``prediction``, ``lower``, ``upper`` on the log2 scale.

        posts: columns of the ``posts`` table; missing ones are not known. media: folder of the files that ``media``
        names. Where labels are counts also ``prediction_count``, ``lower_count`` and ``upper_count``. ``lower`` and
        ``upper`` are null where the valid part was too small for an interval.
        """
        return self.predict_prepared(self.prepared(posts), media).with_columns(posts["post_id"])

    def prepared(self, posts: pl.DataFrame) -> pl.DataFrame:
        """``posts`` as blocks look at them: all columns, and ids that are those of known posts only where it is that
        post."""
        posts = self.complete(posts)
        return posts.with_columns(known_posts.inner_ids(posts, self.known))

    def learned_from(self, prepared: pl.DataFrame) -> int:
        """How many of these posts had a label when the models were fitted."""
        return known_posts.learned_from(prepared, self.known)

    def predict_prepared(self, prepared: pl.DataFrame, media: Path | None = None) -> pl.DataFrame:
        """:meth:`predict` of what :meth:`prepared` returned, under those ids."""
        blended, spread = self.spread_of(prepared, media)
        ends = (None, None) if spread is None else (pl.Series(spread.lower), pl.Series(spread.upper))
        table = prepared.select("post_id", prediction=pl.Series(blended, dtype=pl.Float64)).with_columns(
            pl.lit(end, dtype=pl.Float64).alias(name) if end is None else end.alias(name)
            for name, end in zip(("lower", "upper"), ends, strict=True)
        )
        table = tables.rounded(table)
        if self.contents.transform == "none":
            return table
        counts = (as_counts(table[name], self.contents.transform) for name in ("prediction", "lower", "upper"))
        return table.with_columns(column.alias(f"{column.name}_count") for column in counts)

    def complete(self, posts: pl.DataFrame) -> pl.DataFrame:
        """``posts`` with the columns that the blocks were fitted with, in their order and types; absent ones null."""
        schema = self.contents.schema()
        posts = self._exposed(posts)
        columns = [
            pl.col(name).cast(dtype) if name in posts.columns else pl.lit(None, dtype).alias(name)
            for name, dtype in schema.items()
        ]
        posts = posts.select(columns).with_columns(popularity=pl.lit(None, pl.Float64))
        numbered = posts.with_columns(post_id=pl.int_range(pl.len()).cast(pl.String))  # drafts may share an id
        return tables.rounded(tables.check(numbered, tables.POSTS, "posts")).with_columns(posts["post_id"])

    def _exposed(self, posts: pl.DataFrame) -> pl.DataFrame:
        """With the days from posting to the moment when outcomes were counted, where all were counted at one moment:
        part of what the label means. Not known of posts that are newer."""
        moment = self.contents.snapshot
        if moment is None or "posted_at" not in posts.columns:
            return posts
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        days = (pl.lit(moment).cast(tables.TIME) - pl.col("posted_at")).dt.total_seconds() / 86400
        return posts.with_columns(post_exposure_days=pl.when(days >= 0).then(days))

    def features(self, posts: pl.DataFrame, media: Path | None = None) -> dict[str, pl.DataFrame]:
        """Block -> its table of ``posts``, rounded as the pipeline's, row by row the same posts."""
        made: dict[str, pl.DataFrame] = {}
        for one in self.contents.blocks:
            given = () if one.of is None else (embedding_in(made[one.of], one.of, one.of),)
            made[one.block] = tables.rounded(self._block(one, media).transform(posts, *given))
        return made

    def _block(self, one: BundledBlock, media: Path | None) -> FeatureBlock:
        """A block ready for new posts; one that opens files forgets those that it has described: another file may
        have the same name."""
        if not one.media:
            return self.blocks[one.block]
        block = copy.copy(self.blocks[one.block])
        block.context = replace(block.context, raw=media or Path())
        if isinstance(block, MediaBlock):
            block.forget()
        return block

    def spread_of(self, prepared: pl.DataFrame, media: Path | None = None) -> tuple[np.ndarray, Spread | None]:
        """The blend's prediction [n] of what :meth:`prepared` returned, and what may become of each post: quantiles,
        intervals at any coverage, chances. None: the valid part was too small."""
        posts = prepared
        if not posts.height:
            return np.empty(0), None
        features = self.features(posts, media)
        shown = posts.drop("popularity", pl.selectors.starts_with("posthoc_"))
        x = np.zeros((posts.height, len(self.blend.members)))  # 0 for members without weight
        for column, name in enumerate(self.blend.members):
            if name in self.members:
                x[:, column] = self._member(self.contents.members[name], self.members[name], shown, features)
        c = self.contents
        if len(self.blend.weights) == 1 and self.blend.drift is None:
            segment, age = np.full(posts.height, "all", dtype=object), np.full(posts.height, np.nan)
        else:
            found = known_posts.segments_and_ages(posts, self.known, c.final_fit, c.allow_posthoc)
            segment, age = found[0].to_numpy(), found[1].to_numpy().astype(np.float64)
        blended = self.blend.predict(x, segment, age)
        if self.blend.widths is None:
            return blended, None
        wide = wide_features({name: features[name] for name in self.blend.widths.blocks}, posts["post_id"])
        warm = known_posts.warm_authors(posts, self.known, c.final_fit).to_numpy()
        return blended, self.blend.spread(blended, x, wide, warm)

    @staticmethod
    def _member(told: Member, model: Predictor, posts: pl.DataFrame, features: dict[str, pl.DataFrame]) -> np.ndarray:
        """Predictions [n] of one member, rounded as its table is."""
        wide = posts.select("post_id")
        for name in told.blocks:
            if name != "profile" or told.allow_posthoc:
                wide = wide.hstack(features[name].drop("post_id"))
        values = seed_predictions(model, posts, wide.drop("post_id")).mean(axis=1)
        return tables.rounded(pl.DataFrame({"prediction": pl.Series(values, dtype=pl.Float64)}))[
            "prediction"
        ].to_numpy()


def context_of(contents: Contents, one: BundledBlock) -> Context:
    """What a block of a bundle may know."""
    return Context(contents.dataset, contents.seed, **one.told)
