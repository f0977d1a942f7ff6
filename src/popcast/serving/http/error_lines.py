"""Whatever goes wrong becomes ``{"error": "one line"}``: no traceback, and no path of the server's disk."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, StarletteHTTPException
from fastapi.responses import JSONResponse

from popcast.core.errors import BadInput, cut, one_line, shown
from popcast.core.libraries.extras import line_of_missing
from popcast.core.safety.disk_faults import line_of
from popcast.serving.http.request_bodies import SentPost

LOG = logging.getLogger("popcast.serve")
PLACE = re.compile(r"\b(?:drafts|draft|posts)(?:\[\d+\])?\.(\w+)")
COLUMN = re.compile(r"field '([^']+)'")
FURTHER = 200
"""Characters of a value's description."""


def error_answer(
    status: int, line: str, headers: Mapping[str, str] | None = None, field: str | None = None
) -> JSONResponse:
    """The answer to a request that was refused. field: what of a draft the line is about, where it is about one."""
    content = {"error": one_line(line)} | ({} if field is None else {"field": field})
    return JSONResponse(content, status, headers=dict(headers or {}))


def handle_errors(app: FastAPI, folder: Path, columns: Mapping[str, str]) -> None:
    """Let ``app`` answer errors in one line.

    folder: of the bundle, whose place is nobody's business. columns: of its posts -> what drafts call them.
    """

    def without_places(line: str) -> str:
        for place in {str(folder), str(folder.absolute()), str(folder.resolve())}:
            line = line.replace(place, folder.resolve().name)
        return line

    async def refused(request: Request, error: BadInput) -> JSONResponse:
        line = without_places(str(error))
        return error_answer(422, line, field=field_of(line, columns))

    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        line = line_of_faults(error.errors())
        return error_answer(422, line, field=field_of(line, columns))

    async def failed(request: Request, error: StarletteHTTPException) -> JSONResponse:
        return error_answer(error.status_code, str(error.detail), error.headers)

    async def broken(request: Request, error: Exception) -> JSONResponse:
        if line := line_of(error):
            return error_answer(507, without_places(line))
        if line := line_of_missing(error):
            return error_answer(501, line)
        LOG.error("%s %s failed", request.method, shown(request.url.path), exc_info=error)
        return error_answer(500, f"popcast failed at this request ({type(error).__name__}); its log says more")

    app.add_exception_handler(BadInput, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(StarletteHTTPException, failed)
    app.add_exception_handler(Exception, broken)


def field_of(line: str, columns: Mapping[str, str]) -> str | None:
    """What of a draft a line is about: text, author, time, ...; None where it says nothing of one.

    >>> field_of("field 'drafts[0].time': not a time", {}), field_of("row 1: field 'page': long", {"page": "author"})
    ('time', 'author')
    """
    match = PLACE.search(line) or COLUMN.search(line)
    if match is None:
        return None
    return columns.get(match[1], match[1] if match[1] in SentPost.model_fields else None)


def line_of_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """The first of pydantic's faults as one line, and how many others there are.

    >>> line_of_faults([{"loc": ("body", "drafts", 0, "txet"), "msg": "Extra inputs are not permitted", "input": 1}])
    'drafts[0].txet: Extra inputs are not permitted: got 1'
    """
    first = faults[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{cut(part, 80)}" for part in first["loc"][1:])
    line = f"{place.removeprefix('.') or first['loc'][0]}: {cut(first['msg'], FURTHER)}"
    if first.get("type") != "missing":
        line += f": got {shown(first.get('input'))}"
    return line if len(faults) == 1 else f"{line} (and {len(faults) - 1} more)"
