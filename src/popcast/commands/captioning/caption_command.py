"""``popcast caption DATASET``: captions of pictures by a chat server, and the check list that a person goes through."""

from __future__ import annotations

from pathlib import Path

import click

from popcast.commands.user_files import write_asked
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input
from popcast.core.stage import one_line_errors

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("dataset")
@click.argument("check_list", type=FILE)
@click.option("--url", help="of a chat server whose model sees, such as http://localhost:8000/v1")
@click.option("--model", help="its name on the server")
@click.option("--key-variable", help="environment variable that holds the key; never the key itself")
@click.option("--most", type=click.IntRange(1), help="posts asked about, the first by id  [default: all]")
@click.option("--passed", "out", type=FILE, help="ask nobody: write what passed in CHECK_LIST to this csv")
@one_line_errors
def caption(
    dataset: str, check_list: Path, url: str | None, model: str | None, key_variable: str | None, most: int | None,
    out: Path | None,
) -> None:  # fmt: skip
    """Have the first picture of each post of DATASET described, into CHECK_LIST (csv).

    The pictures are sent to the server, nothing else of a post. Answers are kept: a second start asks for what is
    missing, and checks of captions that are the same stay. Write yes or no into `checked`, or a better caption into
    `corrected`; then `--passed captions.csv` writes the file that datasets.DATASET.captions names.
    """
    from popcast.chat.captioning.check_list import passed, read_list

    if out is not None:
        good, turned_down, left = passed(read_list(check_list), check_list)
        write_asked(good.write_csv().encode(), out)
        print(f"{out}: {good.height} captions; {turned_down} turned down, {left} that nobody went through")
        return
    if not url or not model:
        raise BadInput("popcast caption: expected --url and --model of a chat server, or --passed FILE")
    table = asked(dataset, check_list, url, model, key_variable, most)
    write_asked(table.write_csv().encode(), check_list)
    doubtful = (table["doubts"] != "").sum()
    print(f"{check_list}: {table.height} captions to go through, {doubtful} of them with doubts")


def asked(dataset: str, check_list: Path, url: str, model: str, key_variable: str | None, most: int | None):
    """The check list of a dataset's pictures, with the checks of an earlier one in its place."""
    import polars as pl
    from pydantic import ValidationError

    from popcast.chat.captioning.asked_captions import captions
    from popcast.chat.captioning.check_list import check_list as listed
    from popcast.chat.captioning.check_list import read_list
    from popcast.chat.client import ChatClient
    from popcast.chat.params import ChatSettings
    from popcast.core.params import said
    from popcast.planning import project_params

    section, place = project_params.entry("datasets", dataset), paths.posts(dataset)
    if not place.exists():
        raise bad_input("no such file", file=place, expected="the out of the stage `posts`: popcast run first")
    posts = pl.read_parquet(place, columns=["post_id", "media"]).sort("post_id")
    before = read_list(check_list) if check_list.exists() else None
    try:
        settings = ChatSettings(url=url, model=model, key_variable=key_variable, temperature=0.0)
    except ValidationError as error:
        raise BadInput(f"popcast caption: {said(error)}") from None
    client = ChatClient(settings, "popcast caption", kept="captions are kept")
    try:
        found = captions(posts if most is None else posts.head(most), Path(section.raw), client.ask, 0)
    finally:
        client.close()
    if not found:
        raise BadInput(f"{dataset}: no post has a picture")
    return listed(found, before)
