"""``popcast forecast``: what a bundle says about one draft, told by options, or about a file of drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import polars as pl

from popcast.api.passive_waiting import waiting_passively
from popcast.commands.forecasting.draft_options import GIVEN_FILE, draft_options, draft_or_file, told_rows
from popcast.commands.show import as_csv, print_table
from popcast.core.errors import BadInput
from popcast.core.safety.whole_files import write_whole
from popcast.core.stage import one_line_errors
from popcast.serving.bundle import bundle_folder, check_own

LEVELS = {"forecast": "prediction", "lower": "lower", "upper": "upper"}


@click.command()
@draft_options
@click.option("--together", is_flag=True, help="the drafts of FILE see that the other ones exist")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table")
@click.option("--csv", "out", type=GIVEN_FILE, help="write the forecasts to this file")
@click.option("--keep", is_flag=True, help="write the forecasts down in BUNDLE, for popcast track")
@click.option("--static", "page", type=GIVEN_FILE, help="write the page of one draft, with reasons, to this html file")
@click.option("--above", type=float, help="with --static: a number whose chance to be beaten the page tells")
@one_line_errors
@waiting_passively()
def forecast(
    bundle: str, file: Path | None, folder: Path | None, together: bool, as_json: bool, out: Path | None, keep: bool,
    page: Path | None, above: float | None, **told: Any,
) -> None:  # fmt: skip
    """Say how popular posts will be that are not out yet, by BUNDLE: a folder or a dataset of this project.

    Either one draft, by options, or those of FILE, in the columns of the posts that were learned from. What is not told
    is taken as not known, and said. Counts where the label is a count.
    """
    draft = draft_or_file("forecast", file, told)
    if above is not None and page is None:
        raise BadInput("--above: the chance is told on the page: expected it with --static FILE.html")
    place = bundle_folder(bundle)
    if keep:
        check_own(place)
    from popcast.core.engine import in_this_process
    from popcast.serving.asked_posts import asked_posts, told_ids
    from popcast.serving.forecast import Forecast
    from popcast.serving.outlook.draft_notes import draft_notes
    from popcast.serving.tracking.kept_forecasts import keep as kept_ids

    made = Forecast.load(place)
    rows, media = told_rows(draft, file, folder, made.contents)
    asked = asked_posts(rows, made.contents)
    if page is not None:
        return write_page(made, asked, media, page, above)
    prepared = made.prepared(asked.posts)
    notes = asked.said + draft_notes(made, prepared)
    with in_this_process():
        found = made.predict_prepared(prepared, media, together).with_columns(asked.posts["post_id"])
    if keep:
        found = found.with_columns(kept=pl.Series(kept_ids(made, prepared, found, told_ids(rows, made.contents))))
        notes.append(f"kept as {', '.join(found['kept'][:5])}{' ...' if found.height > 5 else ''}")
    if as_json:
        print_json(made.contents.dataset, found, notes)
    table = shown(asked.posts, found, made.contents.zone)
    if out is not None:
        write_whole(as_csv(table).encode("utf-8-sig"), out)
    if not as_json:
        print(f"{out}: {table.height} rows" if out is not None else _scale(found), flush=True)
        if out is None:
            print_table(table, made.contents)
    for note in notes if not as_json else ():
        click.echo(f"note: {note}", err=True)


def write_page(made: Any, asked: Any, media: Path, page: Path, above: float | None) -> None:
    """The page of one draft as one file, instead of a table."""
    from popcast.core.engine import in_this_process
    from popcast.serving.page.static_page import static_page

    with in_this_process():
        content = static_page(made, asked, media, above).encode()
    write_whole(content, page)
    print(f"{page}: the page of one draft, {len(content) / 1e3:.0f} kB; it needs no server")


def shown(posts: pl.DataFrame, found: pl.DataFrame, zone: str) -> pl.DataFrame:
    """What people look at: post_id, author, posted_at (as text in the zone), title, forecast, lower, upper."""
    clock = pl.col("posted_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M")
    counts = "prediction_count" in found.columns
    levels = [
        found[f"{old}_count"].round(0).cast(pl.Int64).alias(new) if counts else found[old].round(3).alias(new)
        for new, old in LEVELS.items()
    ]
    ids = posts["post_id"]
    return posts.select(
        "post_id", *([ids.alias("id")] if posts.height > 1 else []), author="user_id", posted_at=clock, title="title"
    ).with_columns(level for level in levels if level.null_count() < len(level) or level.name == "forecast")


def print_json(dataset: str, found: pl.DataFrame, notes: list[str]) -> None:
    import orjson

    content = {"dataset": dataset, "forecasts": found.rename({"post_id": "id"}).to_dicts(), "notes": notes}
    print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())


def _scale(found: pl.DataFrame) -> str:
    scale = "counts" if "prediction_count" in found.columns else "on the scale of the label"
    return f"{found.height} {'draft' if found.height == 1 else 'drafts'}, forecasts {scale}"
