"""Faults of the disk as one line, whoever meets them: full, over quota, read-only, not allowed, broken.

Python gives them as OSError with a number. Libraries that write files themselves (polars, safetensors, CatBoost,
LightGBM, torch, tokenizers) raise errors of their own kinds, with the number in the text or none at all.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from popcast.core.errors import BadInput, bad_input

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No room: the disk is full, a quota is used up, or a file would be larger than it may be."""

FAULTS = (*FULL, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)

_NUMBER = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]|\(Error (\d+): ")
"""Rust, Python, CatBoost."""

_CUT_SHORT = re.compile(
    r"\d+ requested and \d+ written|inline_container\.cc.*unexpected pos|PytorchStreamWriter failed writing"
    r"|iostream error|Cannot write binary data to"
)
"""numpy, torch (three), LightGBM: fewer bytes were written than there are, and nothing says why."""

_FOOTER = "Invalid thrift: transport error"
"""polars, where the end of a parquet file finds no room; while reading it means a spoiled file."""

AGAIN = "make room and start again, what is done stays done"


def reason(error: BaseException, while_writing: bool = False) -> str | None:
    """What the disk said, as text; None where ``error`` and what it came from are no fault of the disk."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if (number := _number(error)) in FAULTS:
            return os.strerror(number)
        said = "" if isinstance(error, BadInput) else str(error)
        if _CUT_SHORT.search(said) or (while_writing and _FOOTER in said):
            return "it was cut short: the disk is full, or a limit on the size of files was reached"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def _number(error: BaseException) -> int | None:
    if isinstance(error, BadInput):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    return int(next(filter(None, found.groups()))) if found else None


def line_of(error: BaseException) -> str | None:
    """The one line for a fault of the disk that nobody has named yet; None for any other error."""
    said = reason(error)
    if said is None:
        return None
    file = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return str(_problem(said, "cannot be read or written", "a file" if file is None else os.fsdecode(file)))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a fault of the disk inside the block into a :class:`BadInput` naming ``path``."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        said = reason(error, while_writing=True)
        if said is None:
            raise
        raise _problem(said, "cannot be written", path) from None


def _problem(said: str, what: str, path: Path | str) -> BadInput:
    path = Path(*(part.removesuffix(".part") for part in Path(path).parts))  # what it was going to be
    roomless = said in {os.strerror(number) for number in FULL} or said.startswith("it was cut short")
    return bad_input(f"{what}: {said}" + (f": {AGAIN}" if roomless else ""), file=path)
