"""The connection of the chat client: what a server sends is read up to a limit, and unpacked up to the same limit.

A chat answer is some kilobytes. A server that sends more than :data:`MOST`, packed or not, is no chat server: reading
stops there. Packing is not asked for; gzip and deflate are unpacked all the same, bounded, any other is refused. Of a
refusal (a status other than 2xx) only the beginning is read, for its words alone are wanted.
"""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx2

MOST = 4_000_000
"""Bytes of one answer, packed and unpacked."""
MOST_REFUSED = 100_000
"""Bytes of a refusal; what follows is left unread."""
SMALL = 65_536
"""Bytes from which on a body is unpacked and read in a thread, so that other answers go on meanwhile."""
WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""zlib's wbits by encoding; servers send deflate with and without zlib's header."""
DROPPED = (b"content-encoding", b"content-length", b"transfer-encoding")
"""Headers that no longer hold once a body has been read and unpacked."""


class Unreadable(httpx2.TransportError):
    """An answer that is not read to its end; its words say why."""


class BoundedClient(httpx2.AsyncClient):
    """As httpx2's client, but every body is bounded, and read and unpacked when ``send`` returns.

    aside: one thread for what would hold up the loop.
    """

    def __init__(self, aside: ThreadPoolExecutor, **options) -> None:
        super().__init__(**options)
        self._aside = aside

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options) -> httpx2.Response:
        """Send a request. Raises :class:`Unreadable` for an answer that is too large or oddly packed."""
        request.headers["Accept-Encoding"] = "identity"
        response = await super().send(request, stream=True, **options)
        try:
            body = await self._body(response)
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in DROPPED]
        return httpx2.Response(response.status_code, headers=headers, content=body, request=request)

    async def _body(self, response: httpx2.Response) -> bytes:
        good = response.is_success
        limit = MOST if good else MOST_REFUSED
        pieces, size = [], 0
        async for piece in response.aiter_raw():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                if good:
                    raise Unreadable(f"an answer of more than {MOST} bytes")
                break
        body = b"".join(pieces)[:limit]
        packing = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
        packing = [name for name in packing if name not in ("", "identity")]
        if not packing:
            return body
        if not good:
            return b""
        if len(packing) > 1 or packing[0] not in WINDOWS:
            raise Unreadable(f"an answer packed as {', '.join(packing)[:60]!r}, which nobody asked for")
        return await asyncio.get_running_loop().run_in_executor(self._aside, unpacked, body, packing[0])


def unpacked(body: bytes, packing: str) -> bytes:
    """``body`` without gzip or deflate. Raises :class:`Unreadable`: broken, or larger than :data:`MOST`."""
    for window in WINDOWS[packing]:
        try:
            return _unpacked(body, packing, window)
        except zlib.error:
            continue
    raise Unreadable(f"an answer that is not packed as {packing}, though it says so")


def _unpacked(body: bytes, packing: str, window: int) -> bytes:
    """All members of a packed body, one after the other. Raises zlib.error: not packed so."""
    pieces, size = [], 0
    while body:
        stream = zlib.decompressobj(wbits=window)
        piece = stream.decompress(body, MOST + 1 - size)
        size += len(piece)
        if size > MOST:
            raise Unreadable(f"an answer of more than {MOST} bytes once unpacked")
        if not stream.eof:
            raise Unreadable(f"an answer packed as {packing} that is cut off")
        pieces.append(piece)
        body = stream.unused_data
    return b"".join(pieces)
