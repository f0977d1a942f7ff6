"""Bodies of requests as far as they may go: JSON by name, of limited size, sent in limited time, read strictly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import HTTPException
from fastapi.routing import APIRoute

from popcast.core.errors import BadInput, shown
from popcast.serving.http.request_limits import RequestLimits
from popcast.serving.http.strict_json import strict_json

CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)


class LimitedRequest(Request):
    """A request whose body is refused rather than read where it is too large, too slow or no JSON."""

    limits: RequestLimits

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._check_type()
            try:
                async with asyncio.timeout(self.limits.body_seconds):
                    self._body = await self._limited()
            except TimeoutError:
                raise HTTPException(408, f"the body took longer than {self.limits.body_seconds:g} seconds") from None
        return self._body

    async def json(self) -> Any:
        try:
            return strict_json(await self.body())
        except BadInput as error:
            raise HTTPException(400, str(error)) from None

    def _check_type(self) -> None:
        kind = self.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, f"content-type: got {shown(kind)}, expected application/json")
        charset = CHARSET.search(kind)
        if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
            raise HTTPException(415, f"content-type: got {shown(kind)}, expected JSON in UTF-8")
        if (packed := self.headers.get("content-encoding", "identity")).lower() != "identity":
            raise HTTPException(415, f"content-encoding: got {shown(packed)}, expected a body that is not packed")

    async def _limited(self) -> bytes:
        most, parts, size = self.limits.body, [], 0
        said = self.headers.get("content-length", "0")
        if said.isascii() and said.isdigit() and int(said[:20]) > most:
            raise HTTPException(413, f"the body is larger than {most} bytes")
        async for part in self.stream():
            size += len(part)
            if size > most:
                raise HTTPException(413, f"the body is larger than {most} bytes")
            parts.append(part)
        return b"".join(parts)


def limited_route(limits: RequestLimits) -> type[APIRoute]:
    """A class of routes whose requests are :class:`LimitedRequest` of these limits."""

    class Limited(LimitedRequest):
        pass

    Limited.limits = limits

    class LimitedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def handler(request: Request) -> Response:
                return await inner(Limited(request.scope, request.receive))

            return handler

    return LimitedRoute
