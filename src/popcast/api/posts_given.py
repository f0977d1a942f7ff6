"""Posts as a caller has them, to rows: a file, a polars or pandas DataFrame, or a list of dictionaries."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from popcast.core.errors import BadInput, shown
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.open_rows import read_rows, rows_of_frame
from popcast.datasets.reading.row_table import RowTable

NAME = "posts"
"""What stands for a file in errors about rows that came from none."""


def given_rows(posts: Any, folder: Path | None, form: FileForm | None = None) -> RowTable:
    """All rows and columns of ``posts``. BadInput, one line: it is nothing that posts can be read from.

    posts: a path, a pattern of paths or a list of paths of any kind that ``popcast.datasets.reading`` opens; a
    DataFrame of polars or pandas; a list or an iterator of dictionaries. folder: where relative paths begin; None:
    where the process works.
    """
    if isinstance(posts, str | os.PathLike):
        return _of_files([posts], folder, form)
    if isinstance(posts, Sequence) and posts and all(isinstance(one, str | os.PathLike) for one in posts):
        return _of_files(list(posts), folder, form)
    if isinstance(posts, Iterator):
        posts = list(posts)
    if isinstance(posts, pl.LazyFrame):
        posts = posts.collect()
    if isinstance(posts, pl.DataFrame | list | tuple) or type(posts).__module__.split(".")[0] == "pandas":
        return rows_of_frame(list(posts) if isinstance(posts, tuple) else posts, NAME)
    raise BadInput(f"posts: got {shown(type(posts).__name__)}, expected a path, a DataFrame or a list of dictionaries")


def _of_files(posts: list[Any], folder: Path | None, form: FileForm | None) -> RowTable:
    paths = [(folder or Path()) / Path(one) for one in posts]
    base = Path(os.path.commonpath([path.parent.absolute() for path in paths]))
    return read_rows(base, [os.path.relpath(path.absolute(), base) for path in paths], None, form or FileForm())


def files_folder(posts: Any, folder: Path | None) -> Path:
    """Where media files lie: ``folder``, else beside the file of posts, else where the process works."""
    if folder is None and isinstance(posts, str | os.PathLike):
        return Path(posts).absolute().parent
    return (folder or Path()).absolute()
