"""Section of params.yaml that says who labels the sentiment of responses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from popcast.core.section import Line, Place, Section


class Labelling(Section):
    """The one labeller of real and generated texts."""

    backend: Literal["emoticon_then_lexicon", "emoticon", "lexicon", "hf", "given"] = "emoticon_then_lexicon"
    model: Place | None = Field(None, description="hf: folder of a sequence classifier")
    classes: dict[Line, Literal["negative", "neutral", "positive"]] | None = Field(
        None, description="hf: the model's name of each class -> ours"
    )
    tokens: int = Field(128, ge=8, description="hf: a text is cut there")
    batch: int = Field(32, ge=1, description="hf: texts at a time")
    table: Place | None = Field(None, description="given: CSV with columns response_id and sentiment")
    others: Literal["emoticon_then_lexicon", "emoticon", "lexicon"] = Field(
        "emoticon_then_lexicon", description="given: who labels texts that nobody labelled, generated ones among them"
    )

    @model_validator(mode="after")
    def complete(self) -> Labelling:
        if self.backend == "hf" and (self.model is None or not self.classes):
            raise ValueError("backend hf: needs model and classes")
        if self.backend == "given" and self.table is None:
            raise ValueError("backend given: needs table")
        return self
