"""What a server takes from its clients: sizes, numbers, seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestLimits:
    """Bytes, counts and seconds. Beyond one a request is refused in one line, 4xx, or 503 where the server is busy."""

    body: int = 16_000_000
    body_seconds: float = 30.0
    """From the head of a request to the end of its body."""
    head_seconds: float = 10.0
    """From the first byte of a request, or from connecting, to the end of its head."""
    read_seconds: float = 60.0
    """How long a client may leave an answer unread."""
    drafts: int = 1000
    explained: int = 20
    picture: int = 8_000_000
    """Bytes of one picture; its pixels are limited by what a bundle decodes, ``descriptors.MAX_PIXELS``."""
    per_second: float = 50.0
    """Requests of one client, on average; it may send twice as many at once. 0: no limit."""
    connections: int = 512
    per_client: int = 128
    """Connections of one client."""
    waiting: int = 64
    """Requests that wait for one of the threads."""
    work_seconds: float = 60.0
    """How long a request may wait and be worked at."""
