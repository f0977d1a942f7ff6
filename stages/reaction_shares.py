"""Shares of reactions that posts, or pieces of news, will get, learned from counts.

python -m stages.reaction_shares weibo
"""

from pathlib import Path

import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import whole_folder
from popcast.core.stage import stage
from popcast.response import response_tables as contracts
from popcast.response.params import ShareRun
from popcast.response.shares import share_plots, share_run
from popcast.response.shares.params import ShareSettings
from popcast.response.shares.share_items import read_posts, read_topics
from popcast.scoring import plots
from popcast.scoring.evaluation import rounded


@stage
def main(plan: Plan) -> None:
    """Model, predictions and scores of KEY, in reaction_shares of params.yaml."""
    run, settings = plan.section("run", ShareRun), plan.section("shares", ShareSettings)
    if run.of == "topics":
        items = read_topics(Path(run.watch), run.classes, plan["zone"])
    else:
        blocks = {block: paths.features(run.dataset, block) for block in run.blocks}
        items = read_posts(Path(run.posts), Path(run.splits), blocks, run.classes, plan["zone"])
    found = share_run.run(items, settings, plan["seed"], run.simulation(), run.bands, plan["final_fit"])
    with whole_folder(paths.share_model(plan.key)) as fresh:
        found.save_models(fresh)
    predicted = share_run.by_class(found.predictions, items.classes)
    tables.write(predicted, paths.shares(run.dataset, run.file), share_run.WRITTEN, contracts.SHARES_KEY)
    about = {"generated": plan["generated"], "of": run.of, "classes": run.classes, "least": settings.least}
    about |= {"confidence": settings.confidence, "notes": found.notes}
    tables.write_json({"about": about, **rounded(found.scores)}, paths.share_metrics(plan.key))
    name = plan.key + (" (generated data)" if plan["generated"] else "")
    made = share_plots.tables_of(found.calibration, found.importances)
    plots.write(made, paths.share_plots(plan.key), name, share_plots.DRAW)
    counted = items.frame.with_columns(total=pl.Series(items.totals)).filter(pl.col("total") > 0)
    print(f"{plan.key}: {items.frame.height} items, {counted.height} with reactions")


if __name__ == "__main__":
    main()
