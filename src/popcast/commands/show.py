"""``popcast show DATASET``: the forecasts of a dataset for people, in the terminal or as csv.

Title, time in the dataset's zone, forecast and interval as counts where the label is a count. In the csv, text that a
spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

from pathlib import Path

import click
import polars as pl

from popcast.blend.count_scale import as_counts, transform_of
from popcast.commands.user_files import write_asked
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input, printable
from popcast.core.stage import one_line_errors
from popcast.datasets.params import Dataset

PARTS = ("unlabelled", "test", "valid")
FORMULA = r"^[=+\-@\t\r]"
TITLE = 48
"""Characters of a title in the terminal."""


@click.command()
@click.argument("dataset")
@click.option(
    "--part", type=click.Choice(PARTS), help="which posts  [default: those without a label, else the test part]"
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="rows in the terminal")
@click.option("--csv", "file", type=click.Path(dir_okay=False, path_type=Path), help="write all rows to this file")
@click.option(
    "--data",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="draw the data instead: authors, categories, times, labels, into this folder",
)
@one_line_errors
def show(dataset: str, part: str | None, limit: int, file: Path | None, folder: Path | None) -> None:
    """Show what is forecast for the posts of DATASET: title, time, forecast and interval.

    Newest posts first. Counts where the label is a count; else values on the scale of the label.
    """
    from popcast.planning import project_params

    section = project_params.entry("datasets", dataset)
    if folder is not None:
        describe(dataset, section, folder)
        return
    table, part = forecasts(dataset, section, part)
    scale = "counts" if transform_of(section) != "none" else "on the scale of the label"
    print(f"{dataset}: {table.height} posts ({part}), forecasts {scale}, newest first")
    if file is None:
        print_table(table.head(limit), section)
        if table.height > limit:
            print(f"... {table.height - limit} more: --limit, or --csv FILE for all")
        return
    write_asked(as_csv(table).encode("utf-8-sig"), file)
    print(f"{file}: {table.height} rows")


def describe(dataset: str, section: Dataset, folder: Path) -> None:
    """Write tables and pictures of the data into ``folder``: a new one, or one with an earlier copy."""
    from popcast.core import tables
    from popcast.report.described.described_posts import described
    from popcast.report.described.description_drawn import DRAWN
    from popcast.scoring import plots

    posts, splits = paths.posts(dataset), paths.splits(dataset)
    for place in (posts, splits):
        if not place.exists():
            raise bad_input("no such file", file=place, expected="the out of the stage `posts`: popcast run first")
    if folder.is_dir() and any(one.suffix not in (".csv", ".png") for one in folder.iterdir()):
        raise bad_input(
            "other files are in it", file=folder, expected="a new folder, or an earlier copy of these pictures"
        )
    both = tables.labelled(tables.read(posts, tables.POSTS), tables.read(splits, tables.SPLIT_TABLE))
    found = described(both, section.zone)
    if not found:
        raise BadInput(f"{dataset}: nothing to draw: no author, category, time or label is known")
    plots.write(found, folder, f"{dataset}, {both.height:,} posts", DRAWN)
    for name, table in found.items():
        print(f"{folder / name}.png: {table.height} rows")


def forecasts(dataset: str, section: Dataset, part: str | None = None) -> tuple[pl.DataFrame, str]:
    """Forecasts of one part of a dataset, newest first, and the name of the part.

    Columns: post_id, author, posted_at (as text in the dataset's zone), title, forecast, lower, upper, and ``actual``
    where labels are known. Raises BadInput where nothing was predicted yet.
    """
    place = paths.predictions(dataset, "blend")
    if not place.exists():
        raise bad_input("no such file", file=place, expected="the out of the stage `blend`: popcast run first")
    predicted = pl.read_parquet(place)
    if part is None:
        part = "unlabelled" if (predicted["split"] == "unlabelled").any() else "test"
    posts = pl.read_parquet(paths.posts(dataset), columns=["post_id", "user_id", "posted_at", "title", "popularity"])
    table = predicted.filter(split=part).join(posts, on="post_id", how="inner")
    if table.is_empty():
        raise BadInput(f"{place}: no post of the part {part!r} in it")
    transform = transform_of(section)
    columns = {"forecast": "prediction", "lower": "lower", "upper": "upper", "actual": "popularity"}
    shown = {"post_id": "post_id", "author": "user_id"}
    clock = pl.col("posted_at").dt.convert_time_zone(section.zone).dt.strftime("%Y-%m-%d %H:%M")
    table = table.sort("posted_at", "post_id", descending=[True, False], nulls_last=True)
    found = table.select(**{new: pl.col(old) for new, old in shown.items()}, posted_at=clock, title="title")
    for new, old in columns.items():
        if old not in table.columns or table[old].null_count() == table.height:
            continue
        values = table[old]
        found = found.with_columns(
            values.round(3).alias(new)
            if transform == "none"
            else as_counts(values, transform).round(0).cast(pl.Int64).alias(new)
        )
    return found, part


def as_csv(table: pl.DataFrame) -> str:
    """The table as csv. Text that a spreadsheet would run as a formula begins with an apostrophe."""
    text = pl.selectors.string()
    guarded = pl.when(text.str.contains(FORMULA)).then(pl.lit("'") + text).otherwise(text)
    return table.with_columns(guarded.name.keep()).write_csv()


def print_table(table: pl.DataFrame, section: Dataset) -> None:
    """The table with rich, titles cut, numbers with signs between thousands."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for name in table.columns[1:]:
        number = table.schema[name].is_numeric()
        drawn.add_column(
            f"posted ({section.zone})" if name == "posted_at" else name, justify="right" if number else "left"
        )
    for row in table.drop("post_id").iter_rows():
        drawn.add_row(*(Text(_cell(value)) for value in row))
    Console(highlight=False, soft_wrap=False).print(drawn)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= TITLE else text[: TITLE - 1] + "…"
