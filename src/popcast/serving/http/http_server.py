"""The server: uvicorn, with a watch over slow clients, and an end on SIGTERM that lets requests finish."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, h11

from popcast.core.errors import bad_input
from popcast.serving.http.gate import HEADERS, network_of
from popcast.serving.http.request_limits import RequestLimits

GRACE = 20
"""Seconds that requests have to finish when the server ends."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at the address, which is ours from now on. BadInput, one line: it cannot be had."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, proto)
    except (OSError, UnicodeError) as error:
        raise bad_input(f"no such address ({error})", field="--host", value=host) from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        expected = "a free port of this machine, or --port 0 for any"
        raise bad_input(
            f"cannot listen at {host}: {error.strerror}", field="--port", value=port, expected=expected
        ) from None
    return made


def address_of(made: socket.socket, host: str) -> str:
    """The address for a browser. host: as it was named."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{made.getsockname()[1]}"


def is_loopback(made: socket.socket) -> bool:
    """Whether only this machine reaches the socket."""
    return ipaddress.ip_address(made.getsockname()[0]).is_loopback


def serve_app(app: Any, made: socket.socket, limits: RequestLimits, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called once when requests are answered."""
    config = uvicorn.Config(
        app, http=watched_protocol(limits), ws="none", loop="asyncio", lifespan="on", access_log=False,
        log_level="error", server_header=False, proxy_headers=False, timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE,
    )  # fmt: skip
    with closing(made):
        ReadyServer(config, ready).run(sockets=[made])


class ReadyServer(uvicorn.Server):
    """Says when it is ready, and ends with exit code 0 when it was asked to end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # uvicorn would raise it once more at the end, and die of it


def watched_protocol(limits: RequestLimits) -> type[H11Protocol]:
    """uvicorn's protocol with what it has no setting for: a time for the head of a request, a time for reading an
    answer, and a number of connections, of all clients and of one."""
    counts: Counter[str] = Counter()

    class WatchedProtocol(H11Protocol):
        watch: asyncio.TimerHandle | None = None
        unread: asyncio.TimerHandle | None = None
        of: str | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.of = network_of((self.client or ("",))[0])
            counts[self.of] += 1
            if len(self.connections) > limits.connections or counts[self.of] > limits.per_client:
                transport.write(plain_answer("503 Service Unavailable", "too many connections"))
                transport.close()
            else:
                self.watch = self.loop.call_later(limits.head_seconds, self._too_slow)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop()
            self._read_on()
            if self.of is not None:
                counts[self.of] -= 1
                counts.pop(self.of, None) if counts[self.of] <= 0 else None
                self.of = None

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop()
            elif self.watch is None and self.timeout_keep_alive_task is None:
                self.watch = self.loop.call_later(limits.head_seconds, self._too_slow)

        def pause_writing(self) -> None:
            super().pause_writing()
            self.unread = self.loop.call_later(limits.read_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._read_on()

        def send_400_response(self, msg: str) -> None:
            self.transport.write(plain_answer("400 Bad Request", "not an HTTP request that can be read"))
            self.transport.close()

        def _too_slow(self) -> None:
            self.watch = None
            if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
                line = f"the head of the request took longer than {limits.head_seconds:g} seconds"
                self.transport.write(plain_answer("408 Request Timeout", line))
                self.transport.close()

        def _stop(self) -> None:
            if self.watch is not None:
                self.watch.cancel()
                self.watch = None

        def _read_on(self) -> None:
            if self.unread is not None:
                self.unread.cancel()
                self.unread = None

    return WatchedProtocol


def plain_answer(status: str, line: str) -> bytes:
    """An answer to what never became a request."""
    body = orjson.dumps({"error": line})
    headers = {**HEADERS, "content-type": "application/json", "content-length": len(body), "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body
