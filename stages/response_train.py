"""Stage ``response_train``: a base that learns to write, and every system that is tuned on it.

A killed stage goes on where it was: python -m stages.response_train weibo
Several GPUs: accelerate launch --config_file recipes/accelerate/ddp.yaml -m stages.response_train weibo
"""

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.lm.training_frame import is_main
from popcast.response.writing import system_training
from popcast.response.writing.askings import TABLES, read_data


@stage
def main(plan: Plan) -> None:
    """Base and systems of the responses KEY, in responses of params.yaml."""
    inputs = [paths.responses(plan.key, name) for name in TABLES]
    system_training.run(plan, read_data(plan.key), inputs, lambda said: is_main() and print(said, flush=True))


if __name__ == "__main__":
    main()
