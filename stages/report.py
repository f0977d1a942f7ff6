"""Leaderboard, summary and report page of all datasets: ``python -m stages.report``."""

import click

from popcast import params, paths, report, tables
from popcast.stage import stage


@click.command()
@stage
def main() -> None:
    results = report.collect(*params.read("datasets", "runs", "suites", "evaluation", "adversarial"))
    tables.write_json(report.summary(results), paths.SUMMARY)
    report.write_text(report.leaderboard(results), paths.LEADERBOARD)
    report.write_text(report.page(results), paths.REPORT / "index.html")
    for result in results:
        blend = result.scores["blend"]
        click.echo(f"{result.name}: {report.NAMES[result.metric]} {report.number(blend[f'test.{result.metric}'])}")


if __name__ == "__main__":
    main()
