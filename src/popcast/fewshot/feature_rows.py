"""Feature models and references on the records of a few-shot task: what stands beside the language model in its tables.

Every row sees what the prompt shows: features of the post asked about and statistics ``history.*`` of the posts shown
with their scores, nothing of the author's other posts. A row learns from the training records of the task that the
language model was tuned on (sheet multismpllm.md 4 and 8: HyFea and CR on the few-shot posts; history mean and ridge on
history statistics as references). On another dataset (zero-shot) the features that it lacks are filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.params import merged
from popcast.fewshot.params import FeatureRow
from popcast.models.cr import predictor as cr
from popcast.models.hyfea import predictor as hyfea
from popcast.models.inputs.matrix import Encoder, numeric_columns
from popcast.models.inputs.scaling import center_and_scale, standardised
from popcast.models.lightgbm import predictor as lightgbm

PREDICTORS = {"hyfea": hyfea, "cr": cr, "lightgbm": lightgbm}
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 4, 25))
"""Ridge penalties on standardised columns: leave-one-out on the training records chooses."""


@dataclass(frozen=True)
class Asked:
    """Records with what is known of them, row by row the same.

    records: of one role and number of shots. posts: the posts asked about, without labels. features: ``history.*`` and
    the columns of the feature blocks.
    """

    records: pl.DataFrame
    posts: pl.DataFrame
    features: pl.DataFrame

    @property
    def scores(self) -> np.ndarray:
        return self.records["score"].to_numpy()

    def where(self, chosen: pl.Expr) -> Asked:
        rows = np.flatnonzero(self.records.select(chosen).to_series().to_numpy())
        return Asked(self.records[rows], self.posts[rows], self.features[rows])


def read_asked(task: str, role: str, blocks: list[str]) -> Asked:
    """Records of a role with the features of the posts asked about. blocks: those that the pipeline makes for it."""
    posts = tables.read(paths.posts(task), tables.POSTS)
    records = tables.read(paths.records(task), tables.RECORDS).filter(pl.col("role") == role)
    targets = records["target"].implode()
    found = {}
    for block in blocks:
        table = tables.read_features(paths.features(task, block))
        found[block] = table.filter(pl.col("post_id").is_in(targets))
    return asked(records, posts, found)


def history_statistics(records: pl.DataFrame, posts: pl.DataFrame) -> pl.DataFrame:
    """Statistics of the shown scores, one row per record in the order of ``records``.

    ``history.count``, ``mean``, ``last``, ``min``, ``max``, ``std`` (n - 1) and ``slope`` (least squares, per post);
    null where there are too few shown posts for one.
    """
    shown = (
        records.select("record_id", post_id="history")
        .explode("post_id", keep_nulls=False, empty_as_null=False)
        .join(posts.select("post_id", "popularity"), on="post_id", how="left", maintain_order="left")
        .with_columns(place=pl.int_range(pl.len()).over("record_id"))
    )
    if shown["popularity"].null_count():
        post = shown.filter(pl.col("popularity").is_null())["post_id"][0]
        raise bad_input("a post shown with its score has none", field="history", value=post)
    score, place = pl.col("popularity"), pl.col("place").cast(pl.Float64)
    slope = ((place - place.mean()) * score).sum() / (place - place.mean()).pow(2).sum()
    found = shown.group_by("record_id").agg(
        pl.len().cast(pl.Float64).alias("history.count"),
        score.mean().alias("history.mean"),
        score.last().alias("history.last"),
        score.min().alias("history.min"),
        score.max().alias("history.max"),
        score.std().alias("history.std"),
        pl.when(pl.len() > 1).then(slope).alias("history.slope"),
    )
    joined = records.select("record_id").join(found, on="record_id", how="left", maintain_order="left")
    return joined.drop("record_id").with_columns(pl.col("history.count").fill_null(0.0))


def asked(records: pl.DataFrame, posts: pl.DataFrame, blocks: dict[str, pl.DataFrame]) -> Asked:
    """Records with the features of their targets. posts: table of posts; blocks: name -> feature table."""
    features = records.select(post_id="target")
    for name, table in blocks.items():
        features = features.join(table, on="post_id", how="left", maintain_order="left")
        unknown = features.filter(~pl.col("post_id").is_in(table["post_id"].implode()))
        if unknown.height:
            raise bad_input(f"feature block {name!r} lacks a post", field="target", value=unknown["post_id"][0])
    targets = records.select(post_id="target").join(posts, on="post_id", how="left", maintain_order="left")
    return Asked(
        records,
        targets.drop("popularity", pl.selectors.starts_with("posthoc_")),
        pl.concat([history_statistics(records, posts), features.drop("post_id")], how="horizontal"),
    )


def like(features: pl.DataFrame, wanted: pl.Schema, other_names: dict[str, str], same_dataset: bool) -> pl.DataFrame:
    """The columns ``wanted``, null where ``features`` has none of that name and type.

    The axes of an SVD belong to the dataset that it was fitted on, so those of another one count as missing.
    """
    columns = []
    for name, dtype in wanted.items():
        there = name if name in features.columns else other_names.get(name)
        fits = there in features.columns and features.schema[there] == dtype
        if not fits or (not same_dataset and name.endswith("svd_embedding")):
            columns.append(pl.lit(None, dtype).alias(name))
        else:
            columns.append(pl.col(there).alias(name))
    return features.with_row_index("_row").select("_row", *columns).drop("_row")


def zero_filled(features: pl.DataFrame) -> pl.DataFrame:
    """Null becomes 0, ``"0"`` or a vector of zeros, as the published models have it."""
    columns = []
    for name, dtype in features.schema.items():
        if isinstance(dtype, pl.Array):
            fill = pl.lit([0.0] * dtype.size, dtype=dtype)
        else:
            fill = pl.lit("0" if dtype == pl.String else 0)
        columns.append(pl.when(pl.col(name).is_null()).then(fill).otherwise(pl.col(name)).cast(dtype).alias(name))
    return features.with_columns(columns)


def ridge_predictions(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Ridge on the history statistics that vary over the training records; the penalty by leave-one-out.

    train, test: from :func:`history_statistics`. A null becomes the mean of its column over the training records.
    """
    from sklearn.linear_model import RidgeCV

    names = Encoder(["history"], []).fit(train).numbers if train.height else []
    if not names:
        return np.full(test.height, float(target.mean()))
    x, asked_for = numeric_columns(train, names), numeric_columns(test, names)
    center, scale = center_and_scale(x, still=1e-12)
    x, asked_for = standardised(x, center, scale), standardised(asked_for, center, scale)
    model = RidgeCV(alphas=ALPHAS).fit(x, target)
    return model.intercept_ + (asked_for * model.coef_).sum(axis=1)


def predict_row(row: FeatureRow, name: str, train: Asked, test: Asked, seed: int, same_dataset: bool) -> np.ndarray:
    """Predictions [n] of one row for the records of ``test``. ``train``: its training records of the same shots.

    A record without any shown post gets the median of the training scores from the rows that are its history alone.
    """
    median = float(np.median(train.scores))
    if row.model == "median":
        return np.full(test.records.height, median)
    if row.model in ("history_mean", "last_score"):
        column = "history.mean" if row.model == "history_mean" else "history.last"
        return test.features[column].fill_null(median).to_numpy()
    history = pl.selectors.starts_with("history.")
    if row.model == "history_ridge":
        return ridge_predictions(train.features.select(history), train.scores, test.features.select(history))
    own = [c for c in train.features.columns if c.split(".", 1)[0] in ("history", *row.blocks)]
    learned = train.features.select(own)
    wanted = like(test.features, learned.schema, row.other_names, same_dataset)
    if row.zero_fill:
        learned, wanted = zero_filled(learned), zero_filled(wanted)
    module = PREDICTORS[row.model]
    settings = merged(module.Params, {}, row.set, f"feature_rows.{name}.set")
    model = module.Predictor(settings, seed).fit(train.posts, learned, train.scores, None)
    return model.predict(test.posts, wanted)


def answer_table(
    rows: dict[str, FeatureRow], train: Asked, test: Asked, seed: int, same_dataset: bool
) -> tuple[pl.DataFrame, list[str]]:
    """Answers (ANSWERS, decoding ``point``) of every row, and the names of rows without any training record.

    train: all training records of the task that is learned from; test: all test records of the task that is answered.
    A row predicts the test records of each number of shots for which it has training records.
    """
    parts, left_out = [], []
    for name, row in rows.items():
        own = train.where(pl.col("draw") == row.records)
        all_shots = sorted(set(own.records["shots"]) & set(test.records["shots"]))
        if not all_shots:
            left_out.append(name)
        for shots in all_shots:
            learn, predict = own.where(pl.col("shots") == shots), test.where(pl.col("shots") == shots)
            values = predict_row(row, name, learn, predict, seed, same_dataset)
            parts.append(predict.records.select("record_id", system=pl.lit(name), prediction=pl.Series(values)))
    if not parts:
        raise bad_input("no row has training records", file="params.yaml", field="feature_rows")
    empty = {column: pl.lit(None, pl.Float64) for column in ("lenient", "median", "lower", "upper")}
    table = pl.concat(parts).with_columns(decoding=pl.lit("point"), answer=pl.lit(None, pl.String), **empty)
    return table.select(list(tables.ANSWERS.columns)), left_out
