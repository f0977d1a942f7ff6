"""Section of params.yaml that says how responses are judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.core.section import Name, Place, Section


class Judging(Section):
    """Micro and macro metrics, their intervals and the reference rows."""

    least_cases: int = Field(20, ge=2, description="labelled real responses that a topic needs for its shares")
    resamples: int = Field(
        1000, ge=0, description="of topics, then cases within them; 0: none. The stage takes evaluation.bootstrap"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="the stage takes evaluation.confidence")
    halves: int = Field(200, ge=1, description="random halves of the real responses, for the noise floor")
    bucket: Literal["1h", "1d"] | None = Field("1d", description="time bucket of the trend; null: no trend")
    bucket_cases: int = Field(5, ge=2, description="labelled real responses that a bucket needs")
    encoder: Place | None = Field(None, description="folder of a text encoder for BERTScore and cosine; null: neither")
    against: list[Name] | None = Field(
        None, description="systems that every generated one is compared with; null: the other generated ones and prior"
    )
    shown: int = Field(20, ge=0, description="sample cases in the tables")
