"""Stage ``plan``: check params.yaml as a whole and write what each stage instance is told.

python -m stages.plan
"""

import click

from popcast.core.stage import one_line_errors
from popcast.planning import plan, project_params


@click.command()
@one_line_errors
def main() -> None:
    """Write data/plan/<stage>/<key>.json for every stage instance of params.yaml."""
    print(f"plan: {plan.write(project_params.load())} stage instances")


if __name__ == "__main__":
    main()
