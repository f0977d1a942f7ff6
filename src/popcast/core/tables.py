"""The table contracts: what stages hand to one another, checked on the way out and on the way in.

A table is written checked, sorted by its key, floats rounded to 6 places, to a temporary name that is then moved:
the same inputs give the same bytes and a killed stage leaves no half table. A missing value is null, never NaN, 0,
-1 or "".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.core.libraries.table_schemas import Check, Column, Schema
from popcast.core.safety.whole_files import whole_file, write_whole

KEY = "post_id"
SPLITS = ("train", "valid", "test", "unlabelled")
TIME = pl.Datetime("us", "UTC")

POSTS_COLUMNS: dict[str, pl.DataType] = {
    "post_id": pl.String(),
    "user_id": pl.String(),
    "posted_at": TIME,
    "title": pl.String(),
    "tags": pl.List(pl.String()),
    "category": pl.String(),
    "subcategory": pl.String(),
    "concept": pl.String(),
    "media": pl.List(pl.String()),
    "latitude": pl.Float64(),
    "longitude": pl.Float64(),
    "geo_accuracy": pl.Float64(),
    "popularity": pl.Float64(),
}
"""Fixed columns of ``posts``. Besides them only ``post_*`` and ``user_*`` (known at posting time) and ``posthoc_*``
(measured later). ``user_id`` and ``posted_at`` are all null in a dataset that has no authors or no times."""

EXTRA_PREFIXES = ("post_", "user_", "posthoc_")

POSTS = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "user_id": Column(pl.String, nullable=True),
        "posted_at": Column(TIME, nullable=True),
        "title": Column(pl.String, Check.str_length(min_value=1), nullable=True),
        "tags": Column(pl.List(pl.String), nullable=True),
        "category": Column(pl.String, nullable=True),
        "subcategory": Column(pl.String, nullable=True),
        "concept": Column(pl.String, nullable=True),
        "media": Column(pl.List(pl.String), nullable=True),
        "latitude": Column(pl.Float64, Check.in_range(-90, 90), nullable=True),
        "longitude": Column(pl.Float64, Check.in_range(-180, 180), nullable=True),
        "geo_accuracy": Column(pl.Float64, nullable=True),
        "popularity": Column(pl.Float64, Check.in_range(-20, 64), nullable=True),
    }
)

SPLIT_TABLE = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "split": Column(pl.String, Check.isin(SPLITS)),
        "fold": Column(pl.Int8, Check.ge(0), nullable=True),
    },
    strict=True,
)

PREDICTIONS = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "split": Column(pl.String, Check.isin(SPLITS)),
        "fold": Column(pl.Int8, nullable=True),
        "prediction": Column(pl.Float64, Check.in_range(-100, 100)),
        "seeds": Column(pl.List(pl.Float64), required=False, nullable=True),
        "lower": Column(pl.Float64, required=False, nullable=True),
        "upper": Column(pl.Float64, required=False, nullable=True),
        "quantiles": Column(pl.List(pl.Float64), required=False, nullable=True),
    },
    strict=True,
)
"""``prediction`` is what every later stage takes; ``seeds``: the predictions of the single seeds that it is the mean
of, in the order of the seeds, where a predictor averages several. ``quantiles``: of the blend, at the levels that its
``widths.json`` names."""

ADVERSARIAL = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "probability": Column(pl.Float64, Check.in_range(0, 1)),
        "weight": Column(pl.Float64, Check.ge(0), nullable=True),
    },
    strict=True,
)

FEATURES = Schema({"post_id": Column(pl.String, unique=True)})
HELD_OUT = "held_out_"
"""Head of columns ``held_out_<fold>.<block>.<column>``: a column as it is while the labels of that fold are unknown."""


DRAWS = Schema(
    {
        "user_id": Column(pl.String, unique=True),
        "draw": Column(pl.String, Check.isin(("fewshot", "extra1", "extra2", "extra3", "pool", "zeroshot"))),
    },
    strict=True,
)
"""Authors of a few-shot task, each in one draw."""

RECORDS = Schema(
    {
        "record_id": Column(pl.String, unique=True),
        "draw": Column(pl.String),
        "role": Column(pl.String, Check.isin(("train", "test", "preference"))),
        "shots": Column(pl.Int8, Check.ge(1)),
        "user_id": Column(pl.String),
        "history": Column(pl.List(pl.String)),
        "target": Column(pl.String),
        "score": Column(pl.Float64),
    },
    strict=True,
)
"""Who is asked about what: ``history`` are post ids shown with their scores, oldest first, ``target`` the post asked
about and ``score`` its popularity. ``draw`` of many-shot training records: ``many_05`` and so on."""

ANSWERS = Schema(
    {
        "record_id": Column(pl.String),
        "system": Column(pl.String),
        "decoding": Column(pl.String, Check.isin(("greedy", "samples", "expected", "point"))),
        "answer": Column(pl.String, nullable=True),
        "prediction": Column(pl.Float64, Check.in_range(-100, 1000), nullable=True),
        "lenient": Column(pl.Float64, Check.in_range(-100, 1000), nullable=True),
        "median": Column(pl.Float64, nullable=True),
        "lower": Column(pl.Float64, nullable=True),
        "upper": Column(pl.Float64, nullable=True),
    },
    strict=True,
)
"""Predictions of a few-shot task, keyed by system, decoding and record. ``answer``: the raw text (greedy; samples: a
JSON list). ``prediction`` is null where no answer is a number in range with two decimals; ``lenient``, of written
answers, where none is any one number in range. ``point``: of models that are no language models. ``median``, ``lower``,
``upper`` (10 and 90 %): of the distribution that ``expected`` is the mean of."""
ANSWERS_KEY = ("system", "decoding", "record_id")

PAIRS = Schema(
    {
        "pair_id": Column(pl.String, unique=True),
        "record_id": Column(pl.String),
        "shots": Column(pl.Int8),
        "prompt": Column(pl.String),
        "chosen": Column(pl.String),
        "rejected": Column(pl.String),
        "chosen_error": Column(pl.Float64, Check.ge(0)),
        "rejected_error": Column(pl.Float64, Check.ge(0)),
        "chosen_weight": Column(pl.Float64, Check.ge(0)),
        "rejected_weight": Column(pl.Float64, Check.ge(0)),
        "mu": Column(pl.Float64, Check.ge(0)),
    },
    strict=True,
)
"""Preference pairs (multismpllm.md 6 and 7): sampled answers as they were, errors M, weights W and mu."""


TRIGGERS = Schema(
    {
        "post_id": Column(pl.String, unique=True),
        "trigger": Column(pl.String, Check.str_matches(r"^[0-9a-f]{16}$")),
        "line": Column(pl.String, Check.str_length(min_value=1)),
        "runs": Column(pl.Int16, Check.ge(1)),
    },
    strict=True,
)
"""Posts of a simulation: what the audience sees of each (``line``), its key, and how many runs simulate it (0, 1, ...,
runs - 1). Posts with one line share a trigger."""

REACTIONS = Schema(
    {
        "run": Column(pl.Int16, Check.ge(0)),
        "trigger": Column(pl.String),
        "epoch": Column(pl.Int8, Check.ge(0)),
        "slot": Column(pl.Int16, Check.ge(0)),
        "row": Column(pl.Int16, Check.ge(0)),
        "status": Column(pl.String, Check.isin(("ok", "failed"))),
        "attempts": Column(pl.Int8, Check.ge(1)),
        "action": Column(pl.String, Check.isin(("nothing", "like", "post", "retweet", "reply")), nullable=True),
        "text": Column(pl.String, nullable=True),
        "score": Column(pl.Int8, Check.in_range(0, 10), nullable=True),
        "thought": Column(pl.String, nullable=True),
        "reason": Column(pl.String, nullable=True),
        "prompt_tokens": Column(pl.Int32, Check.ge(0), nullable=True),
        "output_tokens": Column(pl.Int32, Check.ge(0), nullable=True),
        "raw": Column(pl.String, nullable=True),
    },
    strict=True,
)
"""Answers of personas, keyed by run, trigger, epoch and slot. ``slot``: place in the epoch's sample, ascending in
``row``, the persona's row in the population. ``reason``: why the last answer did not parse."""
REACTIONS_KEY = ("run", "trigger", "epoch", "slot")

STATES = Schema(
    {
        "run": Column(pl.Int16, Check.ge(0)),
        "trigger": Column(pl.String),
        "epoch": Column(pl.Int8, Check.ge(0)),
        "field_text": Column(pl.String),
        "field_status": Column(pl.String, Check.isin(("ok", "kept"))),
        "mean_attitude": Column(pl.Float64, Check.in_range(0, 10)),
        "attitudes": Column(pl.List(pl.Float64)),
        "n_ok": Column(pl.Int16, Check.ge(0)),
        "mean_raw_score": Column(pl.Float64, Check.in_range(0, 10), nullable=True),
        "share_interested": Column(pl.Float64, Check.in_range(0, 1), nullable=True),
        "n_nothing": Column(pl.Int16, Check.ge(0)),
        "n_like": Column(pl.Int16, Check.ge(0)),
        "n_post": Column(pl.Int16, Check.ge(0)),
        "n_retweet": Column(pl.Int16, Check.ge(0)),
        "n_reply": Column(pl.Int16, Check.ge(0)),
        "field_prompt_tokens": Column(pl.Int32, Check.ge(0), nullable=True),
        "field_output_tokens": Column(pl.Int32, Check.ge(0), nullable=True),
    },
    strict=True,
)
"""State after each epoch (0 first), keyed by run, trigger, epoch. ``attitudes``: of all personas in order of rows.
``field_status`` kept: no new text came, the one before stays. Counts and means are of this epoch's parsed answers."""
STATES_KEY = ("run", "trigger", "epoch")

MANIFEST = Schema(
    {"key": Column(pl.String, unique=True), "value": Column(pl.String)},
    strict=True,
)
"""What a simulation was made with: hashes of settings, population and prompts, models, seed, package versions."""


def check(table: pl.DataFrame, schema: Schema, name: str | Path) -> pl.DataFrame:
    """Return ``table`` if it keeps the contract, else raise :class:`BadInput` naming the first breach.

    Besides the schema: no NaN or infinity in any float column, and in ``posts`` no column outside the contract.
    """
    first = schema.first_breach(table)
    if first is not None:
        field = first["column"] if first["schema_context"] == "Column" else first["failure_case"]
        row = None if first["index"] is None else first["index"] + 1
        raise bad_input(
            f"breaks the rule {first['check']}", file=name, row=row, field=field, value=first["failure_case"]
        )
    if schema is POSTS:
        unknown = [c for c in table.columns if c not in POSTS_COLUMNS and not c.startswith(EXTRA_PREFIXES)]
        if unknown:
            raise bad_input("unknown column", file=name, field=unknown[0], expected=f"a prefix in {EXTRA_PREFIXES}")
    for column, dtype in table.schema.items():
        values = table[column]
        if isinstance(dtype, pl.Array) and dtype.inner.is_float():
            values = values.explode(keep_nulls=True, empty_as_null=True) if table.height else values.cast(pl.Float64)
        elif isinstance(dtype, pl.List) and dtype.inner.is_float():
            values = values.explode(keep_nulls=True, empty_as_null=True)
        elif not dtype.is_float():
            continue
        if not values.is_finite().fill_null(True).all():
            raise bad_input("NaN or infinite value", file=name, field=column, expected="a finite number or null")
    return table


def rounded(table: pl.DataFrame, places: int = 6) -> pl.DataFrame:
    """Round every float column, embeddings too, so that last-bit noise changes no bytes. -0.0 becomes 0.0."""
    columns = []
    for name, dtype in table.schema.items():
        if dtype.is_float():
            columns.append(pl.col(name).round(places) + 0.0)
        elif isinstance(dtype, pl.List) and dtype.inner.is_float():
            columns.append(pl.col(name).list.eval(pl.element().round(places) + 0.0))
        elif isinstance(dtype, pl.Array) and dtype.inner.is_float() and table.height:
            known = table[name].is_not_null()
            flat = table[name].filter(known).explode(keep_nulls=True, empty_as_null=True)
            vectors = (flat.round(places) + 0.0).reshape((int(known.sum()), dtype.size))
            rows = pl.when(known).then(known.cum_sum() - 1)
            columns.append(vectors.gather(table.select(rows).to_series()).alias(name))
    return table.with_columns(columns)


def as_written(table: pl.DataFrame, path: Path, schema: Schema, key: str | tuple[str, ...] = KEY) -> pl.DataFrame:
    """``table`` as :func:`write` writes it and :func:`read` reads it again: checked, sorted by ``key``, rounded."""
    return rounded(check(table, schema, path)).sort(key)


def write(table: pl.DataFrame, path: Path, schema: Schema, key: str | tuple[str, ...] = KEY) -> None:
    """Write a table after its contract: checked, sorted by ``key``, rounded, atomic."""
    table = as_written(table, path, schema, key)
    with whole_file(path) as part:
        table.write_parquet(part, compression="zstd", statistics=False)


def read(path: Path, schema: Schema) -> pl.DataFrame:
    """Read a table and check its contract."""
    if not path.exists():
        raise BadInput(f"{path}: no such table: run `dvc repro` first")
    return check(pl.read_parquet(path), schema, path)


def read_features(path: Path) -> pl.DataFrame:
    """A feature table: ``post_id`` and the columns ``<block>.<column>``."""
    return shown_features(read(path, FEATURES))


def shown_features(table: pl.DataFrame) -> pl.DataFrame:
    """A feature table without the columns of held out folds."""
    return table.select(pl.exclude(f"^{HELD_OUT}.*$"))


def read_held_out(path: Path) -> dict[int, pl.DataFrame]:
    """Fold -> ``post_id`` and those columns of :func:`read_features` that change while the fold is held out."""
    return held_out_features(read(path, FEATURES))


def held_out_features(table: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """As :func:`read_held_out`, of a feature table that lies here."""
    found: dict[int, list[pl.Expr]] = {}
    for column in table.columns:
        if column.startswith(HELD_OUT):
            fold, name = column.removeprefix(HELD_OUT).split(".", 1)
            found.setdefault(int(fold), []).append(pl.col(column).alias(name))
    return {fold: table.select("post_id", *columns) for fold, columns in found.items()}


def write_json(content: Mapping[str, object], path: Path) -> None:
    """Write JSON with sorted keys, floats as given, atomically."""
    write_whole(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n", path)


def labelled(posts: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Posts joined with ``split`` and ``fold`` on ``post_id``; a post in one table only is an error."""
    joined = posts.join(splits, on=KEY, how="left")
    if posts.height != splits.height or joined["split"].null_count():
        raise BadInput(f"posts ({posts.height}) and splits ({splits.height}) hold different posts: run `dvc repro`")
    return joined
