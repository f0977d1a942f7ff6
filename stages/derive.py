"""Make a feature block from the embedding of another: ``python -m stages.derive smpd-windows``."""

from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.features.common.block_run import run_block


@stage
def main(plan: Plan) -> None:
    """Make the feature block KEY, <dataset>-<block> in derived of params.yaml."""
    run_block(plan, of=plan["of"])


if __name__ == "__main__":
    main()
