"""Make a feature block from pictures or videos: ``python -m stages.media smpd-image``."""

from pathlib import Path

from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.features.common.block_run import run_block
from popcast.features.common.contract import Context


@stage
def main(plan: Plan) -> None:
    """Make the feature block KEY, <dataset>-<block> in media of params.yaml."""
    run_block(plan, Context(plan["dataset"], plan["seed"], raw=Path(plan["raw"])))


if __name__ == "__main__":
    main()
