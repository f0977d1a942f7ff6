"""``popcast search DATASET RUN SPACE``: trials of other settings of a run, chosen on the valid part alone."""

from __future__ import annotations

from pathlib import Path

import click

from popcast.core.errors import BadInput
from popcast.core.stage import one_line_errors


@click.command()
@click.argument("dataset")
@click.argument("run")
@click.argument("space", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="besides the run as it stands")
@click.option("--seed", type=click.IntRange(0), help="of the draws  [default: base.seed]")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="of the trials  [default: search/DATASET-RUN]"
)
@click.option("--experiments", is_flag=True, help="each trial by `dvc exp run`, kept as an experiment of DVC")
@one_line_errors
def search(
    dataset: str, run: str, space: Path, trials: int, seed: int | None, folder: Path | None, experiments: bool
) -> None:
    """Search for better settings of RUN of DATASET within SPACE, a YAML file of ranges.

    Needs the tables of the project: `popcast run` first. A search that was stopped goes on in its folder; --trials
    counts those before. Settings are chosen on the valid part; only a later run says what they do on the test part.
    """
    from popcast.planning import project_params
    from popcast.planning.searching.search_space import Space
    from popcast.planning.searching.study import START, TRIALS, Study
    from popcast.planning.searching.trial_scores import Experiments, Here

    params = project_params.load()
    found = {one.name: one for one in params.runs_of(dataset)}
    if dataset not in params.datasets or run not in found:
        known = ", ".join(found) if dataset in params.datasets else ", ".join(params.datasets)
        raise BadInput(f"params.yaml: no run {run!r} of {dataset!r}, expected one of {known or 'none'}")
    one, wanted = found[run], Space.read(space)
    metric, seed = params.datasets[dataset].metric, params.base.seed if seed is None else seed
    section, posthoc = params.models[one.model] or {}, bool(params.features.get("allow_posthoc", False))
    folder = folder or Path("search", f"{dataset}-{run}")
    about = {"dataset": dataset, "run": one.model_dump(mode="json"), "section": section, "experiments": experiments}
    study = Study(folder, wanted, about, metric, seed)
    if experiments:
        scores = Experiments(one, f"search-{dataset}-{run}".replace("_", "-"))
    else:
        scores = Here(one, section, metric, posthoc, params.base.seed)
    study.run(trials, scores, print)
    best = study.best()
    print(f"{folder / TRIALS}: {trials} trials; best on the valid part: {metric} {best['scores'][metric]:.4f}")
    if best["trial"] == START:
        print("No trial is better than the run as it stands.")
        return
    where = f"runs.{dataset}-{run}" if one.suite is None else f"suites.{dataset}-{one.suite}.runs.{run}"
    print(f"In params.yaml, {where}.set:")
    for name, value in best["set"].items():
        print(f"    {name}: {value}")
    print("It was chosen on the valid part and looks better there than it is: see the test part after `dvc repro`.")
