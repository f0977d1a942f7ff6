"""What every predictor has that is the mean of networks, one per seed: how it is made, asked, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl

from popcast.models.contract.predictor_files import read_predictor, write_predictor
from popcast.models.nets.networks import NetworkParams, Networks

if TYPE_CHECKING:
    import torch


class NetworkPredictor:
    """The mean of ``networks``. A subclass has ``Params``, ``name``, ``fit``, ``predict_seeds`` and the three below.

    ``network()`` makes a fresh module, once the predictor has learned what its size depends on. ``learned()`` is what
    ``predictor.json`` keeps besides params and seed, and ``restore`` puts it back, before the networks are loaded.
    """

    Params: ClassVar[type[NetworkParams]]
    name: ClassVar[str]
    blocks: ClassVar[tuple[str, ...]] = ()
    scratch: Path | None = None

    def __init__(self, params: NetworkParams, seed: int) -> None:
        self.params, self.seed = params, seed
        self.networks = Networks(params, seed, self.name)

    def network(self) -> torch.nn.Module:
        raise NotImplementedError

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """Popularity float64 [n, seeds] by every single network."""
        raise NotImplementedError

    def learned(self) -> dict[str, Any]:
        raise NotImplementedError

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        """folder: of the saved predictor; content: of its ``predictor.json``."""
        raise NotImplementedError

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.predict_seeds(posts, features).mean(axis=1)

    def importances(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path) -> None:
        """``predictor.json`` and the files of the networks."""
        self.networks.save(folder)
        write_predictor(folder, self, **self.learned())

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.restore(folder, content)
        predictor.networks.load(folder, predictor.network)
        return predictor
