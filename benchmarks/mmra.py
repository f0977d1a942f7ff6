"""Training steps of MMRA with averaged and with gathered neighbours: ``python -m benchmarks.mmra --device cpu``.

Generated vectors, the sizes of the paper (10 frames of 768 columns, batches of 64). Three forms of the same neighbours:

- averaged: one vector per frame and post, made once before training (popcast's default);
- gathered: the vectors of K neighbours are looked up in the bank in every step and averaged in the network;
- lists: every post carries the vectors of 20 stored neighbours as lists of numbers, which a step turns into tensors and
  of which it takes the first K (the published code does so, sheet mmra.md section 1).

The forms take their steps in turn, with the same weights and batches. Prints seconds per step and of the processor per
step (of all threads; less moved by other programs), their ratios to averaged, peak memory of a process that knows one
form (or of the GPU), and how far the losses are from those of averaged.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from itertools import product

import click
import numpy as np

BATCH, FRAMES, WIDTH, STORED, ROWS_AS_LISTS = 64, 10, 768, 20, 64
FORMS, NEIGHBOURS = ["averaged", "gathered", "lists"], (5, 10, 20)


def generated(posts: int, bank: int, seed: int) -> tuple[dict, dict, np.ndarray, np.ndarray, np.ndarray]:
    """Arrays of the posts, those of the bank, index and similarity [posts, STORED], target [posts]."""
    rng = np.random.default_rng(seed)

    def vectors(rows: int) -> dict[str, np.ndarray]:
        return {
            "text": rng.normal(size=(rows, WIDTH)).astype(np.float32),
            "visual": rng.standard_normal((rows, FRAMES, WIDTH), np.float32),
        }

    lent = vectors(bank) | {"label": rng.normal(size=bank).astype(np.float32)}
    own, target = vectors(posts), rng.normal(size=posts).astype(np.float32)
    index = np.argsort(rng.random((posts, bank), np.float32), axis=1)[:, :STORED].astype(np.int32)
    similarity = -np.sort(-rng.uniform(0.5, 0.9, (posts, STORED)), axis=1).astype(np.float32)
    return own, lent, index, similarity, target


class AsLists:
    """Posts with their stored neighbours' vectors as nested lists of numbers."""

    def __init__(self, gathered, k: int) -> None:
        batch, self.k = gathered.batch(np.arange(ROWS_AS_LISTS)), k
        self.rows = [{name: tensor[i].tolist() for name, tensor in batch.items()} for i in range(ROWS_AS_LISTS)]

    def batch(self, rows: np.ndarray) -> dict:
        import torch

        chosen = [self.rows[i % ROWS_AS_LISTS] for i in rows]
        tensors = {name: torch.tensor([row[name] for row in chosen]) for name in chosen[0]}
        return {name: tensor[:, : self.k] if "near" in name else tensor for name, tensor in tensors.items()}


def examples_of(form: str, k: int, own: dict, lent: dict, index: np.ndarray, similarity: np.ndarray):
    """What a step takes its batches from."""
    from popcast.models.inputs.learned_posts import neighbour_weights, weighted_sums
    from popcast.models.mmra.predictor import Gathered
    from popcast.models.nets.training import Arrays

    if form == "lists":
        return AsLists(Gathered(own, index, similarity, lent), k)
    index, similarity = index[:, :k], similarity[:, :k]
    if form == "gathered":
        return Gathered(own, index, similarity, lent)
    weights = neighbour_weights(index, similarity)
    return Arrays(**own, **{f"near_{name}": weighted_sums(index, weights, values) for name, values in lent.items()})


class Trained:
    """One network in training; the same weights and batches whatever the form."""

    def __init__(self, examples, target: np.ndarray, device: str) -> None:
        import torch

        from popcast.models.mmra.mmra_layers import Layout, Network

        torch.manual_seed(1)
        layout = Layout("ref", {"text": WIDTH, "visual": WIDTH}, WIDTH, 0.6, float(WIDTH), "tanh")
        self.network, self.examples = Network(layout).to(device), examples
        self.target, self.device = torch.from_numpy(target).to(device), device
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-5)
        self.seconds, self.processor, self.losses = [], [], []
        if hasattr(examples, "to"):
            examples.to(torch.device(device))

    def step(self) -> None:
        """Batch, forward, backward, update; the time it took and the loss are kept."""
        import torch

        rows = np.arange(BATCH) + len(self.losses) % (ROWS_AS_LISTS // BATCH) * BATCH
        start, work = time.perf_counter(), time.process_time()
        batch = {name: tensor.to(self.device) for name, tensor in self.examples.batch(rows).items()}
        loss = torch.nn.functional.mse_loss(self.network(**batch), self.target[torch.from_numpy(rows)])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())
        self.seconds.append(time.perf_counter() - start)
        self.processor.append(time.process_time() - work)


def peak_memory(form: str, k: int, posts: int, bank: int, device: str) -> float:
    """GB of this process, or of the GPU, after two steps."""
    import torch

    *parts, target = generated(posts, bank, 0)
    one = Trained(examples_of(form, k, *parts), target, device)
    one.step()
    one.step()
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@click.command()
@click.option("--posts", default=2000, show_default=True)
@click.option("--bank", default=4000, show_default=True)
@click.option("--steps", default=10, show_default=True, help="of each form in turn; the best one counts")
@click.option("--device", default="cpu", show_default=True)
@click.option("--form", type=click.Choice(FORMS), hidden=True)
@click.option("--k", type=int, hidden=True)
def main(posts: int, bank: int, steps: int, device: str, form: str | None, k: int | None) -> None:
    if form:
        print(json.dumps(peak_memory(form, k, posts, bank, device)))
        return
    print(f"{posts} generated posts, bank of {bank}, {FRAMES} frames of {WIDTH}, batch {BATCH}, {device}")
    print("form        K   s/step  ratio   processor s  ratio   peak GB   largest difference of loss")
    peaks = {}  # first: a child counts what its parent held when it was started
    for k, form in product(NEIGHBOURS, FORMS):
        command = [sys.executable, "-m", "benchmarks.mmra", "--form", form, "--k", str(k), "--posts", str(posts)]
        command += ["--bank", str(bank), "--device", device]
        peaks[k, form] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    *parts, target = generated(posts, bank, 0)
    for k in NEIGHBOURS:
        found = {form: Trained(examples_of(form, k, *parts), target, device) for form in FORMS}
        for _ in range(steps):
            for one in found.values():
                one.step()
        averaged = found["averaged"]
        for form, one in found.items():
            apart = np.abs(np.subtract(one.losses, averaged.losses)).max()
            wall, work = min(one.seconds), min(one.processor)
            print(
                f"{form:<10}{k:>3}{wall:9.4f}{wall / min(averaged.seconds):7.2f}{work:14.4f}"
                f"{work / min(averaged.processor):7.2f}{peaks[k, form]:10.2f}   {apart:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
