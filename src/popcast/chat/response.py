"""One raw answer of whoever answers: a server, a local model, or rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    """Raw answer to one request. Token counts are None where nobody counts."""

    text: str
    prompt_tokens: int | None = None
    output_tokens: int | None = None
