"""The table contracts: what stages hand to one another, checked on the way out and on the way in.

A table is written checked, sorted by its key, floats rounded to 6 places, to a temporary name that is then moved:
the same inputs give the same bytes and a killed stage leaves no half table. A missing value is null, never NaN, 0,
-1 or "".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pandera.polars as pa
import polars as pl

from popcast.core.errors import BadInput, bad_input
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

POSTS = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "user_id": pa.Column(pl.String, nullable=True),
        "posted_at": pa.Column(TIME, nullable=True),
        "title": pa.Column(pl.String, pa.Check.str_length(min_value=1), nullable=True),
        "tags": pa.Column(pl.List(pl.String), nullable=True),
        "category": pa.Column(pl.String, nullable=True),
        "subcategory": pa.Column(pl.String, nullable=True),
        "concept": pa.Column(pl.String, nullable=True),
        "media": pa.Column(pl.List(pl.String), nullable=True),
        "latitude": pa.Column(pl.Float64, pa.Check.in_range(-90, 90), nullable=True),
        "longitude": pa.Column(pl.Float64, pa.Check.in_range(-180, 180), nullable=True),
        "geo_accuracy": pa.Column(pl.Float64, nullable=True),
        "popularity": pa.Column(pl.Float64, pa.Check.in_range(-20, 64), nullable=True),
    }
)

SPLIT_TABLE = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "split": pa.Column(pl.String, pa.Check.isin(SPLITS)),
        "fold": pa.Column(pl.Int8, pa.Check.ge(0), nullable=True),
    },
    strict=True,
)

PREDICTIONS = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "split": pa.Column(pl.String, pa.Check.isin(SPLITS)),
        "fold": pa.Column(pl.Int8, nullable=True),
        "prediction": pa.Column(pl.Float64, pa.Check.in_range(-100, 100)),
        "seeds": pa.Column(pl.List(pl.Float64), required=False, nullable=True),
        "lower": pa.Column(pl.Float64, required=False, nullable=True),
        "upper": pa.Column(pl.Float64, required=False, nullable=True),
    },
    strict=True,
)
"""``prediction`` is what every later stage takes; ``seeds``: the predictions of the single seeds that it is the mean
of, in the order of the seeds, where a predictor averages several."""

ADVERSARIAL = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "probability": pa.Column(pl.Float64, pa.Check.in_range(0, 1)),
        "weight": pa.Column(pl.Float64, pa.Check.ge(0), nullable=True),
    },
    strict=True,
)

FEATURES = pa.DataFrameSchema({"post_id": pa.Column(pl.String, unique=True)})
HELD_OUT = "held_out_"
"""Head of columns ``held_out_<fold>.<block>.<column>``: a column as it is while the labels of that fold are unknown."""


DRAWS = pa.DataFrameSchema(
    {
        "user_id": pa.Column(pl.String, unique=True),
        "draw": pa.Column(pl.String, pa.Check.isin(("fewshot", "extra1", "extra2", "extra3", "pool", "zeroshot"))),
    },
    strict=True,
)
"""Authors of a few-shot task, each in one draw."""

RECORDS = pa.DataFrameSchema(
    {
        "record_id": pa.Column(pl.String, unique=True),
        "draw": pa.Column(pl.String),
        "role": pa.Column(pl.String, pa.Check.isin(("train", "test", "preference"))),
        "shots": pa.Column(pl.Int8, pa.Check.ge(1)),
        "user_id": pa.Column(pl.String),
        "history": pa.Column(pl.List(pl.String)),
        "target": pa.Column(pl.String),
        "score": pa.Column(pl.Float64),
    },
    strict=True,
)
"""Who is asked about what: ``history`` are post ids shown with their scores, oldest first, ``target`` the post asked
about and ``score`` its popularity. ``draw`` of many-shot training records: ``many_05`` and so on."""

ANSWERS = pa.DataFrameSchema(
    {
        "record_id": pa.Column(pl.String),
        "system": pa.Column(pl.String),
        "decoding": pa.Column(pl.String, pa.Check.isin(("greedy", "samples", "expected", "point"))),
        "answer": pa.Column(pl.String, nullable=True),
        "prediction": pa.Column(pl.Float64, pa.Check.in_range(-100, 1000), nullable=True),
        "lenient": pa.Column(pl.Float64, pa.Check.in_range(-100, 1000), nullable=True),
        "median": pa.Column(pl.Float64, nullable=True),
        "lower": pa.Column(pl.Float64, nullable=True),
        "upper": pa.Column(pl.Float64, nullable=True),
    },
    strict=True,
)
"""Predictions of a few-shot task, keyed by system, decoding and record. ``answer``: the raw text (greedy; samples: a
JSON list). ``prediction`` is null where no answer is a number in range with two decimals; ``lenient``, of written
answers, where none is any one number in range. ``point``: of models that are no language models. ``median``, ``lower``,
``upper`` (10 and 90 %): of the distribution that ``expected`` is the mean of."""
ANSWERS_KEY = ("system", "decoding", "record_id")

PAIRS = pa.DataFrameSchema(
    {
        "pair_id": pa.Column(pl.String, unique=True),
        "record_id": pa.Column(pl.String),
        "shots": pa.Column(pl.Int8),
        "prompt": pa.Column(pl.String),
        "chosen": pa.Column(pl.String),
        "rejected": pa.Column(pl.String),
        "chosen_error": pa.Column(pl.Float64, pa.Check.ge(0)),
        "rejected_error": pa.Column(pl.Float64, pa.Check.ge(0)),
        "chosen_weight": pa.Column(pl.Float64, pa.Check.ge(0)),
        "rejected_weight": pa.Column(pl.Float64, pa.Check.ge(0)),
        "mu": pa.Column(pl.Float64, pa.Check.ge(0)),
    },
    strict=True,
)
"""Preference pairs (multismpllm.md 6 and 7): sampled answers as they were, errors M, weights W and mu."""


TRIGGERS = pa.DataFrameSchema(
    {
        "post_id": pa.Column(pl.String, unique=True),
        "trigger": pa.Column(pl.String, pa.Check.str_matches(r"^[0-9a-f]{16}$")),
        "line": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "runs": pa.Column(pl.Int16, pa.Check.ge(1)),
    },
    strict=True,
)
"""Posts of a simulation: what the audience sees of each (``line``), its key, and how many runs simulate it (0, 1, ...,
runs - 1). Posts with one line share a trigger."""

REACTIONS = pa.DataFrameSchema(
    {
        "run": pa.Column(pl.Int16, pa.Check.ge(0)),
        "trigger": pa.Column(pl.String),
        "epoch": pa.Column(pl.Int8, pa.Check.ge(0)),
        "slot": pa.Column(pl.Int16, pa.Check.ge(0)),
        "row": pa.Column(pl.Int16, pa.Check.ge(0)),
        "status": pa.Column(pl.String, pa.Check.isin(("ok", "failed"))),
        "attempts": pa.Column(pl.Int8, pa.Check.ge(1)),
        "action": pa.Column(pl.String, pa.Check.isin(("nothing", "like", "post", "retweet", "reply")), nullable=True),
        "text": pa.Column(pl.String, nullable=True),
        "score": pa.Column(pl.Int8, pa.Check.in_range(0, 10), nullable=True),
        "thought": pa.Column(pl.String, nullable=True),
        "reason": pa.Column(pl.String, nullable=True),
        "prompt_tokens": pa.Column(pl.Int32, pa.Check.ge(0), nullable=True),
        "output_tokens": pa.Column(pl.Int32, pa.Check.ge(0), nullable=True),
        "raw": pa.Column(pl.String, nullable=True),
    },
    strict=True,
)
"""Answers of personas, keyed by run, trigger, epoch and slot. ``slot``: place in the epoch's sample, ascending in
``row``, the persona's row in the population. ``reason``: why the last answer did not parse."""
REACTIONS_KEY = ("run", "trigger", "epoch", "slot")

STATES = pa.DataFrameSchema(
    {
        "run": pa.Column(pl.Int16, pa.Check.ge(0)),
        "trigger": pa.Column(pl.String),
        "epoch": pa.Column(pl.Int8, pa.Check.ge(0)),
        "field_text": pa.Column(pl.String),
        "field_status": pa.Column(pl.String, pa.Check.isin(("ok", "kept"))),
        "mean_attitude": pa.Column(pl.Float64, pa.Check.in_range(0, 10)),
        "attitudes": pa.Column(pl.List(pl.Float64)),
        "n_ok": pa.Column(pl.Int16, pa.Check.ge(0)),
        "mean_raw_score": pa.Column(pl.Float64, pa.Check.in_range(0, 10), nullable=True),
        "share_interested": pa.Column(pl.Float64, pa.Check.in_range(0, 1), nullable=True),
        "n_nothing": pa.Column(pl.Int16, pa.Check.ge(0)),
        "n_like": pa.Column(pl.Int16, pa.Check.ge(0)),
        "n_post": pa.Column(pl.Int16, pa.Check.ge(0)),
        "n_retweet": pa.Column(pl.Int16, pa.Check.ge(0)),
        "n_reply": pa.Column(pl.Int16, pa.Check.ge(0)),
        "field_prompt_tokens": pa.Column(pl.Int32, pa.Check.ge(0), nullable=True),
        "field_output_tokens": pa.Column(pl.Int32, pa.Check.ge(0), nullable=True),
    },
    strict=True,
)
"""State after each epoch (0 first), keyed by run, trigger, epoch. ``attitudes``: of all personas in order of rows.
``field_status`` kept: no new text came, the one before stays. Counts and means are of this epoch's parsed answers."""
STATES_KEY = ("run", "trigger", "epoch")

MANIFEST = pa.DataFrameSchema(
    {"key": pa.Column(pl.String, unique=True), "value": pa.Column(pl.String)},
    strict=True,
)
"""What a simulation was made with: hashes of settings, population and prompts, models, seed, package versions."""


def check(table: pl.DataFrame, schema: pa.DataFrameSchema, name: str | Path) -> pl.DataFrame:
    """Return ``table`` if it keeps the contract, else raise :class:`BadInput` naming the first breach.

    Besides the schema: no NaN or infinity in any float column, and in ``posts`` no column outside the contract.
    """
    try:
        schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        first = error.failure_cases.row(0, named=True)
        field = first["column"] if first["schema_context"] == "Column" else first["failure_case"]
        row = None if first["index"] is None else first["index"] + 1
        raise bad_input(
            f"breaks the rule {first['check']}", file=name, row=row, field=field, value=first["failure_case"]
        ) from None
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


def as_written(
    table: pl.DataFrame, path: Path, schema: pa.DataFrameSchema, key: str | tuple[str, ...] = KEY
) -> pl.DataFrame:
    """``table`` as :func:`write` writes it and :func:`read` reads it again: checked, sorted by ``key``, rounded."""
    return rounded(check(table, schema, path)).sort(key)


def write(table: pl.DataFrame, path: Path, schema: pa.DataFrameSchema, key: str | tuple[str, ...] = KEY) -> None:
    """Write a table after its contract: checked, sorted by ``key``, rounded, atomic."""
    table = as_written(table, path, schema, key)
    with whole_file(path) as part:
        table.write_parquet(part, compression="zstd", statistics=False)


def read(path: Path, schema: pa.DataFrameSchema) -> pl.DataFrame:
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
