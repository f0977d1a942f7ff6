"""Drafts as commands about them take them: a FILE, or options that tell one draft; the same for all such commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from popcast.core.errors import BadInput, bad_input
from popcast.serving.draft_row import Draft, draft_row

GIVEN_FILE = click.Path(dir_okay=False, path_type=Path)
GIVEN_FOLDER = click.Path(file_okay=False, path_type=Path)

OPTIONS = (
    click.argument("bundle"),
    click.argument("file", required=False, type=GIVEN_FILE),
    click.option("--text", help="what the post says"),
    click.option("--author", help="who posts it, as the posts learned from have it"),
    click.option("--time", help="when: 2025-03-01T18:30, with a zone such as +01:00 where it is another one; now"),
    click.option("--tags", help="parted by commas"),
    click.option("--category"),
    click.option("--media", type=GIVEN_FILE, help="picture or video"),
    click.option("--number", "numbers", multiple=True, metavar="NAME=VALUE", help="a number of the post or the author"),
    click.option("--folder", type=GIVEN_FOLDER, help="of the media of FILE  [beside it]"),
)


def draft_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``command`` with BUNDLE, FILE and the options of one draft: the fields of :class:`Draft`, and ``folder``."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def draft_or_file(name: str, file: Path | None, told: dict[str, Any]) -> Draft:
    """The draft of the options ``told``. BadInput, one line: a FILE beside it, or neither."""
    draft = Draft(**told)
    if (file is None) != draft.anything():
        raise BadInput(f"popcast {name}: expected either a FILE of drafts, or options that tell one, such as --text")
    return draft


def told_rows(draft: Draft, file: Path | None, folder: Path | None, contents: Any):
    """Rows of the draft or of the file, and the folder of their media. contents: of the bundle."""
    from popcast.datasets.reading.open_rows import rows_of_frame

    if file is not None:
        return rows_of(file, contents), folder or file.absolute().parent
    row, media = draft_row(draft, contents)
    return rows_of_frame(row, "draft"), media


def rows_of(file: Path, contents: Any):
    """Rows of a file of posts, in the form of those that a bundle was fitted on."""
    from popcast.datasets.reading.open_rows import FileForm, read_rows
    from popcast.serving.own_columns import layout_of

    layout = layout_of(contents)
    if not file.is_file():
        raise bad_input("no such file", file=file, expected="a file of posts: csv, json, jsonl, parquet or xlsx")
    form = FileForm(layout.delimiter, layout.encoding, layout.sheet)
    return read_rows(file.absolute().parent, file.name, None, form)
