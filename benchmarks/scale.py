"""Posts to blend without media at growing sizes: ``python -m benchmarks.scale --sizes 10000,100000,305613``.

Generated SMPD posts go through posts and splits, metadata, history, text (TF-IDF), LightGBM, ridge and the blend, in a
temporary project. Prints seconds per size and the exponent of time over n between neighbouring sizes.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent

OVERLAY = """
sample: {{smpd: {{kind: smpd, posts: {posts}, users: {users}, unlabelled: {unlabelled}, media: false}}}}
datasets: {{smpd: {{kind: smpd, raw: data/raw/smpd, zone: Asia/Shanghai, metric: mae, max_reject_share: 0.05}}}}
splits: {{smpd: {{method: chronological, valid_from: "2016-01-01", test_from: "2016-02-01"}}}}
blocks:
  smpd-metadata: {{dataset: smpd, block: metadata}}
  smpd-history: {{dataset: smpd, block: history}}
  smpd-text: {{dataset: smpd, block: text, set: {{encoder: null, tfidf: {{dim: 32, char: null, max_features: 20000}}}}}}
runs:
  smpd-history_ridge:
    dataset: smpd
    name: history_ridge
    model: reference
    features: smpd
    blocks: [history]
    set: {{kind: history_ridge}}
  smpd-lightgbm:
    dataset: smpd
    name: lightgbm
    model: lightgbm
    features: smpd
    blocks: [metadata, history, text]
    cross_fit_from: 3
    set: {{rounds: 200, learning_rate: 0.1, early_stopping: 1000, num_leaves: 63}}
"""
"""``early_stopping`` above ``rounds``: the number of trees is the same at every size."""

STAGES = (
    ("posts", "smpd"),
    *(("features", f"smpd-{block}") for block in ("metadata", "history", "text")),
    ("train", "smpd-history_ridge"),
    ("train", "smpd-lightgbm"),
    ("blend", "smpd"),
)


def run(folder: Path, *command: str) -> float:
    """Seconds of ``python -m command`` in ``folder`` with this checkout's code."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
    return time.perf_counter() - start


def seconds_per_stage(posts: int) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "params.yaml", folder)
        values = {"posts": posts, "users": max(posts // 5, 10), "unlabelled": posts // 10}
        (folder / "overlay.yaml").write_text(OVERLAY.format(**values))
        run(folder, "popcast.cli", "use", "overlay.yaml")
        (folder / "metrics").mkdir(exist_ok=True)
        run(folder, "stages.plan")
        run(folder, "stages.sample", "smpd")
        return [run(folder, f"stages.{stage}", key) for stage, key in STAGES]


@click.command()
@click.option("--sizes", default="10000,100000,305613", show_default=True)
def main(sizes: str) -> None:
    before: tuple[int, float] | None = None
    for size in (int(text) for text in sizes.split(",")):
        seconds = seconds_per_stage(size)
        total = sum(seconds)
        parts = ", ".join(f"{stage} {key} {s:.1f}" for (stage, key), s in zip(STAGES, seconds, strict=True))
        growth = "" if before is None else f"; time grows as n^{math.log(total / before[1], size / before[0]):.2f}"
        print(f"{size} posts: {total:.1f} s ({parts}){growth}", flush=True)
        before = (size, total)


if __name__ == "__main__":
    main()
