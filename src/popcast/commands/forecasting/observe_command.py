"""``popcast observe BUNDLE FILE``: posts that came out and what became of them, for later forecasts to look back at."""

from __future__ import annotations

from pathlib import Path

import click

from popcast.api.passive_waiting import waiting_passively
from popcast.commands.forecasting.draft_options import GIVEN_FILE, GIVEN_FOLDER, rows_of
from popcast.core.stage import one_line_errors
from popcast.serving.bundle import bundle_folder, check_own
from popcast.serving.draft_row import counted_moment


@click.command()
@click.argument("bundle")
@click.argument("file", type=GIVEN_FILE)
@click.option("--counted-at", help="when the outcomes were counted: 2025-03-01T18:30  [default: now]")
@click.option("--maturity-days", type=click.FloatRange(0), help="age of a post from which on its outcome counts")
@click.option("--folder", type=GIVEN_FOLDER, help="of the media of FILE  [beside it]")
@one_line_errors
@waiting_passively()
def observe(bundle: str, file: Path, counted_at: str | None, maturity_days: float | None, folder: Path | None) -> None:
    """Tell the bundle in the folder BUNDLE of posts that came out, with their outcomes as far as they are known.

    FILE has the columns of the posts that were learned from; of a post that is known, id and outcome are enough. Later
    forecasts look back at them, and their intervals follow how the outcomes lay in them; nothing is fitted again. They
    are kept in a journal in the folder.
    """
    place = bundle_folder(bundle)
    check_own(place)
    from popcast.core.engine import in_this_process
    from popcast.serving.asked_posts import observed_posts
    from popcast.serving.bundle_card import TRAIN_ONLY
    from popcast.serving.forecast import Forecast

    made = Forecast.load(place, maturity_days)
    asked, outcomes = observed_posts(rows_of(file, made.contents), made.contents)
    moment = counted_moment(counted_at, made.contents.zone, "--counted-at")
    with in_this_process():
        counts = made.observe(asked.posts, outcomes, moment, folder or file.absolute().parent)
    said = f"{counts['posts']} new posts, {counts['outcomes']} outcomes"
    print(f"{place}: {said}, {counts['too_young']} of posts younger than {made.maturity_days:g} days")
    for note in [*asked.said, *([TRAIN_ONLY] if made.contents.final_fit == "train" else [])]:
        click.echo(f"note: {note}", err=True)
