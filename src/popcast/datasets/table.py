"""A user's own table of posts: csv, csv.gz, jsonl or parquet, its columns named in params.yaml. No code needed.

``datasets.<name>.table`` says which column is what (see popcast.datasets.params.Table). Labelled and unlabelled posts
are two files of the same columns, the second without the outcomes.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.core.tables import POSTS_COLUMNS
from popcast.datasets import column_types, loading, raw_files, times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset, Table, TableColumns
from popcast.datasets.text_lists import read_list


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """Posts of the labelled and, if named, the unlabelled file.

    Ids must be unique over both, every post needs a time where a time column is named, and a label in the labelled
    file. Rows are counted as an editor shows a csv without line breaks in fields: its header is row 1.
    """
    layout = dataset.table
    _no_outcome_as_input(layout.columns)
    file = raw / layout.labelled
    table = read(file, layout.columns)
    posts = _posts(table, layout, dataset.zone, file)
    label = column_types.number(_column(table, layout.columns.label, file), file)
    posts = posts.with_columns(
        loading.label(label, layout.transform, file=file, field=layout.columns.label, first_row=first_row(file))
    )
    if layout.unlabelled is None:
        return posts
    file = raw / layout.unlabelled
    unlabelled = _posts(read(file, layout.columns), layout, dataset.zone, file)
    known = unlabelled["post_id"].is_in(posts["post_id"].implode())
    loading.refuse(
        known,
        unlabelled["post_id"],
        f"duplicate id, also in {layout.labelled}",
        file=file,
        field=layout.columns.id,
        first_row=first_row(file),
    )
    return pl.concat([posts, unlabelled.with_columns(popularity=pl.lit(None, pl.Float64))])


def _no_outcome_as_input(columns: TableColumns) -> None:
    outcomes = {columns.label, *columns.posthoc}
    inputs = {*columns.text, *columns.numbers, *columns.author_numbers, columns.tags, columns.category}
    inputs |= {columns.subcategory, columns.concept, columns.media}
    for column in sorted(outcomes & inputs - {None}):
        raise BadInput(f"params.yaml: table.columns: {column!r} is both an outcome and an input of the models")


def first_row(file: Path) -> int:
    """Number of the first post in the file: 2 in a csv, whose header is row 1."""
    return 2 if ".csv" in file.suffixes else 1


def read(file: Path, columns: TableColumns) -> pl.DataFrame:
    """The columns of the file that ``columns`` names: text from csv, text and lists from jsonl, as typed from parquet.

    An outcome that the file lacks is left out; any other column that it lacks is refused.
    """
    needed, outcomes = _named(columns), {columns.label, *columns.posthoc}
    if ".csv" in file.suffixes:
        table, names = raw_files.csv(file, needed | outcomes), None
    elif ".jsonl" in file.suffixes:
        table, names = _json_lines(file, needed | outcomes)
    elif file.suffix == ".parquet":
        table, names = raw_files.parquet(file, needed | outcomes), None
    else:
        raise bad_input("unknown kind of file", file=file, expected=".csv, .csv.gz, .jsonl, .jsonl.gz or .parquet")
    for name in sorted(needed - set(table.columns)):
        known = raw_files.column_names(file) if names is None else names
        raise bad_input("missing column", file=file, field=name, expected=f"one of {', '.join(known)}")
    return table


def _named(columns: TableColumns) -> set[str]:
    """Columns that every file must have: all but the outcomes."""
    single = ("id", "author", "time", "tags", "category", "subcategory", "concept", "media")
    named = {getattr(columns, field) for field in single} - {None}
    return named | {*columns.text, *columns.numbers, *columns.author_numbers}


def _json_lines(file: Path, wanted: set[str]) -> tuple[pl.DataFrame, list[str]]:
    """One object per line: its ``wanted`` columns, and the names of all. A column of lists stays one, all others
    become text."""
    if file.suffix == ".gz":
        raw_files.check_packed(file)
    columns: dict[str, list] = {}
    names: dict[str, None] = {}
    with raw_files.opened(file) as lines:
        blank, rows = None, 0
        for row, line in enumerate(lines, 1):
            line = line.removeprefix(raw_files.BOM) if row == 1 else line
            if not line.strip():
                blank = blank or row
                continue
            if blank is not None:
                raise bad_input("a blank line", file=file, row=blank, expected="an object")
            rows = row
            for name, value in _object(line, file, row).items():
                names[name] = None
                if name in wanted:
                    values = columns.setdefault(name, [])
                    values.extend([None] * (row - 1 - len(values)))
                    values.append(value)
    filled = {name: values + [None] * (rows - len(values)) for name, values in columns.items()}
    return pl.DataFrame({name: _json_column(name, values, file) for name, values in filled.items()}), list(names)


def _object(line: bytes, file: Path, row: int) -> dict:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise bad_input(f"not valid JSON: {error}", file=file, row=row) from None
    if not isinstance(record, dict):
        raise bad_input("not an object", file=file, row=row, value=record)
    return record


def _json_column(field: str, values: list, file: Path) -> pl.Series:
    """Texts of a column, or lists of texts where any value is a list. An object is neither."""
    if any(isinstance(value, list) for value in values):
        return raw_files.typed(values, pl.List(pl.String), file, field)
    for row, value in enumerate(values, 1):
        if isinstance(value, dict):
            raise bad_input("an object", file=file, row=row, field=field, value=value, expected="a text or number")
    return pl.Series(field, values, dtype=pl.String, strict=False)


def _column(table: pl.DataFrame, name: str, file: Path) -> pl.Series:
    if name not in table.columns:
        raise bad_input("missing column", file=file, field=name)
    return table[name]


def _posts(table: pl.DataFrame, layout: Table, zone: str, file: Path) -> pl.DataFrame:
    """Columns of the contract but popularity. Outcomes that the file lacks are null."""
    columns, first = layout.columns, first_row(file)
    where = {"file": file, "first_row": first}
    posts = {"post_id": _ids(_column(table, columns.id, file), file, columns.id)}
    loading.unique(posts["post_id"], field=columns.id, **where)
    if columns.author is not None:
        posts["user_id"] = _text(_column(table, columns.author, file), file)
    if columns.time is not None:
        times_column = column_types.time(_column(table, columns.time, file), file)
        posts["posted_at"] = times.read_times(times_column, layout.time_format, zone, field=columns.time, **where)
    if columns.text:
        parts = [_text(_column(table, name, file), file).alias(name) for name in columns.text]
        joined = pl.select(pl.concat_str(parts, separator="\n\n", ignore_nulls=True)).to_series()
        posts["title"] = loading.blank_to_null(joined)
    for field in ("category", "subcategory", "concept"):
        if getattr(columns, field) is not None:
            posts[field] = _text(_column(table, getattr(columns, field), file), file)
    for field, separator in (("tags", layout.tag_separator), ("media", None)):
        if getattr(columns, field) is not None:
            source = _column(table, getattr(columns, field), file)
            posts[field] = _lists(source, separator, field == "tags", file)
    if "media" in posts:
        loading.media_paths(posts["media"], field=columns.media, **where)
    return pl.DataFrame(posts).with_columns(**_numbers(table, columns, file))


def _ids(values: pl.Series, file: Path, field: str) -> pl.Series:
    ids = column_types.ids(values, file).str.strip_chars()
    return loading.filled(ids, file=file, field=field, first_row=first_row(file))


def _text(values: pl.Series, file: Path) -> pl.Series:
    return loading.blank_to_null(column_types.text(values, file))


def _numbers(table: pl.DataFrame, columns: TableColumns, file: Path) -> dict[str, pl.Series]:
    """``post_*``, ``user_*`` and ``posthoc_*`` columns, named after the columns of the file."""
    found: dict[str, pl.Series] = {}
    groups = (("post_", columns.numbers), ("user_", columns.author_numbers), ("posthoc_", columns.posthoc))
    for prefix, names in groups:
        for name in names:
            target = prefix + name.removeprefix(prefix)
            if target in POSTS_COLUMNS or target in found:
                raise bad_input(f"column name clashes with {target}", file=file, field=name)
            if prefix == "posthoc_" and name not in table.columns:
                found[target] = pl.Series(target, [None] * table.height, dtype=pl.Float64)
                continue
            values = column_types.number(_column(table, name, file), file)
            found[target] = loading.number(values, file=file, field=name, first_row=first_row(file))
    return found


def _lists(values: pl.Series, separator: str | None, split: bool, file: Path) -> pl.Series:
    """Lists of text: list columns as they are; text as a JSON or Python list, by separator, or by white space.

    split: false for media, where text that is no list is one path. No items: null.
    """
    items = column_types.items(values, file)
    if items.dtype == pl.String:
        texts = items.fill_null("").str.strip_chars().to_list()
        rows = enumerate(texts, first_row(file))
        lists = [_items(text, separator, split, row, values.name, file) for row, text in rows]
        items = pl.Series(values.name, lists, dtype=pl.List(pl.String))
    items = items.list.eval(pl.element().str.strip_chars()).list.filter(pl.element() != "")
    return pl.select(pl.when(items.list.len() > 0).then(items)).to_series()


def _items(text: str, separator: str | None, split: bool, row: int, field: str, file: Path) -> list[str]:
    if separator is not None:
        return text.split(separator)
    if not text.startswith("["):
        return text.split() if split else [text]
    items = read_list(text)
    if items is None:
        raise bad_input("not a list", file=file, row=row, field=field, value=text, expected="texts in JSON's notation")
    return items
