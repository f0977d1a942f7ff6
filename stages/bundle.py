"""Put together what forecasts of new posts need: ``python -m stages.bundle smpd``.

A killed start goes on with its first model that is not fitted on all labels yet.
"""

from popcast.blend.blending import Blend
from popcast.blend.params import Blend as BlendSection
from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import whole_folder
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.datasets.params import Dataset
from popcast.models.contract.finished import Inputs
from popcast.models.contract.fitting import make_design
from popcast.models.params import PlannedRun
from popcast.scoring.params import Evaluation, ScoredRun
from popcast.serving import pipeline_parts
from popcast.serving.audience.bundled_audience import planned_audience, write_audience
from popcast.serving.bundle import Contents
from popcast.serving.bundle_writing import Parts, weighted, write_bundle
from popcast.serving.final_models import forecasting_model
from popcast.serving.reason_files import write_reasons
from popcast.serving.settled_layout import settled_dataset
from popcast.serving.tracking.replay import Played, write_replay


@stage
def main(plan: Plan) -> None:
    """Bundle of the dataset KEY."""
    name, inputs = plan.key, Inputs(plan.key)
    runs = plan.sections("members", PlannedRun)
    left_out = {member: why for member, run in runs.items() if (why := pipeline_parts.why_left_out(run))}
    blend, scores = pipeline_parts.without(
        left_out, inputs.posts, runs, Blend.load(paths.model(name, "blend")), pipeline_parts.scores_of(name),
        plan.sections("runs", ScoredRun), plan.section("blend", BlendSection),
        plan.section("evaluation", Evaluation), plan.settings,
    )  # fmt: skip
    members = list(weighted(blend))
    blocks = sorted({block for member in members for block in runs[member].blocks} | set(blend.width_blocks))
    with Scratch(plan, [*inputs.files(blocks), paths.model(name, "blend") / "weights.json"]) as scratch:

        def model_folder(member: str):
            run = runs[member]
            saved, work = paths.model(name, member, run.suite), scratch.folder / member
            work.mkdir(exist_ok=True)
            return forecasting_model(
                run, saved, lambda: make_design(inputs.posts, inputs.blocks(run.blocks), run.allow_posthoc),
                plan["seed"], plan["final_fit"], work,
            )  # fmt: skip

        def member_table(member: str):
            return tables.read(paths.predictions(name, member, runs[member].suite), tables.PREDICTIONS)

        dataset, names = settled_dataset(plan.section("dataset", Dataset))
        parts = Parts(
            name, dataset, names, plan["seed"], plan["final_fit"], plan["allow_posthoc"], inputs.posts, plan["blocks"],
            runs, blend, scores, lambda block: paths.feature_model(name, block), model_folder, left_out,
        )  # fmt: skip
        with whole_folder(paths.bundle(name)) as folder:
            write_bundle(folder, parts)
            write_reasons(
                folder, inputs.posts, inputs.block, lambda one: paths.model(name, one, runs[one].suite) / "evaluation"
            )
            played = Played(
                name, inputs.posts, blend, {one: member_table(one) for one in blend.members},
                inputs.blocks(list(blend.width_blocks)), plan["final_fit"], plan["allow_posthoc"], plan["zone"],
                plan["seed"], Contents.read(folder).maturity_days,
            )  # fmt: skip
            write_replay(folder, played)
            if plan["audience"] is not None:
                write_audience(folder, planned_audience(plan["audience"], plan["seed"]))
    print(f"{name}: {', '.join(members)} with {len(blocks)} blocks; left out: {', '.join(left_out) or 'none'}")


if __name__ == "__main__":
    main()
