"""``popcast audience BUNDLE_OR_DATASET TITLE``: a post of your own before the simulated audience."""

from __future__ import annotations

from pathlib import Path

import click

from popcast.commands.forecasting.draft_options import GIVEN_FILE
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input, printable_lines
from popcast.core.stage import one_line_errors


@click.command()
@click.argument("bundle")
@click.argument("title")
@click.option("--category")
@click.option("--subcategory")
@click.option("--concept")
@click.option(
    "--population", help="whom to ask: a key in populations of params.yaml  [that of the dataset's simulation]"
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of words")
@click.option("--page", type=GIVEN_FILE, help="HTML file to write: step through it answer by answer")
@one_line_errors
def audience(
    bundle: str, title: str, population: str | None, as_json: bool, page: Path | None, **topics: str | None
) -> None:
    """Show a post of your own, TITLE, to the simulated audience of BUNDLE: a folder, or a dataset of this project.

    Says who was asked, what they did and how the mean field moved, as the stage `simulate` would have it. A dataset
    without a simulation asks the population `default`, by the rules of the section simulation.
    """
    from popcast.serving.audience.asked_audience import answers, tried

    asked = _of_folder(Path(bundle)) if population is None else None
    asked = asked or _of_project(bundle, population)
    post = {"title": title, **topics}
    if as_json:
        import orjson
        import polars as pl

        found = answers(asked, pl.DataFrame([post], schema=dict.fromkeys(post, pl.String)))
        print(orjson.dumps({"dataset": Path(bundle).name} | found, option=orjson.OPT_INDENT_2).decode())
    one = tried(asked, post) if page is not None or not as_json else None
    if not as_json:
        print(printable_lines("\n".join(one.lines())))
    if page is not None:
        from popcast.report import stepping_page
        from popcast.report.standard import write_text

        write_text(stepping_page.render([one.episode(Path(bundle).name)]), page)
        click.echo(f"\n{page}: opens in a browser, without network", err=as_json)


def _of_folder(folder: Path):
    """The audience of a bundle; None: it is no bundle. BadInput, one line: it has no audience."""
    from popcast.serving.audience.bundled_audience import FILE, PEOPLE, read_audience
    from popcast.serving.bundle import FILE as BUNDLE

    if not (folder / BUNDLE).is_file():
        return None
    if not (folder / FILE).is_file():
        expected = "the bundle of a dataset with a simulation, or a dataset of this project"
        raise bad_input("this bundle has no simulated audience", file=folder, expected=expected)
    return read_audience((folder / FILE).read_bytes(), (folder / PEOPLE).read_bytes())


def _of_project(dataset: str, name: str | None):
    """The audience that ``params.yaml`` gives a dataset."""
    from popcast.planning import project_params
    from popcast.serving.audience.bundled_audience import Audience
    from popcast.simulation.audience import population as people
    from popcast.simulation.params import Work, settings

    known = project_params.load()
    simulation = known.simulations.get(dataset)
    if dataset not in known.datasets:
        others = ", ".join(known.datasets)
        raise BadInput(
            f"datasets.{dataset}: not in {paths.PARAMS}, expected a folder with a bundle, or one of {others}"
        )
    if name is None:
        name = simulation.population if simulation is not None else next(iter(known.populations), "default")
        name = "default" if simulation is None and "default" in known.populations else name
    if name not in known.populations:
        others = ", ".join(known.populations) or "a population to be declared"
        raise BadInput(f"populations.{name}: not in {paths.PARAMS}, expected {others}")
    made, _ = people.make(known.populations[name], known.base.seed)
    chosen = settings(Work() if simulation is None else simulation.simulate, known.simulation)
    return Audience(name, made, chosen, known.base.seed)
