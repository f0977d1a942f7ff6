"""Copies of a user's files in the project, data/own/<dataset>: made where DVC cannot watch the files where they lie.

Beside the folder, data/own/<dataset>.json says which file each is a copy of, so that a run sees what has changed there.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from pathlib import Path

import orjson

from popcast.core.errors import BadInput, bad_input
from popcast.core.safety.whole_files import write_whole
from popcast.core.section import PLACE

OWN = Path("data/own")
"""data/raw is for generated posts, and reports call them so."""


def fits(path: str) -> bool:
    """Whether DVC takes a file or folder of that name.

    >>> fits("posts (1).csv"), fits("-x.csv"), fits('"x".csv')
    (True, False, False)
    """
    return re.fullmatch(PLACE.removesuffix("$"), path) is not None


def copied_name(file: Path) -> str:
    """The name of a copy.

    >>> copied_name(Path('Beiträge "März".csv')), copied_name(Path("-x.csv"))
    ('Beiträge _März_.csv', '_x.csv')
    """
    if fits(file.name):
        return file.name
    name = re.sub(r'[\x00-\x1f\x7f$`"\\*?<>|;]', "_", file.name).strip()
    return re.sub(r"^-", "_", name)


def copy_files(files: list[Path], name: str) -> Path:
    """Copy ``files`` for the dataset ``name``; the folder that they lie in now. Raises BadInput where two copies would
    have one name, or where other files of the same dataset lie there."""
    files = list(dict.fromkeys(files))
    place, sources = OWN / name, _sources(name)
    made = {copied_name(file): str(file) for file in files}
    if len(made) < len(files):
        raise BadInput("two of the files have one name: put them into a folder of their own")
    for copy, source in made.items():
        other = sources.get(copy, source)
        if other != source and Path(other).exists():
            raise bad_input(f"a copy of {other}", file=place / copy, expected="--name NAME for another data set")
    place.mkdir(parents=True, exist_ok=True)
    write_whole(orjson.dumps(sources | made, option=orjson.OPT_INDENT_2), OWN / f"{name}.json")
    for copy, source in made.items():
        _copy(Path(source), place / copy)
    return place


def refresh(name: str) -> list[str]:
    """Copy again what has changed since; the files that it was. What is gone where it was stays as it is."""
    changed = [
        (Path(source), OWN / name / copy)
        for copy, source in _sources(name).items()
        if Path(source).is_file() and not _same(Path(source), OWN / name / copy)
    ]
    for source, copy in changed:
        _copy(source, copy)
    return [str(source) for source, _ in changed]


def _sources(name: str) -> dict[str, str]:
    place = OWN / f"{name}.json"
    try:
        return dict(orjson.loads(place.read_bytes())) if place.exists() else {}
    except (ValueError, TypeError):
        raise bad_input("no record of copies", file=place, expected="to be deleted, then popcast init again") from None


def _same(source: Path, copy: Path) -> bool:
    return copy.exists() and (os.path.samefile(source, copy) or filecmp.cmp(source, copy, shallow=False))


def _copy(source: Path, copy: Path) -> None:
    """As a whole: a copy that is cut short is never read."""
    if _same(source, copy):
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    part = copy.with_name(copy.name + ".part")
    shutil.copy2(source, part)
    part.replace(copy)
