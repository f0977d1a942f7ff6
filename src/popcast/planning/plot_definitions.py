"""``metrics/dvc.yaml``: what `dvc plots show` and `dvc plots diff` draw, for the datasets that params.yaml names.

DVC cannot expand plots over datasets as it expands stages, so this file is written by ``popcast use`` and ``popcast
plots``; the same pictures are PNGs beside the csv files and in reports/index.html.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from popcast.core import paths
from popcast.core.named import predictor_module
from popcast.core.safety.whole_files import write_whole
from popcast.datasets.params import Dataset
from popcast.planning.project_params import Params

FILE = Path("metrics/dvc.yaml")
HEAD = "# Written by `popcast use` and `popcast plots` from params.yaml: plots of the declared datasets.\n"

Plot = tuple[str, str, str, dict[Path, str]]
"""Title, template, column of the x axis, and the column of the y axis in each csv file."""


def definitions(params: Params) -> str:
    """The text of ``metrics/dvc.yaml``."""
    plots = [_written(plot) for plot in _plots(params)]
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 120
    yaml.dump({"plots": plots}, stream)
    return HEAD + stream.getvalue()


def write(params: Params) -> None:
    """Write the file, unless it says so already."""
    text = definitions(params)
    if not FILE.exists() or FILE.read_text(encoding="utf-8") != text:
        write_whole(text.encode(), FILE)


def _plots(params: Params) -> Iterator[Plot]:
    for name, data in params.datasets.items():
        yield from _of_dataset(params, name, data)
    for name, llm in params.llms.items():
        for stage, systems, column, what in (
            ("sft", llm.sft, "loss", "loss of tuning"),
            ("align", llm.align, "chosen_logp", "log-probability of the chosen answers"),
        ):
            folder = paths.training_curves(stage, name)
            curves = {folder / f"{system}_{max(run.shots)}.csv": column for system, run in systems.items()}
            if curves:
                yield f"{name}, {what}", "linear", "step", curves
    for name in params.tasks:
        yield f"{name}, few-shot MAE by shots", "linear", "shots", {paths.track_plots(name) / "mae_by_shots.csv": "mae"}
    for name in params.simulations:
        attitude, ablation = paths.simulation_plots(name) / "attitude_by_epoch.csv", paths.ablation_plots(name)
        yield f"{name}, simulated audience, mean attitude by epoch", "linear", "epoch", {attitude: "mean"}
        what = f"{name}, what the mean field adds, MAE against history and text alone"
        yield what, "scatter", "difference", {ablation / "ablation.csv": "variant"}


def _of_dataset(params: Params, name: str, data: Dataset) -> Iterator[Plot]:
    runs = params.runs_of(name)
    if not runs:
        return
    folder = paths.plots(name)
    yield f"{name}, predicted against real", "scatter", "real", {folder / "predicted_vs_real.csv": "predicted"}
    yield f"{name}, calibration", "linear", "predicted", {folder / "calibration.csv": "real"}
    if _has(data, "time"):
        yield f"{name}, mean error by time", "linear", "period", {folder / "residual_by_time.csv": "mean_error"}
    if _has(data, "time") and _has(data, "author"):
        file = folder / "error_by_history_length.csv"
        yield f"{name}, MAE by number of older posts", "linear", "older_posts", {file: "mae"}
    yield f"{name}, strongest columns", "bar_horizontal", "share", {folder / "importances.csv": "column"}
    yield f"{name}, blend weights", "bar_horizontal", "weight", {folder / "blend_weights.csv": "model"}
    if any("training" in predictor_module(run.model).Params.model_fields for run in runs):
        file = folder / "training_curves.csv"
        yield f"{name}, networks, error on the stopping window", "scatter", "epoch", {file: "monitor"}


def _has(data: Dataset, what: str) -> bool:
    """Whether posts of a dataset have a ``time`` or an ``author``."""
    if data.table is not None:
        return getattr(data.table.columns, what) is not None
    return data.kind not in (("microlens",) if what == "author" else ("microlens", "nus"))


def _written(plot: Plot) -> dict[str, Any]:
    title, template, x, files = plot
    up = {(Path("..") / file).as_posix(): column for file, column in files.items()}
    return {title: {"template": template, "x": x, "y": up}}
