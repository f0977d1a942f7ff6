"""The user's files: which hold labels and which are to be predicted, and the folder that DVC watches for them."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from popcast.commands.own_copies import copy_files, fits
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input, cut, shown
from popcast.core.safety.whole_files import write_whole
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.open_rows import read_rows

MOST_BESIDE = 200 << 20
"""Bytes of other files in a folder that DVC may watch with them."""

MOST_FILES = 500


@dataclass(frozen=True)
class Given:
    """Files with outcomes and files without, as absolute paths; ``absent``: columns that the latter have not."""

    labelled: list[Path]
    unlabelled: list[Path]
    absent: tuple[str, ...] = ()


def sorted_out(files: list[Path], form: FileForm) -> Given:
    """Files of the same columns are one table; files that lack some of its columns hold the posts to predict.

    Raises BadInput where a file is missing or empty, and where columns are of three kinds or fit neither way.
    """
    groups: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        if not file.is_file():
            raise bad_input("a folder" if file.is_dir() else "no such file", file=file, expected="a file of posts")
        full = Path(os.path.abspath(file))
        if any(full in group for group in groups.values()):
            continue
        names = read_rows(full.parent, full.name, None, form, most_rows=20).names
        groups.setdefault(tuple(sorted(names)), []).append(full)
    kinds = sorted(groups, key=len, reverse=True)
    if len(kinds) == 1:
        return Given(groups[kinds[0]], [])
    if len(kinds) == 2 and set(kinds[1]) < set(kinds[0]):
        return Given(groups[kinds[0]], groups[kinds[1]], tuple(sorted(set(kinds[0]) - set(kinds[1]))))
    one, other = groups[kinds[0]][0], groups[kinds[1]][0]
    differ = sorted(set(kinds[0]) ^ set(kinds[1]))
    raise BadInput(
        f"{cut(one.name, 100)} and {cut(other.name, 100)} have different columns, {cut(', '.join(differ), 300)}: "
        "expected files of the same columns, or further ones that only lack outcomes"
    )


def dataset_name(file: Path) -> str:
    """A key of params.yaml made of a file's name.

    >>> dataset_name(Path("Beiträge März (1).csv")), dataset_name(Path("微博.csv"))
    ('beitrage_marz_1', 'posts')
    """
    stem = file.name.split(".")[0]
    text = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")[:40] or "posts"


def raw_folder(given: Given, name: str, media: bool) -> tuple[Path, bool]:
    """Folder that the files lie in, and whether they were copied there.

    DVC reads all of a raw folder. Where there is much else beside the files, or the folder's name is none that DVC
    takes, they are copied to data/own/<name> of the project. media: paths of media start at the folder, so it stays.
    """
    files = given.labelled + given.unlabelled
    folder = Path(os.path.commonpath([str(file.parent) for file in files]))
    odd = next((one for one in [str(folder), *(file.name for file in files)] if not fits(one)), None)
    if odd is None and (media or not _much_beside(folder, files)):
        return folder, False
    if paths.PARAMS.exists() and not media:
        return copy_files(files, name), True
    copies = "" if media else ", or run this from the root of a popcast project, which gets copies"
    if odd is not None:
        raise BadInput(f"{shown(odd, 200)}: DVC takes no file or folder of that name: rename it{copies}")
    raise BadInput(f"{folder}: holds much besides these files, and DVC would read it all: put the files into a folder "
                   f"of their own{copies}")  # fmt: skip


def write_asked(content: bytes, file: Path) -> None:
    """Write a file that the user has named. Raises BadInput where that is not possible."""
    try:
        write_whole(content, file)
    except OSError as error:
        raise bad_input(f"cannot be written: {error.strerror or error}", file=file) from None


def _much_beside(folder: Path, files: list[Path]) -> bool:
    own, total, count = set(files), 0, 0
    for parent, folders, names in os.walk(folder):
        for one in names:
            path = Path(parent, one)
            if path in own:
                continue
            count += 1
            try:
                total += path.lstat().st_size
            except OSError:
                return True
            if count > MOST_FILES or total > MOST_BESIDE:
                return True
        if len(folders) > MOST_FILES:
            return True
    return False
