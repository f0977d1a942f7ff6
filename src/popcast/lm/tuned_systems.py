"""What stages that train several systems share: each is finished in a scratch folder of its own, then all are placed.

DVC removes the outs of a stage before it starts the stage again, so finished models wait in scratch until all are done;
a killed stage goes on with the first unfinished one, from its last checkpoint. Launched as several processes, all of
them train and the first one writes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from popcast.core import tables
from popcast.core.pretrained.model_notes import base_note
from popcast.core.safety.whole_files import whole_folder
from popcast.core.scratch import Scratch
from popcast.lm.training_frame import is_main, wait_for_everyone
from popcast.scoring import plots

SMOOTHED = 5
"""Updates that a point of a drawn curve is the mean of."""


@dataclass(frozen=True)
class Trained:
    """One trained model in its scratch folder. shots: scored posts of its prompts, None where prompts have none."""

    system: str
    shots: int | None
    scratch: Scratch

    @property
    def name(self) -> str:
        return self.system if self.shots is None else f"{self.system}_{self.shots}"

    @property
    def model(self) -> Path:
        return self.scratch.folder / "model"

    @property
    def curve(self) -> Path:
        return self.scratch.folder / "curve.csv"

    def finish(self, train: Callable[..., dict[str, float]]) -> None:
        """Call ``train(out=, work=, curves=)`` unless an earlier start finished it.

        The three are folder of the model, folder of checkpoints and csv file, as ``tuning.tune`` takes them.
        """
        note = self.scratch.folder / "finished.json"
        if not note.exists():
            work = self.scratch.folder / "work"
            figures = train(out=self.model, work=work, curves=self.curve)
            if is_main():
                tables.write_json(figures, note)
                shutil.rmtree(work, ignore_errors=True)
        wait_for_everyone()


def files_of(folder: Path) -> list[Path]:
    """Every file of a model folder, in one order: what a scratch folder depends on."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def title(llm: str, generated: bool, base: Path) -> str:
    """What a picture calls the model: ``smpd (stand-in model, generated data)``. base: folder of its base."""
    note = base_note(base) or {}
    said = [*(["stand-in model"] if note.get("stand_in") else []), *filter(None, [note.get("weights")])]
    if generated:
        said.append("generated data")
    return f"{llm} ({', '.join(said)})" if said else llm


def place(
    done: list[Trained],
    place_of: Callable[[str, int], Path],
    root: Path,
    curves: Path,
    name: str,
    pictures: dict[str, tuple[pl.DataFrame, Callable]] | None = None,
) -> None:
    """Copy the finished models to ``place_of(system, shots)`` below ``root``, and nothing that was there before.

    curves: folder for a csv per model, and for the losses of all as csv and PNG. name: see :func:`title`. pictures:
    more of them, name -> table and what draws it (``plots.write``). Nothing trained: both folders are there, empty.
    """
    if is_main():
        with whole_folder(root) as fresh:
            for one in done:
                shutil.copytree(one.model, fresh / place_of(one.system, one.shots).relative_to(root))
        drawn = ({"loss": (curves_of(done, loss=pl.col("loss")), draw_losses)} if done else {}) | (pictures or {})
        made, draw = ({key: both[i] for key, both in drawn.items()} for i in (0, 1))

        def own_curves(folder: Path) -> None:
            for one in done:
                shutil.copyfile(one.curve, folder / f"{one.name}.csv")

        plots.write(made, curves, name, draw, own_curves)
    wait_for_everyone()  # the scratch folders go when this returns


def curves_of(done: list[Trained], **columns: pl.Expr) -> pl.DataFrame:
    """Columns system, shots (may be null), step (from 1) and ``columns`` (float64), of the curve of every finished
    model."""
    return pl.concat(
        pl.read_csv(one.curve).select(
            pl.lit(one.system).alias("system"),
            pl.lit(one.shots, pl.Int32).alias("shots"),
            "step",
            **{name: column.cast(pl.Float64) for name, column in columns.items()},
        )
        for one in done
    )


def draw_losses(axes, table: pl.DataFrame) -> str:
    """A line per model: color by system, dashes by shots where there are any."""
    systems = table["system"].unique(maintain_order=True).to_list()
    shots = sorted(table["shots"].unique())
    for (system, count), rows in table.group_by("system", "shots", maintain_order=True):
        rows = rows.with_columns(pl.col("loss").rolling_mean(SMOOTHED, min_samples=1))
        axes.plot(
            rows["step"].to_list(), rows["loss"].to_list(), linewidth=1.2,
            label=system if count is None else f"{system}, {count} shots",
            color=plots.COLORS[systems.index(system) % len(plots.COLORS)],
            linestyle=plots.DASHES[shots.index(count) % len(plots.DASHES)],
        )  # fmt: skip
    if table["step"].max() > 10 * table.group_by("system", "shots").agg(pl.max("step"))["step"].min():
        axes.set_xscale("log")
    axes.set(xlabel="update", ylabel=f"loss (mean of {SMOOTHED} updates)")
    axes.figure.set_size_inches(6.4, 5.0)
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return "Training loss of the language model"
