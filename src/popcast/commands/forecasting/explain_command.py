"""``popcast explain``: why a bundle forecasts what it does, of one draft, told by options, or of a file of drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from popcast.api.passive_waiting import waiting_passively
from popcast.commands.forecasting.draft_options import draft_options, draft_or_file, told_rows
from popcast.core.errors import bad_input, one_line
from popcast.core.stage import one_line_errors
from popcast.serving.bundle import bundle_folder

MOST = 100
"""Drafts of a file: each takes as long as hundreds of forecasts."""


@click.command()
@draft_options
@click.option("--words/--no-words", default=True, show_default=True, help="also leave words out one by one")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text")
@one_line_errors
@waiting_passively()
def explain(bundle: str, file: Path | None, folder: Path | None, words: bool, as_json: bool, **told: Any) -> None:
    """Say why forecasts are what they are, by BUNDLE: a folder or a dataset of this project.

    Contributions of the author's past, time, text and so on, which add up to the forecast from that of some post; the
    words that matter; older posts most like it, with what they got. Of one draft, by options, or of those of FILE.
    """
    draft = draft_or_file("explain", file, told)
    place = bundle_folder(bundle)
    from popcast.core.engine import in_this_process
    from popcast.serving.asked_posts import asked_posts
    from popcast.serving.forecast import Forecast
    from popcast.serving.outlook.draft_notes import draft_notes

    made = Forecast.load(place)
    rows, media = told_rows(draft, file, folder, made.contents)
    if rows.height > MOST:
        raise bad_input("too many drafts", file=file, value=rows.height, expected=f"at most {MOST}")
    asked = asked_posts(rows, made.contents)
    with in_this_process():
        found = made.explain(asked.posts, media, words=words)
    notes = asked.said + draft_notes(made, made.prepared(asked.posts))
    if as_json:
        import orjson

        content = {"explanations": [one.as_dict() for one in found], "notes": notes}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        return
    print("\n\n".join("\n".join(shown(one, made.contents.transform)) for one in found))
    for note in notes:
        click.echo(f"note: {note}", err=True)


def shown(explanation: Any, transform: str) -> list[str]:
    """Lines for people; a title of several is one. Where labels are counts, the first has them."""
    from popcast.serving.outlook.author_past import count_of
    from popcast.serving.reasons.explanation import lines

    first, *others = lines(explanation)
    if transform != "none":
        counts = (count_of(value, transform) for value in (explanation.prediction, explanation.baseline))
        first += " (counts: {:,.0f}, {:,.0f})".format(*counts)
    return [one_line(first), *("  " + one_line(line) for line in others)]
