"""Weigh the single models of a dataset into one prediction: ``python -m stages.blend smpd``."""

import polars as pl

from popcast.blend import blending
from popcast.blend.params import Blend
from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.stage import stage


@stage
def main(plan: Plan) -> None:
    """Blend of the dataset KEY."""
    dataset, section = plan.key, plan.section("blend", Blend)
    posts = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    files = {name: paths.predictions(dataset, name, suite) for name, suite in plan["members"].items()}
    predictions = {name: tables.read(file, tables.PREDICTIONS) for name, file in files.items()}
    features = {block: tables.read_features(paths.features(dataset, block)) for block in plan["width_blocks"]}
    blended, fitted = blending.blend(
        posts, predictions, section, plan["metric"], plan["allow_posthoc"], plan["final_fit"], features, plan["seed"]
    )
    tables.write(blended, paths.predictions(dataset, "blend"), tables.PREDICTIONS)
    fitted.save(paths.model(dataset, "blend"))
    shown = sorted(zip(fitted.weights["all"], fitted.members, strict=True), key=lambda pair: (-pair[0], pair[1]))
    weights = ", ".join(f"{name} {weight:.3f}" for weight, name in shown if weight > 0)
    unlabelled = blended.filter(pl.col("split") == "unlabelled").height
    fitted_on = ", ".join(f"{count} {name}" for name, count in fitted.rows.items())
    print(f"{dataset}: {fitted.method} of {weights} fitted on {fitted_on}")
    print(f"{dataset}: {blended.height} posts, {unlabelled} of them unlabelled")
    if fitted.widths is not None:
        tried = ", ".join(f"{name} {score:.3f}" for name, score in sorted(fitted.widths.scores.items()))
        print(
            f"{dataset}: widths {fitted.widths.method}" + (f"; interval score on valid posts: {tried}" if tried else "")
        )


if __name__ == "__main__":
    main()
