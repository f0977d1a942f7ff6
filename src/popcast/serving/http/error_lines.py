"""Whatever goes wrong becomes ``{"error": "one line"}``: no traceback, and no path of the server's disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, StarletteHTTPException
from fastapi.responses import JSONResponse

from popcast.core.errors import BadInput, cut, one_line, shown
from popcast.core.libraries.extras import line_of_missing
from popcast.core.safety.disk_faults import line_of

LOG = logging.getLogger("popcast.serve")
FURTHER = 200
"""Characters of a value's description."""


def error_answer(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": one_line(line)}, status, headers=dict(headers or {}))


def handle_errors(app: FastAPI, folder: Path) -> None:
    """Let ``app`` answer errors in one line. folder: of the bundle, whose place is nobody's business."""

    def without_places(line: str) -> str:
        for place in {str(folder), str(folder.absolute()), str(folder.resolve())}:
            line = line.replace(place, folder.resolve().name)
        return line

    async def refused(request: Request, error: BadInput) -> JSONResponse:
        return error_answer(422, without_places(str(error)))

    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_answer(422, line_of_faults(error.errors()))

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
