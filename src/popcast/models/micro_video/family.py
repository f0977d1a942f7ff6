"""What the micro-video predictors (``mmra`` and its baselines) share: their inputs, frames and a title per post.

``visual`` is a column of frame vectors, one after the other (``Array(Float32, frames * width)``, for instance
``video.frame_embedding``), or with ``frames: 1`` a cover or an official array; ``text`` is a column of one vector per
post. Either may be null: the model then goes without that modality. A post without a vector has zeros there (sheet
mmra.md section 2: models for titles only and for covers only must work).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.errors import BadInput, bad_input
from popcast.features.common.embeddings import embedding
from popcast.models.inputs.matrix import in_time_order
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.networks import NetworkParams
from popcast.models.nets.training import Arrays

REFERENCE = {"standardise": False, "bounded": False, "training": {"shuffle": False}}
"""How the published code trains every one of these models: labels as they are, no shuffling."""


class MicroVideoParams(NetworkParams):
    """Which columns a micro-video predictor sees.

    ``published``: variant -> settings of that variant where they differ from the defaults. What params.yaml gives is
    laid over them, and over the model's own ``training`` key by key, so that ``variant: ref`` alone is the reference.
    """

    published: ClassVar = {}

    visual: str | None = Field("video.frame_embedding", description="column of frame vectors; null: titles only")
    text: str | None = Field("text.embedding", description="column of title vectors; null: frames only")
    frames: int = Field(10, ge=1, description="vectors in one entry of the visual column")

    @model_validator(mode="before")
    @classmethod
    def of_the_variant(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("training", {}), dict):
            return values
        own = cls.published.get(str(values.get("variant")), {})
        training = cls.model_fields["training"].default.model_dump() | own.get("training", {})
        return own | values | {"training": training | values.get("training", {})}

    @model_validator(mode="after")
    def some_input(self) -> Self:
        if self.visual is None and self.text is None:
            raise ValueError("visual and text are both null: expected at least one column")
        return self


class MicroVideoInputs:
    """Arrays of both modalities. ``shapes``: name -> shape of one post, ``visual`` (frames, width), ``text`` (width,).

    Visual comes first, whatever the order of JSON keys. A modality whose column is None is left out of ``shapes`` and
    of every result.
    """

    def __init__(self, visual: str | None, text: str | None, frames: int) -> None:
        self.columns = {name: column for name, column in (("visual", visual), ("text", text)) if column is not None}
        self.frames = frames
        self.shapes: dict[str, tuple[int, ...]] = {}

    def fit(self, features: pl.DataFrame, model: str) -> Self:
        """Learn the widths. Raises BadInput: column missing, no embedding, not ``frames`` vectors, all null."""
        self.model = model
        for name, column in self.columns.items():
            size = self._size(features, column)
            if features[column].null_count() == features.height:
                raise BadInput(f"{model}: {name} column {column!r} is null in all {features.height} rows to learn from")
            if name == "text":
                self.shapes[name] = (size,)
                continue
            if size % self.frames:
                raise bad_input(
                    f"{model}: width is not a multiple of frames: see models.{model}.frames",
                    field=column, value=size, expected=f"{self.frames} vectors of one width",
                )  # fmt: skip
            self.shapes[name] = (self.frames, size // self.frames)
        return self

    def transform(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """``visual`` float32 [n, frames, width] and ``text`` float32 [n, width]; zeros where a post has no vector.

        Raises BadInput for a column that is missing, of another width than in ``fit``, or not finite somewhere.
        """
        found = {}
        for name, column in self.columns.items():
            size, wanted = self._size(features, column), int(np.prod(self.shapes[name]))
            if size != wanted:
                raise bad_input(f"{self.model}: wrong width", field=column, value=size, expected=f"{wanted} as in fit")
            values = embedding(features[column])
            missing = features[column].is_null().to_numpy()
            values[missing] = 0.0
            odd = ~np.isfinite(values).all(axis=1)
            if odd.any():
                raise bad_input(
                    f"{self.model}: a vector with an entry that is null, NaN or infinite",
                    row=int(odd.argmax()) + 1, field=column, expected="finite numbers, or null for the whole vector",
                )  # fmt: skip
            found[name] = values.reshape(len(values), *self.shapes[name])
        return found

    def _size(self, features: pl.DataFrame, column: str) -> int:
        if column not in features.columns:
            raise BadInput(
                f"{self.model}: embedding column {column!r} is missing: declare its block for this dataset, "
                "or choose another column or null, in params.yaml"
            )
        dtype = features.schema[column]
        if not isinstance(dtype, pl.Array) or not dtype.inner.is_float():
            raise bad_input(
                f"{self.model}: not an embedding", field=column, value=str(dtype), expected="Array of float"
            )
        return dtype.size

    def to_json(self) -> dict[str, Any]:
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        return {"columns": self.columns, "frames": self.frames, "shapes": shapes, "model": self.model}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        inputs = cls(content["columns"].get("visual"), content["columns"].get("text"), content["frames"])
        inputs.model = content["model"]
        inputs.shapes = {name: tuple(content["shapes"][name]) for name in inputs.columns}
        return inputs


class MicroVideoPredictor(NetworkPredictor):
    """Fit, prediction and files of a predictor that is one network per seed on both modalities.

    A subclass has ``name``, ``Params`` and ``network()``, which makes a fresh module for ``self.params`` and
    ``self.inputs.shapes``. Posts are predicted in the order of their ids: it matters
    only to variants that let a prediction depend on the posts beside it (see
    ``popcast.models.micro_video.variational_layers``).
    """

    Params: ClassVar[type[MicroVideoParams]]

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.inputs = MicroVideoInputs(p.visual, p.text, p.frames).fit(features, self.name)
        examples = Arrays(**self.inputs.transform(features))
        self.networks.fit(self.network, examples, target, folds, scratch=self.scratch)
        return self

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        order = np.argsort(posts["post_id"].to_numpy(), kind="stable")
        found = np.empty((len(order), self.params.seeds))
        found[order] = self.networks.predict(Arrays(**self.inputs.transform(features[order])))
        return found

    def learned(self) -> dict[str, Any]:
        return {"inputs": self.inputs.to_json()}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        self.inputs = MicroVideoInputs.from_json(content["inputs"])
