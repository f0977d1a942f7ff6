"""Make one feature block of one dataset from its table of posts: ``python -m stages.features smpd-history``."""

from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.features.common.block_run import run_block
from popcast.features.common.contract import Context


@stage
def main(plan: Plan) -> None:
    """Make the feature block KEY, <dataset>-<block> in blocks of params.yaml."""
    run_block(plan, Context(plan["dataset"], plan["seed"], zone=plan["zone"], final_fit=plan["final_fit"]))


if __name__ == "__main__":
    main()
