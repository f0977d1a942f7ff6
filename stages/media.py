"""Make a feature block from pictures or videos: ``python -m stages.media smpd-image``."""

from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.features.common.block_run import run_block


@stage
def main(plan: Plan) -> None:
    """Make the feature block KEY, <dataset>-<block> in media of params.yaml."""
    run_block(plan)


if __name__ == "__main__":
    main()
