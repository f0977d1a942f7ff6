"""Leaderboard, summary and report page of all datasets: ``python -m stages.report``."""

import click

from popcast import params, paths, report, tables, track_report
from popcast.stage import stage


@click.command()
@stage
def main() -> None:
    datasets, runs, llm_runs, suites = params.read("datasets", "runs", "llm_runs", "suites")
    evaluation, adversarial, tasks = params.read("evaluation", "adversarial", "tasks")
    results = report.collect(datasets, runs | llm_runs, suites, evaluation, adversarial)
    chapters = track_report.collect(tasks)
    tables.write_json(report.summary(results) | track_report.summary(chapters), paths.SUMMARY)
    report.write_text(report.leaderboard(results) + track_report.markdown(chapters), paths.LEADERBOARD)
    report.write_text(report.page(results, chapters), paths.REPORT / "index.html")
    for result in results:
        blend = result.scores["blend"]
        click.echo(f"{result.name}: {report.NAMES[result.metric]} {report.number(blend[f'test.{result.metric}'])}")


if __name__ == "__main__":
    main()
