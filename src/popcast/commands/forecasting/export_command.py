"""``popcast export DATASET OUT``: the bundle of a dataset in a folder of its own, to be used without the project."""

from __future__ import annotations

from pathlib import Path

import click

from popcast.core.errors import bad_input
from popcast.core.safety.whole_files import copy_whole
from popcast.core.stage import one_line_errors
from popcast.serving import bundle, observed_journal
from popcast.serving.tracking import kept_forecasts


@click.command()
@click.argument("dataset")
@click.argument("out", type=click.Path(path_type=Path))
@one_line_errors
def export(dataset: str, out: Path) -> None:
    """Copy the bundle of DATASET to the folder OUT, whole or not at all.

    `popcast forecast OUT` and `popcast.load(OUT)` need nothing else of the project. It holds ids of authors and the
    popularity of their posts.
    """
    folder = bundle.bundle_folder(dataset)
    contents = bundle.Contents.read(folder)
    bundle.check_free(out)
    if (out / observed_journal.FILE).exists():
        raise bad_input("posts were observed into it", file=out, expected="a new folder: they would be lost")
    if (out / kept_forecasts.FILE).exists():
        raise bad_input("forecasts were kept in it", file=out, expected="a new folder: they would be lost")
    copy_whole(folder, out)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{out}: {len(contents.members)} models, {len(contents.blocks)} blocks, {len(files)} files, {size:.1f} MB")
