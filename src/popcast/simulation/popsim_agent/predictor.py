"""``popsim_agent``: the prediction agent of PopSim, a language model that is told how a simulated audience reacted.

Sheet popsim.md section 5: the question about a post, followed by the text field and the mean attitude after the
simulation, tuned and read like ``multismpllm`` (``field: none`` is that predictor). The sentences are written from the
block ``mean_field``, never by cutting a text. Where only some training posts were simulated, it is tuned on those
(``field: none`` on the same); what the simulation did not see is asked about without them. The author's
older posts with their scores stand in for the reference's facts about the author, since no prompt names an author
(docs/decisions/009).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from popcast.fewshot import multismpllm
from popcast.models.contract.predictors import require_blocks
from popcast.simulation.popsim_agent.told_facts import ANALYST, told_facts


class Params(multismpllm.Params):
    """Those of ``multismpllm``, and what of the field is told."""

    field: Literal["both", "text", "numeric", "none"] = Field(
        "both", description="text: the words of the field; numeric: the mean attitude with two decimals"
    )
    prompt: Literal["short", "full"] = Field(
        "short",
        description="full: also profile, date and hour, media type, tags and place of the post, as the reference; "
        "it wants prompts.max_tokens of about 1000 and a model with that much context",
    )


class Predictor(multismpllm.Predictor):
    """A tuned language model that reads the end state of a simulation."""

    Params = Params
    blocks = ("mean_field",)

    def __init__(self, params: Params, seed: int) -> None:
        if params.prompt == "full" and params.prompts.instruction is None:
            prompts = params.prompts.model_copy(update={"instruction": ANALYST})
            params = params.model_copy(update={"prompts": prompts})
        super().__init__(params, seed)

    def notes(self, posts: pl.DataFrame, features: pl.DataFrame) -> list[tuple[str, ...]]:
        """One sentence per part of the field, none for a post that was not simulated; before it, in the full prompt,
        what is known of the post.

        features: ``mean_field.text`` (string) and ``mean_field.attitude`` (0 to 10). Raises BadInput without them.
        """
        require_blocks(features, self.blocks, "popsim_agent")
        told = told_facts(posts) if self.params.prompt == "full" else [()] * posts.height
        shown = features.select("mean_field.text", "mean_field.attitude").iter_rows()
        return [facts + self._sentences(*field) for facts, field in zip(told, shown, strict=True)]

    def _chosen(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        require_blocks(features, self.blocks, "popsim_agent")
        simulated = np.flatnonzero(features["mean_field.attitude"].is_not_null().to_numpy())
        if not len(simulated):
            return super()._chosen(posts, features)
        return simulated[super()._chosen(posts[simulated], features[simulated])]

    def _sentences(self, text: str | None, attitude: float | None) -> tuple[str, ...]:
        shown = self.params.field
        told = []
        if text is not None and shown in ("both", "text"):
            told.append(f"a simulated audience: {text}")
        if attitude is not None and shown in ("both", "numeric"):
            told.append(f"its mean attitude from 0 to 10: {attitude:.2f}")
        return tuple(told)
