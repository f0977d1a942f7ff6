"""Names and patterns of files -> what there is to read: files, and the members of zips, by the kind in their names."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from popcast.core.errors import BadInput, bad_input
from popcast.datasets import raw_files

KINDS = ("csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "xlsx")
KNOWN = ", ".join(f".{kind}" for kind in KINDS) + ", each also with .gz or .zip"

BEGINNINGS = {
    b"\x1f\x8b": ".gz", b"PK\x03\x04": ".zip or .xlsx", b"PK\x05\x06": ".zip", b"PAR1": ".parquet",
    b"\x28\xb5\x2f\xfd": None, b"\xfd7zXZ": None, b"BZh": None, b"7z\xbc\xaf\x27\x1c": None, b"Rar!": None,
    b"\xd0\xcf\x11\xe0": None, b"SQLite format 3": None, b"%PDF": None,
}  # fmt: skip
"""How files begin that are no text -> the end of name that is read; None: no such file is read."""

BESIDE = ("__MACOSX", ".")
"""How parts of the names of members begin that a system left in a zip beside the files."""


@dataclass(frozen=True)
class Source:
    """One file, or one member of a zip. ``path`` stands for it in what is said."""

    path: Path
    kind: str
    file: Path
    member: str | None = None

    @property
    def packed(self) -> bool:
        return self.member is not None or self.path.suffix.lower() == ".gz"

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its content, unpacked piece by piece. What cannot be read, and what unpacks to too much, is one line."""
        with raw_files.opened_as_it_is(self.file) as outer, _readable(self.path):
            if self.member is None:
                yield _unzipped(outer, self.path)
            else:
                with zipfile.ZipFile(outer) as archive, _member(archive, self.member, self.path) as inner:
                    yield _unzipped(inner, self.path, bounded=True)

    def content(self) -> BinaryIO:
        """All of it, for kinds whose end is read first."""
        with self.opened() as file:
            return io.BytesIO(file.read())


def find_sources(raw: Path, named: str | list[str]) -> tuple[list[Source], list[str]]:
    """What there is to read below ``raw``, by name, and what was left out. Nothing is read twice.

    named: files, patterns (``posts-*.csv``), or members of a zip (``posts.zip/posts.csv``).
    """
    names = [named] if isinstance(named, str) else list(named)
    if not names:
        raise bad_input("no files named", file=raw)
    found: dict[Path, Source] = {}
    said: list[str] = []
    for name in names:
        for file, member in _matching(raw, name):
            sources, left_out = _in_file(raw, file, member)
            found |= {source.path: source for source in sources}
            said += left_out
    return list(found.values()), list(dict.fromkeys(said))


def _matching(raw: Path, name: str) -> list[tuple[Path, str | None]]:
    """Files that a name or pattern stands for, with the pattern of their members where it goes on into a zip."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name:
        raise bad_input("not a name below the raw folder", file=raw, value=name)
    with raw_files.readable(raw / name):
        if (raw / name).is_dir():
            raise bad_input("a folder", file=raw / name, expected="a file or a pattern, such as folder/*.csv")
        if (raw / name).is_file():
            return [(raw / name, None)]
        for place in range(1, len(parts)):
            outer = raw.joinpath(*parts[:place])
            if outer.suffix.lower() == ".zip" and outer.is_file():
                return [(outer, "/".join(parts[place:]))]
        if not set("*?[") & set(name):
            raise bad_input("missing file", file=raw / name)
        try:
            found = sorted(path for path in raw.glob(name) if path.is_file())
        except ValueError:
            raise bad_input("not a pattern", file=raw, value=name, expected="such as posts-*.csv") from None
    if not found:
        raise bad_input("no file matches", file=raw / name)
    return [(path, None) for path in found]


def kind_of(path: Path | PurePosixPath) -> str | None:
    """Kind by the end of a name, in any case, without .gz and .zip; None if it is none of :data:`KINDS`."""
    suffixes = [suffix.lower().removeprefix(".") for suffix in path.suffixes]
    while suffixes and suffixes[-1] in ("gz", "zip"):
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in KINDS else None


def _in_file(raw: Path, file: Path, member: str | None) -> tuple[list[Source], list[str]]:
    if file.suffix.lower() == ".zip":
        return _members(file, member)
    kind = kind_of(file)
    if kind is None:
        raise bad_input("unknown kind of file", file=file, expected=KNOWN)
    return [Source(file, kind, file)], []


def _members(file: Path, wanted: str | None) -> tuple[list[Source], list[str]]:
    """Members of a zip that are of a known kind, by name. Notes (.txt) beside data are left out, and said so."""
    with raw_files.opened_as_it_is(file) as opened, _readable(file), zipfile.ZipFile(opened) as archive:
        named = [one for one in archive.infolist() if one.filename]
        inside = [one for one in named if not one.is_dir() and not _beside(one.filename)]
    if sum(one.file_size for one in inside) > raw_files.MOST_UNPACKED:
        raise too_large(file)
    for one in inside:
        if PurePosixPath(one.filename).is_absolute() or ".." in PurePosixPath(one.filename).parts:
            raise bad_input("a member outside of the zip", file=file, value=one.filename)
    known = {one.filename: kind for one in inside if (kind := kind_of(PurePosixPath(one.filename)))}
    if wanted is not None:
        known = {name: kind for name, kind in known.items() if name == wanted or fnmatch(name, wanted)}
    elif set(known.values()) != {"txt"}:
        known = {name: kind for name, kind in known.items() if kind != "txt"}
    if not known:
        held = ", ".join(one.filename for one in inside)
        raise bad_input("a zip without such a file" if wanted else "a zip without a file of posts", file=file,
                        value=held or "nothing", expected=wanted or KNOWN)  # fmt: skip
    for one in inside:
        if one.filename in known and one.flag_bits & 1:
            raise bad_input("encrypted", file=file / one.filename, expected="a zip without a password")
    left_out = [one.filename for one in inside if one.filename not in known]
    said = [f"{file.name}: left out: {', '.join(left_out)}"] if left_out and wanted is None else []
    return [Source(file / name, known[name], file, name) for name in sorted(known)], said


def _beside(name: str) -> bool:
    return any(part.startswith(BESIDE) and part not in (".", "..") for part in PurePosixPath(name).parts)


def too_large(path: Path) -> BadInput:
    problem = f"unpacks to more than {raw_files.MOST_UNPACKED >> 20} MB"
    return bad_input(problem, file=path, expected="the unpacked file, or several smaller ones")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """As :func:`raw_files.readable`, for zips too."""
    with raw_files.readable(path):
        try:
            yield
        except (zipfile.BadZipFile, NotImplementedError, struct.error) as error:
            raise bad_input(f"not a readable zip: {error}", file=path) from None


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> BinaryIO:
    try:
        return archive.open(name)
    except (NotImplementedError, RuntimeError, KeyError) as error:
        raise bad_input(f"not a readable zip: {error}", file=path) from None


def _unzipped(file: BinaryIO, path: Path, bounded: bool = False) -> BinaryIO:
    """What a ``.gz`` holds; the file as it is where it was unpacked already and kept its name."""
    if path.suffix.lower() != ".gz":
        return io.BufferedReader(_Bounded(file, path)) if bounded else file
    outer = io.BufferedReader(_Bounded(file, path))
    if not outer.peek(2).startswith(b"\x1f\x8b"):
        return outer
    return io.BufferedReader(_Bounded(gzip.open(outer), path), 1 << 18)


class _Bounded(io.RawIOBase):
    """A file that is refused when more than :data:`raw_files.MOST_UNPACKED` bytes have been read."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path, self.size = file, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        piece = self.file.read(min(len(buffer), 1 << 20))
        self.size += len(piece)
        if self.size > raw_files.MOST_UNPACKED:
            raise too_large(self.path)
        buffer[: len(piece)] = piece
        return len(piece)
