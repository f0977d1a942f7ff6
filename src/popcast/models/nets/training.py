"""The one training loop: every network of popcast learns here, whatever it is and whatever its loss.

It shuffles by (seed, epoch), steps the optimiser, watches a monitor after each epoch, keeps the best weights and stops
when they grow old. With a folder it writes its state there (safetensors and JSON) and a killed run goes on with the
epoch after the last one written, to the same weights as an undisturbed one; DVCLive draws the curves beside it. A loss
that is not finite stops at once. ``device: auto`` takes a GPU where there is one; ``dtype: bfloat16`` and ``compile``
are meant for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from pydantic import Field

from popcast.core.engine import progress
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.models.contract.stopping import threads
from popcast.models.nets.checkpoint import Checkpoint

if TYPE_CHECKING:
    import torch

BUCKET = 50
"""Batches whose rows are sorted by length together."""


class Training(Section):
    """How a network learns. Epochs count passes over the learning rows."""

    learning_rate: float = Field(1e-3, gt=0)
    optimizer: Literal["adam", "adamw", "radam"] = "adam"
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine", "linear", "plateau"] = Field(
        "constant", description="cosine, linear: to 0 at max_epochs; plateau: halved after plateau_epochs without gain"
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps with a rising learning rate")
    plateau_epochs: int = Field(3, ge=1)
    batch_size: int = Field(64, ge=1)
    shuffle: bool = True
    max_epochs: int = Field(100, ge=1)
    patience: int = Field(10, ge=1, description="epochs without a better monitor before stopping")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16: autocast, weights stay float32")
    compile: bool = False


class Examples(Protocol):
    """What a network learns from. ``lengths`` (int [n], tokens), where not None, asks for batches of similar length."""

    lengths: np.ndarray | None

    def __len__(self) -> int: ...

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Named tensors of the rows, in their order."""


class Arrays:
    """Examples held as arrays [n, ...] of one length, by name."""

    lengths = None

    def __init__(self, **arrays: np.ndarray) -> None:
        import torch

        self.tensors = {name: torch.from_numpy(np.require(array, None, "CW")) for name, array in arrays.items()}
        self.rows = len(next(iter(arrays.values())))

    def __len__(self) -> int:
        return self.rows

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        import torch

        chosen = torch.from_numpy(rows)
        return {
            name: tensor.index_select(0, chosen.to(tensor.device, non_blocking=True))
            for name, tensor in self.tensors.items()
        }

    def to(self, device: torch.device) -> Arrays:
        """The same examples on a device, moved once instead of batch by batch."""
        self.tensors = {name: tensor.to(device) for name, tensor in self.tensors.items()}
        return self


def prediction_device(name: str) -> torch.device:
    """The device of training where this machine has it, else the CPU: what a GPU learned is predicted anywhere."""
    import torch

    return chosen_device(name) if torch.cuda.is_available() else torch.device("cpu")


def chosen_device(name: str) -> torch.device:
    """``auto``: the first GPU, else the CPU. Raises BadInput where a GPU is asked for and there is none."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # sums in one order
        torch.backends.cudnn.deterministic = True
        if not torch.cuda.is_available():
            raise BadInput(f"training.device: got {name!r}, but this machine has no usable GPU: expected cpu or auto")
    return torch.device(name)


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Random numbers of torch from a stable key; threads fixed; the state outside is left as it was."""
    import torch

    torch.set_num_threads(threads())
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
        yield


def epoch_batches(
    rows: np.ndarray, settings: Training, key: tuple[int, int], lengths: np.ndarray | None
) -> list[np.ndarray]:
    """The rows of an epoch in batches. key: (seed, epoch). lengths [n]: batches of rows of similar length."""
    rng = np.random.default_rng(key)
    rows = rng.permutation(rows) if settings.shuffle else rows
    size = settings.batch_size
    if lengths is None:
        return [rows[i : i + size] for i in range(0, len(rows), size)]
    found = []
    for i in range(0, len(rows), BUCKET * size):
        bucket = rows[i : i + BUCKET * size]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        found += [bucket[j : j + size] for j in range(0, len(bucket), size)]
    return [found[i] for i in rng.permutation(len(found))] if settings.shuffle else found


def learning_rate(settings: Training, step: int, steps: int, stale: int) -> float:
    """Rate of the step (0 .. steps - 1). stale: halvings that the plateau schedule has seen."""
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    if settings.schedule == "cosine":
        return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
    if settings.schedule == "linear":
        return settings.learning_rate * (1.0 - done)
    return settings.learning_rate * (0.5**stale if settings.schedule == "plateau" else 1.0)


class Progress:
    """What the loop knows after an epoch: the history so far, the best epoch and whether to go on."""

    def __init__(self, history: list[dict[str, float]], settings: Training) -> None:
        self.history, self.settings = history, settings

    @property
    def best(self) -> int:
        """Epoch (from 1) of the lowest monitor, the earliest of equals; the last one without monitor; 0 at start."""
        values = [row["monitor"] for row in self.history]
        if not values or values[0] is None:
            return len(values)
        return int(np.argmin(values)) + 1

    def finished(self, epochs: int) -> bool:
        return len(self.history) >= epochs or len(self.history) - self.best >= self.settings.patience

    def halvings(self) -> int:
        """How often the plateau schedule has halved the rate: once per ``plateau_epochs`` without a better monitor.

        Where there is no monitor the loss of the learning rows stands for it.
        """
        best, waited, halved = np.inf, 0, 0
        for row in self.history:
            value = row["loss"] if row["monitor"] is None else row["monitor"]
            if value < best:
                best, waited = value, 0
            else:
                waited += 1
            if waited >= self.settings.plateau_epochs:
                halved, waited = halved + 1, 0
        return halved


def train(
    network: torch.nn.Module,
    examples: Examples,
    learn: np.ndarray,
    loss: Callable[[torch.nn.Module, dict], torch.Tensor],
    settings: Training,
    seed: int,
    *,
    monitor: Callable[[torch.nn.Module], float] | None = None,
    epochs: int | None = None,
    groups: list[dict] | None = None,
    folder: Path | None = None,
    label: str = "network",
) -> list[dict[str, float]]:
    """Train in place; ends on the CPU in evaluation mode with the best weights (the last ones without a monitor).

    learn: int [m], rows to learn from. loss(network, batch): scalar tensor. monitor(network): the lower the better,
    called in evaluation mode without gradients. epochs: at most, None: ``max_epochs``. groups: optimiser groups
    ``{params, scale, weight_decay}`` with ``scale`` times the learning rate. folder: keeps the state of a killed run.
    Returns one row per epoch: epoch (from 1), loss (mean over rows), monitor, learning_rate (last step).
    """
    import torch

    device = chosen_device(settings.device)
    network.to(device)
    if hasattr(examples, "to"):
        examples.to(device)
    optimizer = _optimizer(network, settings, groups)
    total = settings.max_epochs if epochs is None else epochs
    state = Checkpoint(folder, network, optimizer)
    history = state.load()
    steps = total * -(-len(learn) // settings.batch_size)
    forward = torch.compile(network) if settings.compile else network
    bar = progress(range(len(history), total), total - len(history), label)
    curves = None if folder is None else Curves(folder / "curves", history)
    for epoch in bar:
        done = Progress(history, settings)
        if done.finished(total):
            break
        network.train()
        with seeded(seed, epoch):
            row = _epoch(
                forward, examples, learn, loss, settings, (seed, epoch), optimizer, steps, done.halvings(), label
            )
        network.eval()
        with torch.no_grad(), seeded(seed, epoch, 1):
            row["monitor"] = None if monitor is None else float(monitor(network))
        if row["monitor"] is not None and not np.isfinite(row["monitor"]):
            raise BadInput(f"{label}: epoch {epoch + 1}: the monitor is {row['monitor']}: expected a finite number")
        history.append(row)
        if curves is not None:
            curves.add(row)
        state.epoch_done(history, Progress(history, settings).best)
    if folder is not None:
        state.write(history)
        curves.end()
    state.restore_best(Progress(history, settings).best)
    network.to("cpu").eval()
    if hasattr(examples, "to"):
        examples.to(torch.device("cpu"))
    return history


def _epoch(forward, examples, learn, loss, settings, key, optimizer, steps, halvings, label) -> dict[str, float]:
    """One pass: mean loss per row, and the learning rate of the last step."""
    import torch

    device = next(forward.parameters()).device
    total, rate = 0.0, 0.0
    batches = epoch_batches(learn, settings, key, examples.lengths)
    for number, rows in enumerate(batches):
        rate = learning_rate(settings, key[1] * len(batches) + number, steps, halvings)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        batch = {name: tensor.to(device, non_blocking=True) for name, tensor in examples.batch(rows).items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.dtype == "bfloat16"):
            value = loss(forward, batch)
        found = value.item()  # the one wait for the device in a step
        if not math.isfinite(found):
            raise BadInput(
                f"{label}: epoch {key[1] + 1}, step {number + 1}: the loss is {found}: expected a finite "
                "number; try a lower training.learning_rate or training.clip"
            )
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(forward.parameters(), settings.clip)
        optimizer.step()
        total += found * len(rows)
    return {"epoch": key[1] + 1, "loss": total / len(learn), "learning_rate": rate}


def _optimizer(network: torch.nn.Module, settings: Training, groups: list[dict] | None):
    import torch

    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "radam": torch.optim.RAdam}[settings.optimizer]
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [{"params": trainable}] if groups is None else groups
    groups = [{"scale": 1.0, "weight_decay": settings.weight_decay, **group} for group in groups]
    return kind(groups, lr=settings.learning_rate)


class Curves:
    """DVCLive curves of loss, monitor and learning rate by epoch (from 1), in a folder of their own.

    They are drawn from the history, so a run that went on after a kill has each epoch once. Nothing is opened for a
    run that has no epoch left.
    """

    def __init__(self, folder: Path, history: list[dict[str, float]]) -> None:
        self.folder, self.waiting, self.live = folder, list(history), None

    def add(self, row: dict[str, float]) -> None:
        if self.live is None:
            from dvclive import Live

            self.live = Live(str(self.folder), dvcyaml=None, save_dvc_exp=False, report=None)
        for epoch in [*self.waiting, row]:
            self.live.step = epoch["epoch"]
            for name in ("loss", "monitor", "learning_rate"):
                if epoch[name] is not None:
                    self.live.log_metric(name, epoch[name])
        self.waiting = []

    def end(self) -> None:
        if self.live is not None:
            self.live.end()
