"""Leaderboard, summary and report page of all datasets: ``python -m stages.report``."""

import click

from popcast import params, paths, report, simulation_report, tables, track_report
from popcast.simulation import page
from popcast.stage import stage


@click.command()
@stage
def main() -> None:
    datasets, runs, llm_runs, suites = params.read("datasets", "runs", "llm_runs", "suites")
    evaluation, adversarial, tasks, simulations = params.read("evaluation", "adversarial", "tasks", "simulations")
    results = report.collect(datasets, runs | llm_runs, suites, evaluation, adversarial)
    tracks = track_report.collect(tasks)
    audiences = simulation_report.collect(simulations)
    summary = report.summary(results) | track_report.summary(tracks) | simulation_report.summary(audiences)
    tables.write_json(summary, paths.SUMMARY)
    leaderboard = report.leaderboard(results) + track_report.markdown(tracks) + simulation_report.markdown(audiences)
    report.write_text(leaderboard, paths.LEADERBOARD)
    report.write_text(report.page(results, [*tracks, *audiences]), paths.REPORT / "index.html")
    stepping = paths.REPORT / simulation_report.PAGE
    stepping.unlink(missing_ok=True)
    if audiences:
        report.write_text(page.render([chapter.audience for chapter in audiences], "index.html"), stepping)
    for result in results:
        blend = result.scores["blend"]
        click.echo(f"{result.name}: {report.NAMES[result.metric]} {report.number(blend[f'test.{result.metric}'])}")


if __name__ == "__main__":
    main()
