"""Epoch time of every network through the shared loop, against the bare steps: ``python -m benchmarks.epochs``.

Each predictor is fitted on generated posts until it calls the loop (``training.train``). There the same module is
trained on the same batches in two ways, in turn: by the loop, which shuffles, gathers the rows of each batch, sets the
learning rate, checks the loss and counts; and bare, forward + backward + step on batches of one epoch that wait in
memory (on the device). Prints steps per second of both, the ratio of their times (fastest epoch each; 1.3 is the aim)
by the clock and by processor seconds, which other programs on the machine move less, and the peak memory, of the GPU
where there is one, else of the process. The monitor is no part of it.

``--device cuda``, ``--dtype bfloat16`` and ``--compile`` are those of ``training`` in params.yaml. A new predictor is
one line in MODELS.
"""

from __future__ import annotations

import copy
import importlib
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import click
import numpy as np
import polars as pl

VIDEO = {"visual": "video.frame_embedding", "frames": 4}
TABLE = {"embeddings": ["text.embedding"]}
ONE = {"training": {"max_epochs": 1}}
MODELS = {
    "cnn": ("networks", {**TABLE}),
    "dae_cnn autoencoder": ("dae_cnn", {**TABLE}),
    "dae_cnn": ("networks", {**TABLE, "autoencoder": ONE}),
    "tabnet": ("networks", {**TABLE}),
    "mmra": ("networks", {**VIDEO}),
    "cban": ("networks", {**VIDEO}),
    "contextual_lstm": ("networks", {**VIDEO}),
    "hmmved": ("networks", {**VIDEO}),
    "massl": ("networks", {**VIDEO}),
    "mftm": ("networks", {**VIDEO}),
    "tmall": ("networks", {**VIDEO, "variant": "ref"}),
    "text_regressor": ("networks", {"frozen_layers": 4}),
}
"""Name (the first word is the file), module whose ``train`` is timed, and settings beside the defaults."""

WORDS = ["cat", "dog", "sunset", "beach", "city", "night", "coffee", "train", "forest", "snow", "river", "mountain"]


def generated(rows: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray, np.ndarray]:
    """Posts, features of every kind, target [rows] and folds [rows] in 0..4, in the order of time."""
    rng = np.random.default_rng(seed)
    target = 6 + rng.normal(0, 2, rows)

    def vectors(width: int) -> pl.Series:
        return pl.Series(rng.normal(size=(rows, width)).astype(np.float32), dtype=pl.Array(pl.Float32, width))

    start = datetime(2024, 1, 1, tzinfo=UTC)
    words = rng.integers(0, len(WORDS), (rows, 12))
    posts = pl.DataFrame(
        {
            "post_id": [f"p{i:07d}" for i in range(rows)],
            "user_id": [f"u{i}" for i in rng.integers(0, rows // 5 + 1, rows)],
            "posted_at": [start + timedelta(minutes=i) for i in range(rows)],
            "title": [" ".join(WORDS[i] for i in line) for line in words],
            "tags": [[WORDS[i] for i in line[:3]] for line in words],
            "category": [WORDS[i] for i in rng.integers(0, 8, rows)],
        },
        schema_overrides={"posted_at": pl.Datetime("us", "UTC")},
    )
    numbers = {f"metadata.number_{i}": rng.normal(size=rows) for i in range(40)}
    features = pl.DataFrame(
        {
            **numbers,
            "metadata.category": posts["category"],
            "text.embedding": vectors(384),
            "video.frame_embedding": vectors(4 * 256),
        }
    )
    return posts, features, target, np.arange(rows) * 5 // rows


class Measured(Exception):
    """Carries the figures out of the fit that they were taken in."""


def measure(network, examples, learn, loss, settings, seed, *, epochs: int, groups=None) -> dict:
    """Fastest epoch of ``loop`` and ``bare``: [seconds, processor seconds]; steps per epoch; peak memory in MB."""
    import torch

    from popcast.models.nets import training

    device = training.chosen_device(settings.device)
    settings = settings.model_copy(update={"patience": 10**6, "max_epochs": epochs + 1})
    seconds = {"loop": [], "bare": []}
    for _ in range(2):
        taught = copy.deepcopy(network)
        seconds["loop"] += _loop(taught, examples, learn, loss, settings, seed, training.train, epochs)
        seconds["bare"] += _bare(copy.deepcopy(network), examples, learn, loss, settings, seed, device, epochs)
    steps = len(training.epoch_batches(learn, settings, (seed, 0), examples.lengths))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    return {"steps": steps, "peak": peak, **{name: np.min(values, axis=0).tolist() for name, values in seconds.items()}}


def _loop(network, examples, learn, loss, settings, seed, train, epochs: int) -> list:
    """Seconds and processor seconds of every epoch but the first, told by the calls of the monitor."""
    ends = []

    def monitor(network) -> float:
        _wait(next(network.parameters()).device)
        ends.append((time.perf_counter(), time.process_time()))
        return len(ends)  # worse each time: no weights are kept

    train(network, examples, learn, loss, settings, seed, monitor=monitor, epochs=epochs + 1, label="benchmark")
    return np.diff(ends, axis=0).tolist()


def _bare(network, examples, learn, loss, settings, seed, device, epochs: int) -> list:
    """Seconds and processor seconds of every epoch but the first, on batches that wait on the device."""
    import torch

    from popcast.models.nets import training

    network.to(device).train()
    batches = [
        {name: tensor.to(device) for name, tensor in examples.batch(rows).items()}
        for rows in training.epoch_batches(learn, settings, (seed, 0), examples.lengths)
    ]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "radam": torch.optim.RAdam}[settings.optimizer]
    optimizer = kind([p for p in network.parameters() if p.requires_grad], lr=settings.learning_rate)
    forward, ends = torch.compile(network) if settings.compile else network, []
    for _ in range(epochs + 1):
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=settings.dtype == "bfloat16"):
                value = loss(forward, dict(batch))
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
        _wait(device)
        ends.append((time.perf_counter(), time.process_time()))
    return np.diff(ends, axis=0).tolist()


def _wait(device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


def figures(name: str, posts: int, epochs: int, seed: int, options: dict) -> dict:
    """Fit the predictor until it trains its network, and measure there."""
    from popcast.models.contract.predictors import model_module

    place, settings = MODELS[name]
    caller = importlib.import_module(f"popcast.models.{place}")

    def instead(network, examples, learn, loss, settings, seed, **rest):
        settings = settings.model_copy(update=options)
        raise Measured(measure(network, examples, learn, loss, settings, seed, epochs=epochs))

    module = model_module(name.split()[0])
    predictor, caller.train = module.Predictor(module.Params(**settings), seed), instead
    try:
        predictor.fit(*generated(posts, seed))
    except Measured as found:
        return found.args[0]
    raise SystemExit(f"{name}: did not train a network")


@click.command()
@click.option("--model", "models", multiple=True, type=click.Choice(list(MODELS)), help="default: all of them")
@click.option("--posts", default=4000, show_default=True)
@click.option("--epochs", default=3, show_default=True, help="timed, twice each way, after one that is not")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--dtype", default="float32", type=click.Choice(["float32", "bfloat16"]), show_default=True)
@click.option("--compile", "compiled", is_flag=True)
@click.option("--one", default=None, hidden=True)
def main(models, posts: int, epochs: int, seed: int, device: str, dtype: str, compiled: bool, one: str | None) -> None:
    """Each predictor in a process of its own, one after the other."""
    if one is not None:
        options = {"device": device, "dtype": dtype, "compile": compiled}
        click.echo(json.dumps(figures(one, posts, epochs, seed, options)))
        return
    click.echo(f"{posts} generated posts, {device}, {dtype}{', compiled' if compiled else ''}")
    click.echo(f"{'model':<22}{'steps/s':>10}{'bare':>10}{'ratio':>8}{'of cpu':>8}{'peak MB':>10}")
    for name in models or MODELS:
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.epochs", *sys.argv[1:], "--one", name], stdout=subprocess.PIPE, text=True
        )
        if child.returncode:
            click.echo(f"{name:<22}  failed")
            continue
        found = json.loads(child.stdout.splitlines()[-1])
        loop, bare = found["loop"], found["bare"]
        speeds = "".join(f"{found['steps'] / way[0]:>10.1f}" for way in (loop, bare))
        ratios = "".join(f"{loop[i] / bare[i]:>8.2f}" for i in range(2))
        click.echo(f"{name:<22}{speeds}{ratios}{found['peak']:>10.0f}")


if __name__ == "__main__":
    main()
