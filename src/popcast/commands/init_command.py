"""``popcast init FILE...``: look at an export of posts and write the overlay that forecasts them."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from popcast.commands.column_table import print_columns
from popcast.commands.overlay_text import overlay_text
from popcast.commands.user_files import Given, dataset_name, raw_folder, sorted_out, write_asked
from popcast.core.errors import BadInput, bad_input, printable_lines
from popcast.core.section import NAME
from popcast.core.stage import one_line_errors
from popcast.datasets.guessing.column_roles import Guess, guess
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.open_rows import read_rows
from popcast.planning.choosing.durations import seconds_of

ONE = {
    "label": "outcome to be predicted",
    "author": "who posted",
    "time": "when it was posted",
    "id": "the post's id",
    "tags": "hashtags or keywords",
    "media": "paths of media files below the folder",
}
SEVERAL = {
    "text": "part of what the post says",
    "category": "kind or topic of a post, at most three",
    "number": "number known at posting",
    "author_number": "number of the author known at posting",
    "posthoc": "other outcome: seen of older posts only",
    "leave_out": "column not to be used",
}
TABLE = ("decimal", "thousands", "delimiter", "encoding", "sheet", "repeated", "repeated_by", "time_format")
"""Options that go into ``datasets.<name>.table`` as they are."""


class Budget(click.ParamType):
    """``5m``, ``90s`` or ``1h`` as seconds."""

    name = "time"

    def convert(self, value, param, ctx) -> float:
        try:
            return seconds_of(value, "time")
        except BadInput as error:
            self.fail(str(error).removeprefix("time: "), param, ctx)


@contextlib.contextmanager
def told_as_options() -> Iterator[None]:
    """An error that names a setting of the table names the option instead: there is no params.yaml yet."""
    try:
        yield
    except BadInput as error:
        line = re.sub(r"table\.day_first: true or false", "--day-first or --month-first", str(error))
        line = re.sub(r"(?:params\.yaml: )?(?:datasets\.\w+\.)?table\.(\w+)", _option, line)
        line = re.sub(r"^(?:params\.yaml: )?datasets\.\w+\.zone\b", "--zone", line)
        line = re.sub(r"^(\w+)(?=: | needs )", _option, line).replace(
            "--repeated-by needs repeated", "--repeated-by needs --repeated"
        )
        raise BadInput(line) from None


def _option(found: re.Match) -> str:
    known = found[1] in (*TABLE, "missing")
    return f"--{found[1].replace('_', '-')}" if known else found[0]


def column_options(function: Callable) -> Callable:
    """An option per role; those of SEVERAL can be given several times."""
    for role, text in reversed({**ONE, **SEVERAL}.items()):
        several = role in SEVERAL
        help_text = f"{text}; can be repeated" if several else text
        function = click.option(f"--{role.replace('_', '-')}", metavar="COLUMN", multiple=several, help=help_text)(
            function
        )
    return function


def form_options(function: Callable) -> Callable:
    """How values are written, where looking does not tell."""
    for option in (
        click.option("--delimiter", help="between columns of a csv"),
        click.option("--encoding", help="of text files, such as cp1252 or gb18030"),
        click.option("--sheet", help="of an xlsx file"),
        click.option("--decimal", type=click.Choice([".", ","]), help="decimal sign of numbers"),
        click.option("--thousands", help="sign between thousands"),
        click.option("--day-first/--month-first", default=None, help="03/01/2025 is the 3 January, or 1 March"),
        click.option("--time-format", help="epoch, epoch_ms or a strptime pattern"),
        click.option("--zone", default="UTC", show_default=True, help="of times without a zone, and of day parts"),
        click.option("--missing", multiple=True, help="further word that means not known; can be repeated"),
        click.option("--repeated", type=click.Choice(["refuse", "first", "last"]), help="which row of a repeated id"),
        click.option("--repeated-by", metavar="COLUMN", help="column that says which repeat is first or last"),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@column_options
@form_options
@click.option("--name", help="of the dataset  [default: from the first file's name]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="overlay to write  [default: NAME.yaml]")
@click.option("--budget", type=Budget(), default="5m", show_default=True, help="time for a run on two cores")
@click.option("--force", is_flag=True, help="write over an existing overlay")
@one_line_errors
def init(files: tuple[Path, ...], name: str | None, out: Path | None, budget: float, force: bool, **options) -> None:
    """Look at an export of posts, FILE..., and write an overlay for `popcast run`.

    Files of the same columns are one table. A file that lacks the outcomes holds posts to predict; so do rows without
    a label. What each column is follows from its name and its values; what is in doubt is an error that names the
    option to say it with.
    """
    name = name or dataset_name(files[0])
    if not re.fullmatch(NAME.removesuffix("$"), name):
        raise BadInput(f"--name: got {name!r}, expected 1 to 64 small letters, digits and _, a letter or digit first")
    out = out or Path(f"{name}.yaml")
    if out.exists() and not force:
        raise bad_input("is there already", file=out, expected="--force to write over it, or --out FILE")
    form = FileForm(options["delimiter"], options["encoding"], options["sheet"])
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    with told_as_options():
        given = sorted_out(list(files), form)
        found, said = looked_at(given, form, options, console)
        made = sections_for(given, found, name, budget, options)
    head = [f"Written by popcast init, to be changed at will: popcast run {shlex.quote(str(out))}"]
    write_asked(overlay_text(made.sections, head).encode("utf-8"), out)
    for line in (line for line in made.lines if line not in said):
        console.print(printable_lines(line), soft_wrap=True)
    console.print(f"{out}: written. Next: popcast run {shlex.quote(str(out))}", soft_wrap=True)


def looked_at(given: Given, form: FileForm, options: dict[str, Any], console: Console) -> tuple[Guess, list[str]]:
    """Read the labelled files, show what their columns are, and what was found by looking: that is returned, too."""
    from popcast.commands.made_overlay import named_below

    folder, names = named_below(given.labelled)
    rows = read_rows(folder, names, None, form)
    if not rows.height:
        raise bad_input("no row in it", file=given.labelled[0], expected="at least one post")
    roles = {role: options[role] for role in (*ONE, *SEVERAL) if options[role]}
    found = guess(rows, roles, absent=given.absent)
    print_columns(found, console)
    said = [*rows.said, *found.said]
    for line in said:
        console.print(printable_lines(line), soft_wrap=True)
    return found, said


def sections_for(given: Given, found: Guess, name: str, budget: float, options: dict[str, Any]):
    """The overlay's sections; see ``made_overlay``."""
    from popcast.commands.made_overlay import made_overlay

    table = {key: options[key] for key in TABLE if options[key] is not None}
    table |= {"day_first": options["day_first"]} if options["day_first"] is not None else {}
    table |= {"missing": list(options["missing"])} if options["missing"] else {}
    folder, copied = raw_folder(given, name, bool(found.of("media")))
    made = made_overlay(folder, given, found, name, options["zone"], table, budget)
    if copied:
        made.lines.append(f"copies of the files lie in {folder}, and follow them when popcast run begins")
    return made
