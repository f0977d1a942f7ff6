"""``popcast track BUNDLE``: were the forecasts right that were kept, and is it time to refit?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import polars as pl

from popcast.commands.forecasting.draft_options import GIVEN_FILE, rows_of
from popcast.core.errors import bad_input, printable_lines
from popcast.core.stage import one_line_errors
from popcast.serving.bundle import bundle_folder
from popcast.serving.draft_row import counted_moment


@click.command()
@click.argument("bundle")
@click.argument("file", required=False, type=GIVEN_FILE)
@click.option("--counted-at", help="when the outcomes of FILE were counted: 2025-03-01T18:30  [default: now]")
@click.option("--maturity-days", type=click.FloatRange(0), help="age of a post from which on its outcome counts")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of words")
@click.option("--page", type=GIVEN_FILE, help="HTML file to write, with pictures")
@one_line_errors
def track(
    bundle: str,
    file: Path | None,
    counted_at: str | None,
    maturity_days: float | None,
    as_json: bool,
    page: Path | None,
) -> None:
    """Compare the forecasts kept in BUNDLE (popcast forecast --keep) with what became of their posts.

    Outcomes are those that were observed (popcast observe), or those of FILE: the id of a post, or of a kept forecast,
    and the label, in the columns of the posts that were learned from.
    """
    place = bundle_folder(bundle)
    from popcast.serving.forecast import Forecast
    from popcast.serving.tracking.track_lines import lines_of
    from popcast.serving.tracking.tracked_forecasts import tracked

    made = Forecast.load(place, maturity_days)
    if file is None:
        if counted_at is not None:
            raise bad_input("of which outcomes?", field="--counted-at", value=counted_at, expected="a FILE of outcomes")
        found = tracked(made)
    else:
        found = tracked(made, *outcomes_of(file, made.contents, counted_at))
    if as_json:
        import orjson

        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        print(printable_lines("\n".join(lines_of(found))))
    if page is not None:
        from popcast.report.standard import write_text
        from popcast.report.tracking.tracking_chapter import tracking_page

        write_text(tracking_page(found), page)
        click.echo(f"{page}: opens in a browser, without network", err=as_json)


def outcomes_of(file: Path, contents: Any, counted_at: str | None) -> tuple[pl.DataFrame, pl.Series]:
    """Outcomes of a file, one per id, and when they were counted."""
    from datetime import UTC, datetime

    from popcast.core import tables
    from popcast.serving.asked_posts import observed_posts

    asked, labels = observed_posts(rows_of(file, contents), contents)
    posts = tables.rounded(asked.posts.with_columns(popularity=labels)).drop_nulls("popularity")
    if not posts.height:
        raise bad_input("no outcomes in it", file=file, expected="the id of a post and its label in each row")
    moment = counted_moment(counted_at, contents.zone, "--counted-at") or datetime.now(UTC)
    columns = ["post_id", "user_id", "popularity"]
    return posts.select(columns), pl.Series([moment] * posts.height, dtype=tables.TIME)
