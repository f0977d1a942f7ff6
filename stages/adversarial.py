"""Tell the posts to predict from the training posts: ``python -m stages.adversarial smpd``."""

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.scoring import adversarial, adversarial_plots, plots
from popcast.scoring.params import Adversarial


@stage
def main(plan: Plan) -> None:
    """Adversarial validation of KEY, in adversarial of params.yaml."""
    dataset, section = plan.key, plan.section("adversarial", Adversarial)
    inputs = [paths.posts(dataset), paths.splits(dataset)]
    authors, splits = tables.read(inputs[0], tables.POSTS), tables.read(inputs[1], tables.SPLIT_TABLE)
    splits = tables.labelled(authors.select("post_id", "user_id"), splits)
    inputs += [paths.features(dataset, block) for block in section.blocks]
    features = splits.select("post_id")
    for file in inputs[2:]:
        features = features.join(tables.read_features(file), on="post_id", how="left", maintain_order="left")
    with Scratch(plan, inputs) as scratch:
        result = adversarial.validate(splits, features, section, plan["seed"], scratch.array)
        tables.write(adversarial.post_weights(result, section.clip), paths.adversarial(dataset), tables.ADVERSARIAL)
        tables.write_json(adversarial.numbers(result, section.clip), paths.adversarial_metrics(dataset))
        name = f"{dataset} (generated data)" if plan["generated"] else dataset
        pictured = adversarial_plots.tables_of(result)
        plots.write(pictured, paths.adversarial_plots(dataset), name, adversarial_plots.DRAW)
    ladder = ", ".join(f"{len(step.shares)} columns {step.auc:.3f} ({step.auc_by_post:.3f})" for step in result.steps)
    how = "folds of whole authors (of single posts)" if result.by_author else "folds of single posts: too few authors"
    print(f"{dataset}: train against {section.against}: AUC of {ladder}; {how}")


if __name__ == "__main__":
    main()
