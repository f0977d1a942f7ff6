"""Leaderboard, summary and report page of all datasets: ``python -m stages.report``."""

import click

from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.report import fewshot_chapter, simulation_chapter, standard, stepping_page


@click.command()
@stage
def main() -> None:
    datasets, runs, llm_runs, suites = params.read("datasets", "runs", "llm_runs", "suites")
    evaluation, adversarial, tasks, simulations = params.read("evaluation", "adversarial", "tasks", "simulations")
    results = standard.collect(datasets, runs | llm_runs, suites, evaluation, adversarial)
    tracks = fewshot_chapter.collect(tasks)
    audiences = simulation_chapter.collect(simulations)
    summary = standard.summary(results) | fewshot_chapter.summary(tracks) | simulation_chapter.summary(audiences)
    tables.write_json(summary, paths.SUMMARY)
    leaderboard = (
        standard.leaderboard(results) + fewshot_chapter.markdown(tracks) + simulation_chapter.markdown(audiences)
    )
    standard.write_text(leaderboard, paths.LEADERBOARD)
    standard.write_text(standard.page(results, [*tracks, *audiences]), paths.REPORT / "index.html")
    stepping = paths.REPORT / simulation_chapter.PAGE
    stepping.unlink(missing_ok=True)
    if audiences:
        standard.write_text(stepping_page.render([chapter.audience for chapter in audiences], "index.html"), stepping)
    for result in results:
        blend = result.scores["blend"]
        click.echo(f"{result.name}: {standard.NAMES[result.metric]} {standard.number(blend[f'test.{result.metric}'])}")


if __name__ == "__main__":
    main()
