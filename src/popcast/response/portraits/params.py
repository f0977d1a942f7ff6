"""Section of params.yaml that says who draws portraits of users."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from popcast.chat.params import ChatSettings
from popcast.core.section import Section


class Portraying(Section):
    """heuristic: from counts, offline; server: by a chat model; none: without portraits."""

    provider: Literal["heuristic", "server", "none"] = "heuristic"
    server: ChatSettings | None = Field(None, description="provider server: who is asked; temperature 0 is usual")
    tokens: int = Field(400, ge=50, description="of an answer")
    retries: int = Field(2, ge=0, le=2, description="of an answer that is no portrait; then the error is recorded")
    post_characters: int = Field(300, ge=20, description="of each history post in the prompt")

    @model_validator(mode="after")
    def reachable(self) -> Portraying:
        if self.provider == "server" and self.server is None:
            raise ValueError("provider server: needs server")
        return self
