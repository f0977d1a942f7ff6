"""Leaderboard, summary and report page of all datasets: ``python -m stages.report``."""

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.processor import processor_kind
from popcast.core.safety.whole_files import whole_folder
from popcast.core.stage import stage
from popcast.report import fewshot_chapter, response_chapter, response_page, simulation_chapter, standard, stepping_page
from popcast.report.headline import headline
from popcast.report.page.index_page import page
from popcast.report.params import ReportedDataset
from popcast.report.single_posts import examples_shown
from popcast.scoring.params import Evaluation


@stage
def main(plan: Plan) -> None:
    """Everything that people read."""
    results = standard.collect(plan.sections("datasets", ReportedDataset), plan.section("evaluation", Evaluation))
    tracks = fewshot_chapter.collect(plan["tasks"])
    audiences = simulation_chapter.collect(plan["simulations"])
    responses = response_chapter.collect(plan["responses"])
    shares = response_chapter.collect_shares(plan["shares"])
    summary = standard.summary(results) | fewshot_chapter.summary(tracks) | simulation_chapter.summary(audiences)
    summary |= response_chapter.summary(responses, shares)
    processor = processor_kind()
    tables.write_json(summary | {"processor": processor}, paths.SUMMARY)
    tables.write_json(headline(results, tracks), paths.HEADLINE)
    chapters = (standard.leaderboard(results), fewshot_chapter.markdown(tracks), simulation_chapter.markdown(audiences))
    said = "".join((*chapters, response_chapter.markdown(responses, shares)))
    standard.write_text(said, paths.LEADERBOARD)
    with whole_folder(paths.REPORT) as folder:
        generated = {result.name: result.generated for result in results}
        examples = examples_shown.collect(generated)
        whole = page(results, [*tracks, *audiences, *responses, *shares], examples, processor)
        standard.write_text(whole, folder / "index.html")
        if audiences:
            audience = [chapter.audience for chapter in audiences]
            standard.write_text(stepping_page.render(audience, "index.html"), folder / simulation_chapter.PAGE)
        if responses:
            cases = [chapter.cases for chapter in responses]
            standard.write_text(response_page.render(cases, "index.html"), folder / response_chapter.PAGE)
    for result in results:
        blend = result.scores["blend"]
        print(f"{result.name}: {standard.NAMES[result.metric]} {standard.number(blend[f'test.{result.metric}'])}")


if __name__ == "__main__":
    main()
