"""``tmall``: transductive multi-modal learning, as meant (``fixed``) and as MMRA's baseline computes it (``ref``).

Sheet mmra.md section 7. ``fixed`` (Chen et al., "Micro Tells Macro", ACM MM 2016) finds popularity that is smooth on a
learned mixture of a graph of frames and a graph of titles, see ``tmall_graphs.py``. The original has the posts to
predict in its graphs. Here the graphs hold the posts of the fit, and a later post gets the value that is smoothest
given its nearest ones: that does not depend on which other posts are asked for. ``transductive: true`` is the original
protocol: the posts of one ``predict`` call enter the graphs (their features, never labels), so their predictions depend
on one another. ``mu`` and ``lam`` are those of the lists that do best on the stopping window, whose posts are in the
graphs without their labels.

``ref`` is a linear map in two factors. Its penalty |v'v - t't| depends on inputs alone and has no gradient: it stands
in the loss of every epoch and changes nothing (it is left out where frames and titles have different widths, and the
test rows that the reference appends are not in it). The last epoch counts, no post decides when to stop.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.stopping import Window, stopping_window
from popcast.models.inputs.matrix import in_time_order
from popcast.models.micro_video.family import REFERENCE, MicroVideoInputs, MicroVideoParams
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.training import Arrays, Training


class Params(MicroVideoParams):
    """Settings of both variants. 393,473 parameters as ``ref`` with vectors of 768."""

    published: ClassVar = {"ref": REFERENCE}

    variant: Literal["ref", "fixed"] = "fixed"
    factors: int = Field(256, ge=1, description="ref: width between the two factors")
    k: int = Field(10, ge=1, description="neighbours in a graph")
    mu: list[float] = Field([0.01, 1.0], min_length=1, description="closeness of the mixture to each graph; tried")
    lam: list[float] = Field(
        [0.03, 0.1, 0.3, 1.0, 3.0], min_length=1, description="smoothness; tried, the window decides"
    )
    theta: float = Field(0.1, gt=0, description="evenness of the mixture")
    negative: bool = Field(False, description="the mixture may have negative parts, as in the original")
    transductive: bool = Field(False, description="posts of one predict call enter the graphs together")
    refit: bool = Field(True, description="fixed: labels of the stopping window count once mu and lam are chosen")
    training: Training = Training(learning_rate=1e-3, batch_size=64, max_epochs=100)


class Predictor(NetworkPredictor):
    """The linear map of ``ref`` or the graphs of ``fixed``, on frame means and title vectors."""

    Params = Params
    name = "tmall"

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.inputs = MicroVideoInputs(p.visual, p.text, p.frames).fit(features, "tmall")
        vectors = self._vectors(features)
        if p.variant == "ref":
            nobody = Window(np.zeros(len(target), bool), np.ones(len(target), bool))
            self.networks.fit(self.network, Arrays(**vectors), target, folds, window=nobody, scratch=self.scratch)
        else:
            self._fit_graphs(posts, list(vectors.values()), target, stopping_window(folds, len(target)))
        return self

    def _vectors(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """``visual`` (mean of the frames) and ``text``, each float32 [n, width]."""
        arrays = self.inputs.transform(features)
        return {name: array.mean(axis=1) if array.ndim == 3 else array for name, array in arrays.items()}

    def network(self):
        return factorised_map(sum(shape[-1] for shape in self.inputs.shapes.values()), self.params.factors)

    def _fit_graphs(
        self, posts: pl.DataFrame, vectors: list[np.ndarray], target: np.ndarray, window: Window | None
    ) -> None:
        from popcast.models.tmall.tmall_graphs import make_graph, solve

        p = self.params
        self.rank = _rank(posts)
        self.graphs = [make_graph(array, self.rank, p.k) for array in vectors]
        laplacians = [graph.laplacian for graph in self.graphs]
        everyone = np.ones(len(target), bool)
        labelled = everyone if window is None else window.learn
        self.center = float(target[labelled].mean())
        self.mu, self.lam = p.mu[len(p.mu) // 2], p.lam[len(p.lam) // 2]
        if window is not None:
            least = np.inf
            for mu in p.mu:
                for lam in p.lam:
                    found = solve(laplacians, target - self.center, labelled, self._terms(mu, lam)).popularity
                    error = float(((found + self.center - target)[window.watch] ** 2).mean())
                    if error < least:
                        least, self.mu, self.lam = error, mu, lam
        self.labelled = everyone if p.refit else labelled
        self.center = float(target[self.labelled].mean())
        self.target = np.where(self.labelled, target - self.center, 0.0)
        solution = solve(laplacians, self.target, self.labelled, self._terms(self.mu, self.lam))
        self.popularity, self.mixture, self.objective = solution.popularity, solution.mixture, solution.objective

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """float64 [n, seeds]; the graphs have no random part, so with ``fixed`` all columns are the same."""
        vectors = self._vectors(features)
        if self.params.variant == "ref":
            return self.networks.predict(Arrays(**vectors))
        asked = list(vectors.values())
        found = self._joined(posts, asked) if self.params.transductive and len(posts) else self._extended(asked)
        return np.repeat((found + self.center)[:, None], self.params.seeds, axis=1)

    def _extended(self, asked: list[np.ndarray]) -> np.ndarray:
        from popcast.models.tmall.tmall_graphs import extend

        return extend(self.graphs, self.mixture, self.popularity, self.rank, asked, self.params.k)

    def _joined(self, posts: pl.DataFrame, asked: list[np.ndarray]) -> np.ndarray:
        """The original protocol: one solution over the posts of the fit and those asked for, without labels."""
        from popcast.models.tmall.tmall_graphs import make_graph, solve

        more = len(posts)
        rank = np.concatenate([self.rank, len(self.rank) + _rank(posts)])
        pairs = zip(self.graphs, asked, strict=True)
        laplacians = [make_graph(np.vstack([graph.units, new]), rank, self.params.k).laplacian for graph, new in pairs]
        target = np.concatenate([self.target, np.zeros(more)])
        labelled = np.concatenate([self.labelled, np.zeros(more, bool)])
        return solve(laplacians, target, labelled, self._terms(self.mu, self.lam)).popularity[-more:]

    def _terms(self, mu: float, lam: float):
        from popcast.models.tmall.tmall_graphs import Terms

        return Terms(mu, lam, self.params.theta, self.params.negative)

    def importances(self) -> dict[str, float]:
        """fixed: the share of each modality in the mixture."""
        if self.params.variant == "ref":
            return {}
        shares = zip(self.inputs.columns.values(), self.mixture, strict=True)
        return {column: abs(float(share)) for column, share in shares}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"inputs": self.inputs.to_json()}
        if self.params.variant == "ref":
            self.networks.save(folder)
        else:
            arrays = {name: getattr(self, name) for name in ARRAYS}
            arrays |= {f"units_{number}": graph.units for number, graph in enumerate(self.graphs)}
            np.savez(folder / "graphs.npz", **arrays)
            content |= {name: getattr(self, name) for name in NUMBERS}
            content["graphs"] = [[graph.scale, graph.trace] for graph in self.graphs]
        write_predictor(folder, self, **content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.inputs = MicroVideoInputs.from_json(content["inputs"])
        if predictor.params.variant == "ref":
            predictor.networks.load(folder, predictor.network)
            return predictor
        from popcast.models.tmall.tmall_graphs import Graph

        arrays, facts = read_arrays(folder / "graphs.npz"), enumerate(content["graphs"])
        take(predictor, content, NUMBERS)
        take(predictor, arrays, ARRAYS)
        predictor.graphs = [Graph(arrays[f"units_{number}"], *fact) for number, fact in facts]
        return predictor


ARRAYS = ("rank", "labelled", "target", "popularity", "mixture")
NUMBERS = ("center", "mu", "lam", "objective")
"""What a fitted graph model keeps, besides the unit vectors of its posts."""


def _rank(posts: pl.DataFrame) -> np.ndarray:
    """int [n], place of each post's id among them; only ties of equally near posts depend on it."""
    return np.argsort(np.argsort(posts["post_id"].to_numpy(), kind="stable"), kind="stable")


def factorised_map(inputs: int, factors: int):
    """The network of ``ref``: [v; t] times a matrix [inputs, factors] from N(0, 1), then a linear layer."""
    import torch
    from torch import nn

    class FactorisedMap(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factors = nn.Parameter(torch.randn(inputs, factors))
            self.output = nn.Linear(factors, 1)

        def forward(self, visual=None, text=None):
            given = [vectors for vectors in (visual, text) if vectors is not None]
            found = self.output(torch.cat(given, dim=1) @ self.factors).squeeze(1)
            if visual is None or text is None or visual.shape[1] != text.shape[1]:
                return found
            return found, torch.linalg.matrix_norm(visual.T @ visual - text.T @ text)

    return FactorisedMap()
