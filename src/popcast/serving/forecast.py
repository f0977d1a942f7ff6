"""Forecasts of new posts by a bundle: the blocks' features, the members' final models, the blend with its interval.

Each step is that of the pipeline, tables rounded as its files are, so a post without a label that was there when the
models were fitted gets the forecast that the pipeline wrote. A forecast does not depend on the other posts of the same
call: drafts do not see one another, unless ``together``. What they see is the posts that the bundle was fitted on and
those observed since, older ones only. Nothing is fitted again.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from popcast.blend.blending import Blend
from popcast.blend.count_scale import as_counts
from popcast.blend.widths.held_out_posts import wide_features
from popcast.blend.widths.spread import Spread
from popcast.core import tables
from popcast.core.engine import in_this_process
from popcast.core.named import block_module, predictor_module
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.core.safety.whole_files import whole_folder
from popcast.features.common.block_files import load_block
from popcast.features.common.block_run import embedding_in
from popcast.features.common.contract import Context, FeatureBlock
from popcast.features.common.descriptors import write_blank_picture
from popcast.features.common.encoders import SentenceEncoder
from popcast.features.common.media import MediaBlock
from popcast.models.contract.predictor_files import load_predictor
from popcast.models.contract.predictors import Predictor, seed_predictions
from popcast.serving import bundle, known_posts, observed_journal, observing
from popcast.serving.bundle import BundledBlock, Contents, Member
from popcast.serving.observed_journal import ObservedJournal
from popcast.serving.observing import Embeddings, Observed
from popcast.serving.reasons.background import FILE as BACKGROUND
from popcast.serving.reasons.background import POSTS, background
from popcast.serving.reasons.explaining import explained
from popcast.serving.reasons.explanation import Explanation
from popcast.serving.reasons.made_once import MadeOnce
from popcast.serving.reasons.similar_posts import past_texts
from popcast.serving.tracking import kept_forecasts
from popcast.serving.tracking.adaptive_widths import AdaptiveWidths, reaches, told_outcomes
from popcast.serving.tracking.bundle_journal import BundleJournal
from popcast.serving.what_if.asking import what_if
from popcast.serving.what_if.changed_drafts import Asked
from popcast.serving.what_if.levers import LEVERS
from popcast.serving.what_if.what_if_answer import WhatIf

TEXTS = 4096
"""Texts whose vectors an encoder remembers."""
BLANK = "warm.png"
_ONE_BY_ONE = threading.Lock()
"""Batches are taken in one after the other."""


@dataclass
class Forecast:
    """A bundle that was read. ``members``: name -> fitted predictor, of those with a weight.

    ``blocks``, ``known`` and ``observed`` are replaced by :meth:`observe`, never changed: a forecast that is under way
    in another thread sees the older ones to its end.
    """

    contents: Contents
    blend: Blend
    blocks: dict[str, FeatureBlock]
    members: dict[str, Predictor]
    known: pl.DataFrame
    scores: dict[str, dict]
    files: Mapping[str, bytes]
    """Path in the folder -> content: what :meth:`save` writes, so that a saved bundle is the one that was read."""
    journal: ObservedJournal
    observed: Observed
    maturity_days: float
    kept: BundleJournal
    """Forecasts that were kept, see ``popcast.serving.tracking``."""
    adaptive: AdaptiveWidths
    """How wide intervals have to be, after what was observed."""
    once: MadeOnce = field(default_factory=MadeOnce, repr=False, compare=False)

    @classmethod
    def load(cls, folder: Path, maturity_days: float | None = None, keep: bool = True) -> Forecast:
        """Read a bundle and what was observed since. BadInput, one line: it is broken, or of another format.

        maturity_days: how old a post must be when its outcome is counted; None: what the bundle says. keep: observed
        posts are written into the folder; false: they are kept in memory, for a folder that will be gone.
        """
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
        for block in blocks.values():
            if isinstance(getattr(block, "encoder", None), SentenceEncoder):
                block.encoder.most = TEXTS
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        for name in (observed_journal.FILE, kept_forecasts.FILE):
            files.pop(name, None)
        mark = hashlib.sha256(files[bundle.FILE]).hexdigest()
        journal = ObservedJournal(folder / observed_journal.FILE if keep else None, mark)
        kept = BundleJournal(folder / kept_forecasts.FILE if keep else None, mark, kept_forecasts.FORMAT)
        days = contents.maturity_days if maturity_days is None else maturity_days
        nothing = Observed(pl.DataFrame(schema=contents.schema()), {})
        scores = read_json(folder / bundle.SCORES)
        made = cls(contents, blend, blocks, members, known, scores, files, journal, nothing, days, kept,
                   AdaptiveWidths.start(blend.nominal))  # fmt: skip
        made._take(journal.read())
        return made

    def save(self, folder: Path) -> None:
        """Write the bundle into ``folder``, which must be new or hold nothing but a bundle."""
        bundle.check_free(folder)
        with whole_folder(folder) as part:
            for name, content in self.files.items():
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_bytes(content)
            for name, journal in ((observed_journal.FILE, self.journal), (kept_forecasts.FILE, self.kept)):
                if content := journal.content():
                    (part / name).write_bytes(content)

    def warm(self) -> None:
        """Load and make what the first forecast or explanation would have to wait for: encoders of texts and pictures,
        tables of the past, the background."""
        with TemporaryDirectory(prefix="popcast-") as folder:
            write_blank_picture(Path(folder) / BLANK)
            posts = pl.DataFrame({"post_id": ["warm"], "title": ["warm"], "media": [[BLANK]]})
            self.predict(posts.select(name for name in posts.columns if name in self.contents.columns), Path(folder))
        if BACKGROUND in self.files:
            background(self), past_texts(self)

    def predict(self, posts: pl.DataFrame, media: Path | None = None, together: bool = False) -> pl.DataFrame:
        """Forecasts of ``posts``, in their order: ``post_id``, ``prediction``, ``lower``, ``upper`` on the log2 scale.

        posts: columns of the ``posts`` table; missing ones are not known. media: folder of the files that ``media``
        names. Where labels are counts also ``prediction_count``, ``lower_count`` and ``upper_count``. ``lower`` and
        ``upper`` are null where the valid part was too small for an interval. together: drafts see that the other ones
        of the call exist (how often their author posts, and what), as if all will be posted; never what they become.
        """
        return self.predict_prepared(self.prepared(posts), media, together).with_columns(posts["post_id"])

    def prepared(self, posts: pl.DataFrame) -> pl.DataFrame:
        """``posts`` as blocks look at them: all columns, and ids that are those of known posts only where it is that
        post."""
        posts = self.complete(posts)
        return posts.with_columns(known_posts.inner_ids(posts, self.known))

    def learned_from(self, prepared: pl.DataFrame) -> int:
        """How many of these posts had a label when the models were fitted."""
        return known_posts.learned_from(prepared, self.known)

    def predict_prepared(
        self, prepared: pl.DataFrame, media: Path | None = None, together: bool = False
    ) -> pl.DataFrame:
        """:meth:`predict` of what :meth:`prepared` returned, under those ids."""
        return self.told(prepared, *self.spread_of(prepared, media, together))

    def told(self, prepared: pl.DataFrame, blended: np.ndarray, spread: Spread | None) -> pl.DataFrame:
        """The table that :meth:`predict_prepared` returns of what :meth:`spread_of` found."""
        none = np.full(prepared.height, np.nan)
        lower, upper = (none, none) if spread is None else (spread.lower, spread.upper)
        table = prepared.select(
            "post_id",
            prediction=pl.Series(blended, dtype=pl.Float64),
            lower=pl.Series(lower, dtype=pl.Float64).fill_nan(None),
            upper=pl.Series(upper, dtype=pl.Float64).fill_nan(None),
        )
        table = tables.rounded(table)
        if self.contents.transform == "none":
            return table
        counts = (as_counts(table[name], self.contents.transform) for name in ("prediction", "lower", "upper"))
        return table.with_columns(column.alias(f"{column.name}_count") for column in counts)

    def explain(
        self, posts: pl.DataFrame, media: Path | None = None, against: int = POSTS, words: bool = True
    ) -> list[Explanation]:
        """Why each forecast is what it is, see ``popcast.serving.reasons``: contributions that add up to it, words,
        similar posts. BadInput, one line: the bundle has no background."""
        return explained(self, posts, media, against, words)

    def what_if(
        self,
        post: pl.DataFrame,
        titles: Sequence[str] = (),
        tags: Sequence[Sequence[str]] = (),
        categories: Sequence[str] | None = None,
        levers: Sequence[str] = tuple(LEVERS),
        media: Path | None = None,
    ) -> WhatIf:
        """What would change the forecast of one post, see ``popcast.serving.what_if``; titles and tags: to try."""
        named = None if categories is None else tuple(categories)
        return what_if(self, post, Asked(tuple(titles), tuple(map(tuple, tags)), named), levers, media)

    def observe(
        self,
        posts: pl.DataFrame,
        outcomes: pl.Series | None = None,
        counted_at: datetime | pl.Series | None = None,
        media: Path | None = None,
    ) -> dict[str, int]:
        """Posts that came out, and what became of them: later forecasts look back at them. Nothing is fitted again.

        posts: columns of the ``posts`` table with ids; of a post that is known the id is enough. outcomes [n]: on the
        log2 scale, null where not known. counted_at: when they were counted, one moment or [n]; None: now. An outcome
        counts where its post was ``maturity_days`` old then; the newest such one replaces an older one, also that which
        models learned from. Returns how many ``posts`` and ``outcomes`` were new, and how many were ``too_young``. When
        it returns, the journal in the bundle's folder has it. BadInput: an id is missing, or another post's.
        """
        rows = self.complete(posts)
        if rows.height == 0:
            return {"posts": 0, "outcomes": 0, "too_young": 0}
        values = pl.Series("popularity", [None] * rows.height if outcomes is None else outcomes, dtype=pl.Float64)
        moments = counted_at if isinstance(counted_at, pl.Series) else pl.lit(counted_at or datetime.now(UTC))
        rows = tables.rounded(rows.with_columns(values)).with_columns(moments.cast(tables.TIME).alias(observing.WHEN))
        observing.check_identity(rows, self.known)
        fresh = rows.join(self.observed.posts.select("post_id"), on="post_id", how="anti", maintain_order="left")
        embeddings = self._embeddings(rows, media) if fresh.height else {}
        batch = observing.batch_of(rows, embeddings, reaches(self, rows, media))
        with _ONE_BY_ONE:
            before = set(self.known["post_id"])
            told = self._take(self.journal.append(batch))
        given = int(values.is_not_null().sum())
        counted = told.join(rows.filter(pl.col("popularity").is_not_null()), on="post_id", how="semi")
        young = given - counted["popularity"].is_not_null().sum()
        return {
            "posts": len(set(rows["post_id"]) - before),
            "outcomes": given - young,
            "too_young": young,
        }

    def _embeddings(self, posts: pl.DataFrame, media: Path | None) -> Embeddings:
        """What blocks that look back make of these posts' other blocks."""
        wanted = {one.of for one in self.contents.blocks if one.of is not None}
        made = self.features(posts, media, wanted)
        return {name: embedding_in(made[name], name, name) for name in sorted(wanted)}

    def _take(self, batches: list[dict]) -> pl.DataFrame:
        """Look back at the posts of batches from now on. Returns what of them was new."""
        if not batches:
            return self.observed.posts.clear()
        rows, embeddings = observing.rows_of(batches, self.contents.schema())
        observed, told = observing.news(rows, embeddings, self.observed, self.known, self.maturity_days)
        outcomes = told_outcomes(batches, rows, observed.posts, self.known, self.maturity_days)
        blocks = self._grown(told.posts, told.embeddings)
        self.blocks, self.known = blocks, observing.with_news(self.known, told.posts)
        self.observed, self.adaptive = observed, self.adaptive.after(outcomes)
        return told.posts

    def _grown(self, posts: pl.DataFrame, embeddings: Embeddings) -> dict[str, FeatureBlock]:
        blocks = dict(self.blocks)
        for one in self.contents.blocks:
            if hasattr(blocks[one.block], "grown"):
                given = () if one.of is None else (embeddings[one.of],)
                blocks[one.block] = blocks[one.block].grown(posts, *given)
        return blocks

    def _among(self, prepared: pl.DataFrame, media: Path | None) -> Forecast:
        """As this one, but the posts are known to exist."""
        there = prepared.with_columns(split=pl.lit("unlabelled"), fold=pl.lit(None, pl.Int8))
        return replace(self, blocks=self._grown(there, self._embeddings(prepared, media)))

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

    @in_this_process()
    def features(
        self, posts: pl.DataFrame, media: Path | None = None, wanted: set[str] | None = None
    ) -> dict[str, pl.DataFrame]:
        """Block -> its table of ``posts``, rounded as the pipeline's, row by row the same posts. wanted: None for all
        blocks; others are made only where one is made of them."""
        made: dict[str, pl.DataFrame] = {}
        for one in reversed(self.contents.blocks if wanted is not None else []):
            wanted = wanted | {one.of} if one.block in wanted else wanted
        for one in self.contents.blocks:
            if wanted is not None and one.block not in wanted:
                continue
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

    def blended(
        self, posts: pl.DataFrame, features: dict[str, pl.DataFrame], segment: np.ndarray, age: np.ndarray
    ) -> np.ndarray:
        """Forecasts [n], not rounded, of posts whose features (block -> table), segments and ages are known."""
        return self.blend.predict(self._members(posts, features), segment, age)

    def _members(self, posts: pl.DataFrame, features: dict[str, pl.DataFrame]) -> np.ndarray:
        """Predictions [n, members] in the order of the blend; 0 of members without weight."""
        said, none = self.by_member(posts, features), np.zeros(posts.height)
        return np.column_stack([said.get(name, none) for name in self.blend.members])

    def spread_of(
        self, prepared: pl.DataFrame, media: Path | None = None, together: bool = False, adapted: bool = True
    ) -> tuple[np.ndarray, Spread | None]:
        """The blend's prediction [n] of what :meth:`prepared` returned, and what may become of each post: quantiles,
        intervals at any coverage, chances. None: there is no post, or the valid part was too small. adapted: as wide
        as observed outcomes ask for, else as fitted."""
        if not prepared.height:
            return np.empty(0), None
        seeing = self._among(prepared, media) if together else replace(self)  # what is observed meanwhile is later's
        features = seeing.features(prepared, media)
        x = seeing._members(prepared, features)
        blended = self.blend.predict(x, *seeing.segments(prepared))
        if self.blend.widths is None:
            return blended, None
        wide = wide_features({name: features[name] for name in self.blend.widths.blocks}, prepared["post_id"])
        known, final_fit = seeing.known, self.contents.final_fit
        starts = self.once("authors", (known,), lambda: known_posts.author_starts(known, final_fit))
        warm = known_posts.warm_by(prepared, starts).to_numpy()
        spread = self.blend.spread(blended, x, wide, warm)
        return blended, seeing.adaptive.applied(spread, warm) if adapted else spread

    def segments(self, posts: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Segment and age in weeks [n] that the blend needs; where it needs none, one segment and no ages."""
        if len(self.blend.weights) == 1 and self.blend.drift is None:
            return np.full(posts.height, "all", dtype=object), np.full(posts.height, np.nan)
        c = self.contents
        found = known_posts.segments_and_ages(posts, self.known, c.final_fit, c.allow_posthoc)
        return found[0].to_numpy(), found[1].to_numpy().astype(np.float64)

    def by_member(
        self, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame], names: Collection[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Member -> its own predictions [n] of prepared posts. features: from :meth:`features` of these posts. names:
        of the members that are asked; None: all."""
        shown = posts.drop("popularity", pl.selectors.starts_with("posthoc_"))
        told, asked = self.contents.members, self.members if names is None else names
        return {name: self._member(told[name], self.members[name], shown, features) for name in asked}

    @staticmethod
    def _member(
        told: Member, model: Predictor, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame]
    ) -> np.ndarray:
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
    return Context(contents.dataset, contents.seed, block=one.block, **one.told)
