"""What a predictor made of networks shares: one network per seed, the target's scale, the stopping window, files.

A predictor builds its inputs (:class:`popcast.models.nets.training.Examples`) and its torch module; :class:`Networks`
trains one module per seed with the one loop of ``training.py``, predicts in double precision, so that a row's
prediction does not depend on its batch, and keeps weights as safetensors.

A module's ``forward(**inputs)`` returns predictions [batch] on the scale of the standardised target, or a pair
(predictions, penalty) whose second part is added to the loss. ``module.loss_weight`` (else 1) multiplies the error.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from popcast.core import tables
from popcast.core.pretrained.saved_files import putting_together, read_json, read_torch_tensors
from popcast.core.section import Section
from popcast.models.contract.stopping import Window, loss_weights, stopping_window
from popcast.models.nets.training import Examples, Progress, Training, prediction_device, seeded, train
from popcast.models.params import Loss

if TYPE_CHECKING:
    import torch

CHUNK = 1024
"""Rows predicted at a time; an eighth of it where rows are texts."""
_DRAWING = threading.Lock()
"""Torch has one stream of random numbers for all threads: networks that draw as they predict wait for one another."""
EXACT_CHUNK = 256
"""The same in double precision, where it changes no digit: what lies between two layers stays near the processor."""


class NetworkParams(Section):
    """Settings that every predictor made of networks has."""

    loss: Loss = "rmse"
    delta: float = Field(0.8, gt=0, description="of the Huber loss, in units of popularity")
    monitor: Literal["loss", "mae+nmse"] = Field(
        "loss", description="what decides when to stop, on the whole stopping window"
    )
    standardise: bool = Field(True, description="learn (popularity - mean) / sd of the learning posts")
    bounded: bool = Field(True, description="predictions stay within the labels seen")
    early_stopping: bool = Field(True, description="false: no window, all posts are learned for max_epochs")
    refit: bool = Field(False, description="learn again from all posts, for as many epochs as were best")
    seeds: int = Field(1, ge=1, description="networks to average, of seeds base.seed, base.seed + 1, ...")
    training: Training = Training()


class Targeted:
    """Examples with ``target`` and, where rows weigh differently, ``weight`` in every batch."""

    def __init__(self, examples: Examples, target: np.ndarray, weight: np.ndarray | None) -> None:
        import torch

        self.examples, self.lengths = examples, examples.lengths
        self.target = torch.from_numpy(target.astype(np.float32))
        self.weight = None if weight is None else torch.from_numpy(weight.astype(np.float32))

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        import torch

        chosen = torch.from_numpy(rows)
        extra = {"target": self.target[chosen]}
        if self.weight is not None:
            extra["weight"] = self.weight[chosen]
        return self.examples.batch(rows) | extra

    def to(self, device: torch.device) -> None:
        if hasattr(self.examples, "to"):
            self.examples.to(device)


def steady_error(network: torch.nn.Module, loss: Callable, examples: Examples, rows: np.ndarray, *key: int) -> float:
    """Mean over ``rows`` (at least one) of ``loss(network, batch)``, where the network or the loss draws noise.

    key: of the random numbers, which are the same every time, so that what is measured after two epochs compares.
    """
    device, total = next(network.parameters()).device, 0.0
    with seeded(*key):
        for i in range(0, len(rows), CHUNK):
            part = rows[i : i + CHUNK]
            batch = {name: tensor.to(device) for name, tensor in examples.batch(part).items()}
            total += float(loss(network, batch)) * len(part)
    return total / len(rows)


class Networks:
    """The networks of one predictor. ``label`` stands in progress bars and errors."""

    def __init__(self, params: NetworkParams, seed: int, label: str) -> None:
        self.params, self.seed, self.label = params, seed, label
        self.modules: list[torch.nn.Module] = []
        self.history: list[dict[str, float]] = []
        self._asked: dict[tuple[str, bool], tuple[list[torch.nn.Module], list[torch.nn.Module]]] = {}

    def fit(
        self,
        build: Callable[[], torch.nn.Module],
        examples: Examples,
        target: np.ndarray,
        folds: np.ndarray | None,
        *,
        window: Window | None = None,
        groups: Callable[[torch.nn.Module], list[dict]] | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Train one module per seed.

        build: a fresh module; called with torch's random numbers set. examples, target float64 [n], folds int [n]: the
        same rows in the order of time. window: which rows decide when to stop; None: the last fold; no row at all:
        ``max_epochs`` are learned. A constant target needs no network. Where there are too few rows for a window
        a tenth of ``max_epochs`` is learned.
        """
        p = self.params
        self.modules, self.history = [], []
        self.center, self.scale = float(np.mean(target)), 1.0
        self.bounds = [float(target.min()), float(target.max())]
        if self.bounds[0] == self.bounds[1]:
            return
        if not p.early_stopping:
            window = Window(np.zeros(len(target), bool), np.ones(len(target), bool))
        window = stopping_window(folds, len(target)) if window is None else window
        learn = np.arange(len(target)) if window is None else np.flatnonzero(window.learn)
        self.center, self.scale = (
            (float(target[learn].mean()), float(target[learn].std())) if p.standardise else (0.0, 1.0)
        )
        self.scale = self.scale or 1.0
        weights = loss_weights(target, p.loss)
        rows = Targeted(examples, (target - self.center) / self.scale, weights)
        for number in range(p.seeds):
            seed = self.seed + number
            folder = None if scratch is None else scratch / f"seed-{number}"
            fit = {"seed": seed, "groups": groups, "label": f"{self.label} {number + 1}/{p.seeds}"}
            if window is None or not window.watch.any():
                epochs = max(1, p.training.max_epochs // 10) if window is None else p.training.max_epochs
                module, history = self._train(build, rows, learn, None, epochs=epochs, folder=folder, **fit)
            else:
                watched = np.flatnonzero(window.watch)
                monitor = self._monitor(examples, watched, target[watched], weights)
                module, history = self._train(build, rows, learn, monitor, epochs=None, folder=folder, **fit)
                if p.refit:
                    best = Progress(history, p.training).best
                    folder = None if folder is None else folder.with_name(f"seed-{number}-refit")
                    everything = np.arange(len(target))
                    module, _ = self._train(build, rows, everything, None, epochs=best, folder=folder, **fit)
            self.modules.append(module)
            self.history += [{"seed": seed, **row} for row in history]

    def _train(self, build, rows, learn, monitor, *, seed, groups, epochs, folder, label):
        with seeded(seed):
            module = build()
        criterion = self._criterion()
        history = train(
            module, rows, learn, criterion, self.params.training, seed, monitor=monitor, epochs=epochs,
            groups=None if groups is None else groups(module), folder=folder, label=label,
        )  # fmt: skip
        return module, history

    def _criterion(self):
        """loss(network, batch): the error of the standardised target, and the module's penalty."""
        import torch.nn.functional as f

        loss, delta = self.params.loss, self.params.delta / self.scale

        def criterion(network, batch):
            target, weight = batch.pop("target"), batch.pop("weight", None)
            found = network(**batch)
            prediction, penalty = found if isinstance(found, tuple) else (found, 0.0)
            prediction = prediction.float()
            assert prediction.shape == target.shape, "a network returns one number per row"
            if loss == "rmse":
                error = f.mse_loss(prediction, target)
            elif loss == "huber":
                error = f.huber_loss(prediction, target, delta=delta)
            elif weight is None:
                error = f.l1_loss(prediction, target)
            else:
                error = ((prediction - target).abs() * weight).mean()
            return getattr(network, "loss_weight", 1.0) * error + penalty

        return criterion

    def _monitor(self, examples: Examples, rows: np.ndarray, target: np.ndarray, weights: np.ndarray | None):
        """monitor(network): error on the whole window, in units of popularity."""
        p = self.params

        def monitor(network) -> float:
            error = np.abs(self._outputs(network, examples, rows) * self.scale + self.center - target)
            if p.monitor == "mae+nmse":
                return float(error.mean() + (error**2).mean() / (target.var() or 1.0))
            if p.loss == "rmse":
                return float(np.sqrt((error**2).mean()))
            if p.loss == "huber":
                return float(np.where(error <= p.delta, error**2 / 2, p.delta * (error - p.delta / 2)).mean())
            return float(error.mean() if weights is None else (error * weights[rows]).mean())

        return monitor

    def _outputs(self, network, examples: Examples, rows: np.ndarray) -> np.ndarray:
        """Outputs float64 [len(rows)] in evaluation mode, rows of similar length together."""
        import torch

        first = next(network.parameters())
        order, size = np.arange(len(rows)), EXACT_CHUNK if first.dtype is torch.float64 else CHUNK
        if examples.lengths is not None:
            order, size = np.argsort(examples.lengths[rows], kind="stable"), CHUNK // 8
        found = np.empty(len(rows))
        with torch.inference_mode():
            for i in range(0, len(rows), size):
                chosen = order[i : i + size]
                batch = {
                    name: tensor.to(first.device, first.dtype)
                    if tensor.is_floating_point()
                    else tensor.to(first.device)
                    for name, tensor in examples.batch(rows[chosen]).items()
                }
                output = network(**batch)
                output = output[0] if isinstance(output, tuple) else output
                found[chosen] = output.double().cpu().numpy()
        return found

    def predict(self, examples: Examples, exact: bool = True) -> np.ndarray:
        """Popularity float64 [n, seeds]. exact: in double precision, else in that of the weights."""
        if not self.modules:
            return np.full((len(examples), self.params.seeds), self.center)
        device, rows, found = prediction_device(self.params.training.device), np.arange(len(examples)), []
        if hasattr(examples, "to"):
            examples.to(device)
        with _DRAWING, seeded(self.seed):
            for module in self._ready(device, exact):
                found.append(self._outputs(module, examples, rows))
        found = np.stack(found, axis=1)
        found = found * self.scale + self.center
        return np.clip(found, *self.bounds) if self.params.bounded else found

    def _ready(self, device: torch.device, exact: bool) -> list[torch.nn.Module]:
        """Copies that predict, made once. They live as long as the modules that were learned or read."""
        of, copies = self._asked.get(key := (str(device), exact), ([], []))
        if len(of) != len(self.modules) or any(a is not b for a, b in zip(of, self.modules, strict=True)):
            copies = [copy.deepcopy(module).to(device).eval() for module in self.modules]
            copies = [module.double() if exact else module for module in copies]
            self._asked[key] = list(self.modules), copies
        return copies

    def save(self, folder: Path) -> None:
        """``networks.json``, ``history.json`` and ``network-<i>.safetensors``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        content = {"center": self.center, "scale": self.scale, "bounds": self.bounds, "modules": len(self.modules)}
        tables.write_json(content, folder / "networks.json")
        tables.write_json(self.history, folder / "history.json")
        for number, module in enumerate(self.modules):
            tensors = {name: tensor.detach().clone().contiguous() for name, tensor in module.state_dict().items()}
            save_file(tensors, folder / f"network-{number}.safetensors")

    def load(self, folder: Path, build: Callable[[], torch.nn.Module]) -> None:
        """Put back what :meth:`save` wrote."""
        content = read_json(folder / "networks.json")
        self.modules = []
        self.center, self.scale, self.bounds = content["center"], content["scale"], content["bounds"]
        self.history = read_json(folder / "history.json", list)
        for number in range(content["modules"]):
            with seeded(self.seed):
                module = build()
            file = folder / f"network-{number}.safetensors"
            with putting_together(file):
                module.load_state_dict(read_torch_tensors(file))
            self.modules.append(module.eval())
