"""What a killed training run needs to go on: weights, best weights and optimiser, as safetensors and JSON.

The tensors go to a new file, then the JSON that names it is replaced: a kill in between leaves the older state whole.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from popcast.core.pretrained.saved_files import putting_together, read_json, read_torch_tensors
from popcast.core.safety.whole_files import whole_file, write_whole

if TYPE_CHECKING:
    import torch

SAVE_SECONDS = 20
"""State is written at most this often, so that small networks do not spend their time on it."""


class Checkpoint:
    """Best weights so far; with a folder also the state on disk."""

    def __init__(self, folder: Path | None, network: torch.nn.Module, optimizer) -> None:
        self.folder, self.network, self.optimizer = folder, network, optimizer
        self.best: dict[str, torch.Tensor] = {}
        self.best_epoch, self.saved_at = 0, time.monotonic()

    def load(self) -> list[dict[str, float]]:
        """History of an earlier, killed run whose weights and optimiser are put back; [] without one."""
        if self.folder is None or not (self.folder / "state.json").exists():
            return []
        with putting_together(self.folder / "state.json"):
            return self._put_back(read_json(self.folder / "state.json"))

    def _put_back(self, content: dict[str, Any]) -> list[dict[str, float]]:
        tensors = read_torch_tensors(self.folder / content["file"])
        of = {kind: {} for kind in ("network", "best", "optimizer")}
        for name, tensor in tensors.items():
            kind, key = name.split("/", 1)
            of[kind][key] = tensor
        self.network.load_state_dict(of["network"])
        self.best, self.best_epoch = of["best"], content["best_epoch"]
        described = self.optimizer.state_dict()
        described["state"] = {}
        for name, tensor in of["optimizer"].items():
            number, key = name.split("/")
            described["state"].setdefault(int(number), {})[key] = tensor
        self.optimizer.load_state_dict(described)
        return content["history"]

    def epoch_done(self, history: list[dict[str, float]], best_epoch: int) -> None:
        """Keep the weights if this epoch is the best one; write the state where it is due."""
        if best_epoch == len(history) and history[-1]["monitor"] is not None:
            self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
            self.best_epoch = best_epoch
        if self.folder is not None and time.monotonic() - self.saved_at >= SAVE_SECONDS:
            self.write(history)

    def write(self, history: list[dict[str, float]]) -> None:
        """Write the state; the file before it is removed last."""
        from safetensors.torch import save_file

        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in self.best.items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{key}": value for key, value in values.items()}
        file = f"state-{len(history)}.safetensors"
        whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        with whole_file(self.folder / file) as part:
            save_file(whole, part)
        content = {"history": history, "best_epoch": self.best_epoch, "file": file}
        write_whole(orjson.dumps(content), self.folder / "state.json")
        for old in self.folder.glob("state-*.safetensors"):
            if old.name != file:
                old.unlink()
        self.saved_at = time.monotonic()

    def restore_best(self, best_epoch: int) -> None:
        if self.best and best_epoch == self.best_epoch:
            self.network.load_state_dict(self.best)
