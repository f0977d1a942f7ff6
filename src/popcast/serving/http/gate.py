"""What every request passes before the app sees it: host, rate, token; and the headers that every answer bears.

Host: on loopback only names of this machine, or a page elsewhere whose name leads to 127.0.0.1 could read what is
served (DNS rebinding). Other origins get no CORS header, so browsers show them nothing. HEAD is answered as GET is; the
server leaves the body out.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from fastapi.datastructures import Headers

from popcast.serving.http.error_lines import error_answer
from popcast.serving.http.request_limits import RequestLimits
from popcast.serving.http.request_metrics import RequestMetrics

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
OPEN = {"/", "/health", "/docs", "/openapi.json", "/favicon.ico"}
"""What needs no token, besides /static/: nothing in it is of the bundle."""
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
REMEMBERED = 10_000
"""Clients whose rate is counted, those seen last."""


class Gate:
    """ASGI middleware. token: None where none is needed. hosts: names it may be called by, None for any."""

    def __init__(
        self, app: Any, limits: RequestLimits, metrics: RequestMetrics, token: str | None = None,
        hosts: set[str] | None = None, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.app, self.metrics, self.token, self.hosts, self.clock = app, metrics, token, hosts, clock
        self.rates = Rates(limits.per_second, clock)

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status, started = self.clock(), 500, False

        async def answer(message: dict) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = with_headers(message["headers"], status)
            await send(message)

        self.metrics.running.inc()
        try:
            app = self._refused(scope) or self.app
            await app({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, receive, answer)
        except Exception:  # starlette raises what was answered and logged once more
            if not started:
                raise
        finally:
            self.metrics.running.dec()
            self.metrics.answered(scope["path"], status, self.clock() - start)

    def _refused(self, scope: dict) -> Any:
        """The answer to a request that goes no further, None for one that does."""
        headers = Headers(scope=scope)
        if self.hosts is not None and not self._called_rightly(headers):
            return error_answer(421, "this server answers to localhost only")
        if not self.rates.allow(client_of(scope)):
            return error_answer(429, "too many requests: send fewer per second", {"retry-after": "1"})
        if self.token is not None and not self._may(scope["path"], headers):
            line = "a token is needed: Authorization: Bearer TOKEN"
            return error_answer(401, line, {"www-authenticate": "Bearer"})
        sends = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if sends and scope["method"] != "POST":
            return error_answer(400, f"a body with {scope['method'][:20]}: expected one with POST only")
        return None

    def _called_rightly(self, headers: Headers) -> bool:
        called = headers.getlist("host")
        return len(called) == 1 and host_name(called[0]) in self.hosts

    def _may(self, path: str, headers: Headers) -> bool:
        if path in OPEN or path.startswith("/static/"):
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = secrets.compare_digest(given.strip().encode(), self.token.encode())
        return kind.lower() == "bearer" and same


def with_headers(headers: Iterable[tuple[bytes, bytes]], status: int) -> list[tuple[bytes, bytes]]:
    """``headers`` with those of ours that are not set yet. After an error what is left of the body is not read."""
    given = list(headers)
    there = {name.lower() for name, _ in given}
    added = HEADERS if status < 400 else {**HEADERS, "connection": "close"}
    return given + [(name.encode(), value.encode()) for name, value in added.items() if name.encode() not in there]


class Rates:
    """A bucket of twice ``per_second`` requests for each client, filled at that rate. 0: no limit."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self.per_second, self.clock = per_second, clock
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, client: str) -> bool:
        if not self.per_second:
            return True
        now, most = self.clock(), max(1.0, 2 * self.per_second)
        left, last = self.buckets.pop(client, (most, now))
        left = min(most, left + (now - last) * self.per_second)
        self.buckets[client] = (left - 1 if left >= 1 else left, now)
        while len(self.buckets) > REMEMBERED:
            self.buckets.popitem(last=False)
        return left >= 1


def client_of(scope: dict) -> str:
    """The client's address; of IPv6 the network, for one machine has as many addresses as it likes."""
    return network_of((scope.get("client") or ("",))[0])


def network_of(address: str) -> str:
    """
    >>> network_of("10.0.0.7"), network_of("2001:db8::7")
    ('10.0.0.7', '2001:db8::/64')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False)) if found.version == 6 else address


def host_name(value: str) -> str:
    """The name in a Host header, without its port.

    >>> host_name("localhost:8000"), host_name("[::1]:8000")
    ('localhost', '[::1]')
    """
    if value.startswith("["):
        return value[: value.find("]") + 1]
    return value.partition(":")[0].lower()
