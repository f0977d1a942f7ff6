"""Answers of model servers that were paid for once: a table in one SQLite file, by hash of all that shapes an answer.

Every answer is its own transaction, so a kill at any moment loses none that was put in; several processes may read and
write at a time (write-ahead log: the folder must lie on a local disk). The first answer to a question stands.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from popcast.chat.response import Response
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input

FILE = "answers.sqlite"
_PATIENCE = 60.0
"""Seconds to wait for another process that writes."""

_TABLE = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, text TEXT NOT NULL, prompt_tokens INTEGER, output_tokens INTEGER, checksum INTEGER NOT NULL
) WITHOUT ROWID"""
_GET = "SELECT text, prompt_tokens, output_tokens, checksum FROM answers WHERE key = ?"
_PUT = "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


def answer_key(model: str, settings: Mapping[str, object], prompt: str, seed: int) -> str:
    """Hex SHA-256 of what an answer depends on. The server's address is not part of it, nor is its key."""
    told = json.dumps([model, dict(settings), prompt, seed], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


class AnswerCache:
    """Kept answers below ``folder``. All methods raise BadInput, one line, where the file cannot be used."""

    def __init__(self, folder: Path = paths.ANSWER_CACHE) -> None:
        self.file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise bad_input(f"no folder for answers can be made: {error.strerror}", file=folder) from None
        try:
            with self._plainly():
                self._connection = sqlite3.connect(
                    self.file, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
                self._prepare(self._connection)
        except BadInput:
            self.close()
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for patience in (0.05, 0.2, 1.0, 5.0, None):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(_TABLE)
                connection.execute(_GET, ("",))
                return
            except sqlite3.OperationalError as error:
                # two processes that make the file at once: SQLite does not wait for the change of the journal's mode
                if patience is None or _code(error) != sqlite3.SQLITE_BUSY:
                    raise
                time.sleep(patience)

    def get(self, key: str) -> Response | None:
        """The answer kept for ``key``, or None."""
        with self._plainly():
            row = self._connection.execute(_GET, (key,)).fetchone()
        if row is None:
            return None
        text, prompt_tokens, output_tokens, checksum = row
        if not isinstance(text, str) or checksum != _checksum(key, text):
            raise self._spoiled("an answer is not the one that was put in")
        return Response(text, prompt_tokens, output_tokens)

    def put(self, key: str, answer: Response) -> Response:
        """Keep ``answer``. Returns the one that stands: another process may have been first."""
        row = (key, answer.text, answer.prompt_tokens, answer.output_tokens, _checksum(key, answer.text))
        with self._plainly():
            new = self._connection.execute(_PUT, row).rowcount
        return answer if new else self.get(key) or answer

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """What SQLite complains about, in one line that says what to do."""
        try:
            yield
        except UnicodeDecodeError:
            problem = self._spoiled("a text in it is no text")
        except sqlite3.Error as error:
            code = _code(error)
            if code == sqlite3.SQLITE_BUSY:
                problem = bad_input(f"another process has been writing for {_PATIENCE:g} s", file=self.file)
            elif code == sqlite3.SQLITE_FULL:
                problem = bad_input("disk full: kept answers stay, run again to go on", file=self.file)
            elif code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
                problem = bad_input(f"the cache of answers cannot be used: {error}", file=self.file)
            else:
                problem = self._spoiled(str(error))
        else:
            return
        raise problem

    def _spoiled(self, how: str) -> BadInput:
        advice = f"delete the folder {self.file.parent}, and all is asked again"
        return bad_input(f"the cache of answers is spoiled ({how}): {advice}", file=self.file)


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None where the error is Python's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _checksum(key: str, text: str) -> int:
    return zlib.crc32(f"{key}\x1f{text}".encode())
