"""Generate the raw folder of one dataset: ``python -m stages.sample smpd``."""

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.datasets.sample import generate


@stage
def main(plan: Plan) -> None:
    """Write data/raw/KEY and data/hidden/KEY.csv, KEY in sample of params.yaml."""
    generate(plan.key, plan["sample"], plan["seed"], paths.raw(plan.key), paths.hidden_labels(plan.key))


if __name__ == "__main__":
    main()
