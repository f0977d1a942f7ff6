"""Two audiences before the same posts, in pairs: ``python -m benchmarks.audiences facebook_pages facebook_rules``.

Run in a project whose two datasets hold the same posts, each with a simulation of its own, such as that of
``recipes/audience-smollm2``.
Prints, for the test posts that were simulated:

- the ablation (``popcast.simulation.ablation``) after the last epoch: MAE and SRC without an audience and with either,
  each against none, and the first against the second;
- ridge regression on the post's words alone, and on either audience alone, beside the median of the training posts;
- predictions that lie ready (``--ready facebook_pages/popsim_agent``), each against the first of them.

And over all simulated posts with a label: rank correlation of what the audience says with popularity. Intervals are
bootstraps over authors, the same draws for all; a difference is the first minus the second.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import polars as pl

VARIANTS = ("text", "numeric", "both", "raw")
NUMBERS = ("mean_attitude", "mean_raw_score", "share_interested")


def designed(dataset: str, settings):
    """Design, states, and the predictions of every learner with and without the audience of ``dataset``."""
    from popcast.core import paths, tables
    from popcast.features.common.contract import Context
    from popcast.simulation.ablation import variants
    from popcast.simulation.running import reaction_tables

    posts = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    simulation, seed = settings.simulations[dataset], settings.base.seed
    text, history = (tables.read_features(paths.features(dataset, block)) for block in ("text", "history"))
    triggers, states = reaction_tables.read_triggers(dataset), reaction_tables.read_states(dataset)
    design = variants.make_design(posts, triggers, text, history, simulation.ablation, dataset)
    found = variants.predict_all(design, states, simulation.ablation, simulation.fields, Context(dataset, seed))
    return design, states, found


def alone(made: dict, settings, widths: dict[str, int]) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Predictions of the test posts from one source alone, and the pairs to compare: the words are held against."""
    from popcast.features.common.contract import Context
    from popcast.simulation.ablation import variants
    from popcast.simulation.ablation.learners import ridge
    from popcast.simulation.fields import epochs_of

    seed, found = settings.base.seed, {}
    for dataset, (design, states, _) in made.items():
        section = settings.simulations[dataset]
        train, valid, test = (design.part(part) for part in ("train", "valid", "test"))
        y = np.where(test, np.nan, design.y)
        words = design.base[:, : widths[dataset]]
        if not found:
            found["words"] = ridge(words, y, train, valid, 0, seed)[test]
            found["median"] = np.full(test.sum(), np.median(y[train]))
        columns = variants.field_columns(design, states, 0, epochs_of(states), section.fields, Context(dataset, seed))
        found[f"audience of {dataset}"] = ridge(columns["both"], y, train, valid, 0, seed)[test]
    return found, [(name, "words") for name in found if name != "words"]


def told(design, states: pl.DataFrame) -> None:
    """Rank correlation of the audience's last numbers with popularity, with an interval over authors."""
    from popcast.scoring.bootstrap import author_codes, draw_counts
    from popcast.scoring.metrics import spearman
    from popcast.simulation.fields import epochs_of, numbers_of, of_posts

    table = of_posts(design.rows, design.triggers, numbers_of(states, 0, epochs_of(states)))
    codes = author_codes(design.rows["user_id"].to_list(), design.rows["post_id"].to_list())
    draws = next(draw_counts(int(codes.max()) + 1, 1000, 0))[:, codes].astype(int)
    for name in NUMBERS:
        values = table[name].cast(pl.Float64).to_numpy()
        known = np.isfinite(values)
        x, y, weights = values[known], design.y[known], draws[:, known]
        drawn = [spearman(np.repeat(y, w), np.repeat(x, w)) for w in weights]
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        print(f"  {name}: SRC with popularity {spearman(y, x):+.3f} ({low:+.3f} to {high:+.3f}), {known.sum()} posts")


def compared(design, predictions: dict[str, np.ndarray], pairs: list[tuple[str, str]], seed: int) -> None:
    """A line per model, with its MAE and SRC, and a line per pair."""
    from popcast.scoring.bootstrap import bootstrap, clusters_of, interval, paired_difference
    from popcast.scoring.metrics import score

    y, clusters = design.y[design.part("test")], clusters_of(design.rows.filter(split="test"))
    draws = bootstrap(y, predictions, clusters.codes, 1000, seed)
    points = {name: score(y, p) for name, p in predictions.items()}
    for name, of in points.items():
        shown = []
        for metric in ("mae", "src"):
            low, high = interval(draws[name][metric], 0.95) or (np.nan, np.nan)
            shown.append(f"{metric} {of[metric] if of[metric] is not None else np.nan:.3f} ({low:.3f} to {high:.3f})")
        print(f"  {name}: {', '.join(shown)}")
    for first, second in pairs:
        for metric in ("mae", "src"):
            found = paired_difference(draws[first][metric], draws[second][metric], 0.95)
            if found is None or points[first][metric] is None or points[second][metric] is None:
                continue
            low, high, p = found
            difference = points[first][metric] - points[second][metric]
            print(f"  {first} - {second}: {metric} {difference:+.3f} ({low:+.3f} to {high:+.3f}), p = {p:.2f}")


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--ready", multiple=True, help="dataset/model of predictions that lie ready")
def main(first: str, second: str, ready: tuple[str, ...]) -> None:
    from popcast.core import paths, tables
    from popcast.planning import project_params

    settings = project_params.load(Path("params.yaml"))
    made = {dataset: designed(dataset, settings) for dataset in (first, second)}
    design = made[first][0]
    if design.rows["post_id"].to_list() != made[second][0].rows["post_id"].to_list():
        raise click.ClickException("the two audiences were shown different posts")
    parts = {part: int(design.part(part).sum()) for part in ("train", "valid", "test")}
    print(f"posts {parts}, {design.rows.filter(split='test')['user_id'].n_unique()} authors in test")
    for dataset, (of, states, _) in made.items():
        print(dataset)
        told(of, states)
    last = max(epoch for _, _, epoch, _ in made[first][2])
    for learner in dict.fromkeys(cell[0] for cell in made[first][2]):
        predictions = {"none": made[first][2][learner, "none", 0, 0]}
        for variant in VARIANTS:
            for dataset, (_, _, found) in made.items():
                predictions[f"{variant} of {dataset}"] = found[learner, variant, last, 0]
        pairs = [(name, "none") for name in predictions if name != "none"]
        pairs += [(f"{variant} of {first}", f"{variant} of {second}") for variant in VARIANTS]
        print(f"{learner}, epoch {last}")
        compared(design, predictions, pairs, settings.base.seed)
    columns = {dataset: settings.simulations[dataset].ablation.text for dataset in made}
    widths = {
        dataset: tables.read_features(paths.features(dataset, "text")).schema[column].size
        for dataset, column in columns.items()
    }
    print("ridge on one source alone")
    compared(design, *alone(made, settings, widths), settings.base.seed)
    if ready:
        test = design.rows.filter(split="test").select("post_id")
        predictions = {}
        for name in ready:
            table = pl.read_parquet(paths.predictions(*name.split("/")))
            predictions[name] = test.join(table, on="post_id", how="left", maintain_order="left")[
                "prediction"
            ].to_numpy()
        print("ready predictions")
        compared(design, predictions, [(name, ready[0]) for name in ready[1:]], settings.base.seed)


if __name__ == "__main__":
    main()
