"""``popcast explain``: why a bundle forecasts what it does, of one draft, told by options, or of a file of drafts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from popcast.api.passive_waiting import waiting_passively
from popcast.commands.forecasting.forecast_command import GIVEN_FILE, rows_of
from popcast.core.errors import BadInput, bad_input, one_line
from popcast.core.stage import one_line_errors
from popcast.serving.bundle import bundle_folder
from popcast.serving.draft_row import Draft, draft_row

MOST = 100
"""Drafts of a file: each takes as long as hundreds of forecasts."""


@click.command()
@click.argument("bundle")
@click.argument("file", required=False, type=GIVEN_FILE)
@click.option("--text", help="what the post says")
@click.option("--author", help="who posts it, as the posts learned from have it")
@click.option("--time", help="when: 2025-03-01T18:30, with a zone such as +01:00 where it is another one; now")
@click.option("--tags", help="parted by commas")
@click.option("--category")
@click.option("--media", type=GIVEN_FILE, help="picture or video")
@click.option("--number", "numbers", multiple=True, metavar="NAME=VALUE", help="a number of the post or the author")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="of the media of FILE  [beside it]")
@click.option("--words/--no-words", default=True, show_default=True, help="also leave words out one by one")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text")
@one_line_errors
@waiting_passively()
def explain(bundle: str, file: Path | None, folder: Path | None, words: bool, as_json: bool, **told: Any) -> None:
    """Say why forecasts are what they are, by BUNDLE: a folder or a dataset of this project.

    Contributions of the author's past, time, text and so on, which add up to the forecast from that of some post; the
    words that matter; older posts most like it, with what they got. Of one draft, by options, or of those of FILE.
    """
    draft = Draft(**told)
    if (file is None) != draft.anything():
        raise BadInput("popcast explain: expected either a FILE of drafts, or options that tell one, such as --text")
    place = bundle_folder(bundle)
    from popcast.core.engine import in_this_process
    from popcast.datasets.reading.open_rows import rows_of_frame
    from popcast.serving.asked_posts import asked_posts
    from popcast.serving.forecast import Forecast

    made = Forecast.load(place)
    if file is None:
        row, media = draft_row(draft, made.contents)
        rows = rows_of_frame(row, "draft")
    else:
        rows, media = rows_of(file, made.contents), folder or file.absolute().parent
        if rows.height > MOST:
            raise bad_input("too many drafts", file=file, value=rows.height, expected=f"at most {MOST}")
    asked = asked_posts(rows, made.contents)
    with in_this_process():
        found = made.explain(asked.posts, media, words=words)
    if as_json:
        import orjson

        content = {"explanations": [one.as_dict() for one in found], "notes": asked.said}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
        return
    print("\n\n".join("\n".join(shown(one, made.contents.transform)) for one in found))
    for note in asked.said:
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
