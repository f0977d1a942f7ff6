"""``popcast``: the few things around the pipeline that `dvc` does not do. ``popcast COMMAND --help`` says more."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

import click
import orjson

from popcast.commands.captioning.caption_command import caption
from popcast.commands.forecasting.audience_command import audience
from popcast.commands.forecasting.explain_command import explain
from popcast.commands.forecasting.export_command import export
from popcast.commands.forecasting.forecast_command import forecast
from popcast.commands.forecasting.observe_command import observe
from popcast.commands.forecasting.serve_command import serve
from popcast.commands.forecasting.track_command import track
from popcast.commands.init_command import init
from popcast.commands.lay_over import lay_over
from popcast.commands.pretrained_command import pretrained
from popcast.commands.report_command import report
from popcast.commands.run_command import run
from popcast.commands.searching.search_command import search
from popcast.commands.show import show
from popcast.core import params, paths
from popcast.core.errors import BadInput, printable_lines
from popcast.core.processor import processor_kind
from popcast.core.safety.whole_files import write_whole
from popcast.core.stage import one_line_errors
from popcast.planning import plot_definitions, project_params
from popcast.planning.leftovers import IDLE, cut_short, dead_entries, drop_entries, leftovers, remove
from popcast.planning.status import stage_name
from popcast.simulation.params import PersonaPolicy, ServerPolicy, TransformersPolicy
from popcast.simulation.params import settings as audience_settings

PACKAGES = (
    "popcast",
    "dvc",
    "polars",
    "scikit-learn",
    "catboost",
    "lightgbm",
    "torch",
    "transformers",
    "sentence-transformers",
    "peft",
    "trl",
)
GIVEN_FILE = click.Path(dir_okay=False, path_type=Path)
GIVEN_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="popcast")
def main() -> None:
    """Forecasts how popular a social media post will be. The pipeline itself runs with `dvc repro`."""


@main.command()
@click.argument("overlay", type=GIVEN_FILE)
@click.option("--raw", type=GIVEN_FOLDER, help="folder that stands for the word RAW in the overlay")
@one_line_errors
def use(overlay: Path, raw: Path | None) -> None:
    """Write the sections of OVERLAY (YAML) into params.yaml.

    Sections that name datasets (sample, datasets, splits, blocks, media, derived, runs, suites, adversarial, tasks,
    llms, llm_runs, feature_rows, populations, simulations, responses, reaction_shares) are replaced as wholes, and
    empty where OVERLAY leaves them out; all others are merged key by key. What a stage needs and no other stage makes
    is refused in one line. Leaderboard, summary and report of other datasets or runs are removed: the next run writes
    its own. `git checkout params.yaml metrics` undoes it, `dvc checkout` brings the report back.
    """
    lay_over(overlay, raw)


@main.command()
@one_line_errors
def plots() -> None:
    """Write metrics/dvc.yaml anew, as `popcast use` does: what `dvc plots` draws for the datasets of params.yaml."""
    plot_definitions.write(project_params.load())
    print(f"{plot_definitions.FILE}: plots of {', '.join(project_params.load().datasets)}")


@main.command()
@one_line_errors
def check() -> None:
    """Check params.yaml as a whole, as the stage `plan` does: keys, values, references between sections, names.

    Blocks whose vectors no run reads are named.
    """
    from popcast.commands.unread_vectors import unread_vectors
    from popcast.planning import plan

    params = project_params.load()
    print(f"{paths.PARAMS}: valid, {len(plan.all_instances(params))} stage instances")
    for line in unread_vectors(params):
        print(line)


@main.command()
@one_line_errors
def status() -> None:
    """Say which stages would run now, and why: which setting, which source file, which version.

    Changed data are not looked at: `dvc status` sees those.
    """
    from popcast.planning import plan
    from popcast.planning.status import status as stale

    planned = plan.contents(project_params.load())
    found = stale(planned)
    for one in found:
        print(one.name)
        for reason in one.reasons:
            print(f"    {reason}")
        if one.after:
            print(f"    after {', '.join(one.after)}")
    print(f"{len(found)} of {len(planned)} stages would be looked at; a result that stays the same stops what follows.")


@main.command()
@click.option("--dry-run", is_flag=True, help="only list")
@one_line_errors
def tidy(dry_run: bool) -> None:
    """Remove what stages made for datasets, blocks, runs and suites that params.yaml no longer names.

    The entries of such stages leave dvc.lock as well, and DVC's cache loses copies that a full disk cut short.
    """
    from popcast.planning import plan

    params = project_params.load()
    found = leftovers(params) + cut_short(idle=IDLE)
    for path in found:
        print(path)
        if not dry_run:
            remove(path)
    names = {"plan"} | {stage_name(paths.plan(one.stage, one.key)) for one in plan.all_instances(params)}
    dead = dead_entries(names)
    if dead and not dry_run:
        drop_entries(dead)
    done = "found" if dry_run else "removed"
    print(f"{len(found)} leftovers and {len(dead)} dead entries of dvc.lock {done}.")


@main.command()
@click.option("--dataset", default="smpd", show_default=True, help="key in datasets of params.yaml, of kind smpd")
@click.option("--out", type=GIVEN_FILE, required=True, help="JSON file to write")
@click.option("--name", default="blend", show_default=True, help="whose predictions: blend or a run")
@click.option("--version", default="popcast", show_default=True, help="the file's version text")
@click.option("--external", help="description of external data that was used")
@one_line_errors
def submit(dataset: str, out: Path, name: str, version: str, external: str | None) -> None:
    """Write the predictions of SMPD's test part as a result file of the SMP Challenge."""
    from popcast.core import tables
    from popcast.report import submission

    section = project_params.entry("datasets", dataset)
    if section.kind != "smpd":
        raise BadInput(
            f"datasets.{dataset}.kind: got {section.kind!r}, expected 'smpd': only SMPD has a challenge file"
        )
    suite = next((run.suite for run in project_params.load().runs_of(dataset) if run.name == name), None)
    predictions = tables.read(paths.predictions(dataset, name, suite), tables.PREDICTIONS)
    order = submission.test_order(Path(section.raw))
    result = submission.challenge_result(order, predictions.select("post_id", "prediction"), version, external)
    tables.write_json(result, out)
    print(f"{out}: {len(order)} posts in the order of the test file")


@main.command()
@click.argument("task")
@click.option("--limit", default=2, show_default=True, help="how many")
@one_line_errors
def prompts(task: str, limit: int) -> None:
    """Show prompts of a few-shot TASK with their true answers, as its language model reads them."""
    from popcast.core import tables
    from popcast.fewshot import score_prompts as writing
    from popcast.lm import backbone

    section = project_params.entry("tasks", task)
    tokenizer = backbone.load_tokenizer(paths.base_model(section.source))
    settings = params.parse(writing.Params, project_params.load().llm.get("prompts", {}), "llm.prompts")
    writer = writing.PromptWriter(tokenizer, settings, section.template)
    records = tables.read(paths.records(task), tables.RECORDS)
    posts = tables.read(paths.posts(section.dataset), tables.POSTS)
    print(printable_lines("\n\n".join(writing.examples(records, posts, writer, section, limit))))


@main.command()
@click.argument("tuned", type=GIVEN_FOLDER)
@click.argument("out", type=GIVEN_FOLDER)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "base"]),
    default="float32",
    show_default=True,
    help="of the weights written; base: as the base's files, half the size where those are bfloat16, but rounded",
)
@one_line_errors
def merge(tuned: Path, out: Path, dtype: str) -> None:
    """Merge a LoRA adapter into its base and write whole weights to OUT, for any tool that reads them.

    TUNED is a folder such as models/aligned/smpd/multismpllm/shots_3. The sum is made on the processor in float32: 4
    bytes of memory per weight.
    """
    from popcast.lm import tuning

    tuning.merge(tuned, out, dtype)
    print(f"{out}: whole weights and tokenizer")


@main.command()
@click.argument("raw", type=GIVEN_FOLDER)
@click.option("--kind", type=click.Choice(["collector", "ced"]), default="collector", show_default=True)
@click.option("--report", type=GIVEN_FILE, help="JSON file to write")
@click.option("--salt-variable", default="POPCAST_SALT", show_default=True)
@click.option("--max-reject-share", type=click.FloatRange(0, 1), default=0.05, show_default=True)
@one_line_errors
def responses(raw: Path, kind: str, report: Path | None, salt_variable: str, max_reject_share: float) -> None:
    """Dry run over a folder of collected responses, RAW: what would be kept, what is rejected and why.

    Writes nothing but the report. Exit code 1 where more rows are rejected than allowed.
    """
    from popcast.response.importing import dry_run
    from popcast.response.params import ResponseSet

    values = {"kind": kind, "raw": str(raw), "salt_variable": salt_variable, "max_reject_share": max_reject_share}
    found = dry_run.check(raw, params.parse(ResponseSet, values, "responses"))
    if report is not None:
        write_whole(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n", report)
    for name, of in found["formats"].items():
        reasons = ", ".join(f"{reason} {count}" for reason, count in of["rejected"].items())
        noted = ", ".join(f"{fact} {count}" for fact, count in of["noted"].items())
        parts = [f"{of['read']} read, {of['kept']} kept"]
        parts += [f"rejected: {reasons}"] if reasons else []
        parts += [f"noted: {noted}"] if noted else []
        print(printable_lines(f"{name}: {'; '.join(parts)}"))
    if found["error"] is not None:
        raise BadInput(found["error"])
    print(", ".join(f"{count} {name}" for name, count in found["tables"].items()))


@main.command()
@one_line_errors
def doctor() -> None:
    """Say what this machine and this project have: versions, threads, remote, optional models."""
    print(f"Python {platform.python_version()}, {platform.platform()}")
    print(", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    threads = os.environ.get("POPCAST_THREADS", "2")
    print(processor())
    print(f"cores: {os.cpu_count()}; a stage uses POPCAST_THREADS={threads} (other numbers, other last digits)")
    settings = project_params.load()
    runs = sum(len(settings.runs_of(name)) for name in settings.datasets)
    print(f"params.yaml: {len(settings.datasets)} datasets, {runs} runs, valid")
    for name, section in settings.datasets.items():
        print(f"datasets.{name}.raw: {section.raw}: {'there' if Path(section.raw).is_dir() else 'not there yet'}")
    print(f"remote: {_remote()}")
    for key, encoder in _encoders(settings.features):
        print(f"{key}: {encoder}: {_where(encoder)}")
    for name, llm in settings.llms.items():
        print(f"llms.{name}.base: {_base(llm.base)}")
    for name, simulation in settings.simulations.items():
        policy = audience_settings(simulation.simulate, settings.simulation).policy
        print(f"simulations.{name}: personas answered by {_answering(policy)}")


def processor() -> str:
    """This machine's processor kind, and that of the committed tables where it is another one."""
    here = processor_kind()
    made = orjson.loads(paths.SUMMARY.read_bytes()).get("processor") if paths.SUMMARY.exists() else None
    if made in (None, here):
        return f"processor: {here}"
    return (
        f"processor: {here}; metrics/summary.json was made on {made}: figures may differ in their last digits, and "
        "outs get other hashes, without any change of yours (docs/decisions/013-same-bytes-same-processor.md)"
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _remote() -> str:
    """Default remote of the cache as `dvc config` knows it."""
    command = [sys.executable, "-m", "dvc", "remote", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().replace("\t", " ") or "none: `dvc remote add -d NAME URL`"


def _encoders(features: dict) -> list[tuple[str, str]]:
    """Pretrained models that params.yaml names: (dotted key, id or folder)."""
    sections = ((block, section) for block, section in features.items() if isinstance(section, dict))
    return [(f"features.{name}.encoder", part["encoder"]) for name, part in sections if part.get("encoder")]


def _base(base: dict) -> str:
    """Where the base of a language model comes from."""
    if not base.get("pretrained"):
        return "made here, a stand-in for a pretrained model"
    model = base["pretrained"]["model"]
    return f"{model}: {_where(model)}"


def _answering(policy: PersonaPolicy | TransformersPolicy | ServerPolicy) -> str:
    """Who answers for the personas of a simulation, and where that is. A server is not asked."""
    if policy.kind == "persona":
        return "rules, a stand-in for a language model"
    if policy.kind == "transformers":
        return f"{policy.model}: {_where(policy.model)}"
    key = policy.key_variable
    known = "no key" if key is None else f"key in {key}: {'set' if os.environ.get(key) else 'not set'}"
    return f"{policy.model} at {policy.url}, {known}"


def _where(encoder: str) -> str:
    """Where a model will come from: a folder, an installed package, or the model hub."""
    if Path(encoder).is_dir():
        return "local folder"
    if "/" not in encoder and util.find_spec(encoder.replace("-", "_").replace(".", "_")):
        return "installed package, works offline"
    from huggingface_hub import try_to_load_from_cache

    cached = isinstance(try_to_load_from_cache(encoder, "config.json"), str)
    return "in the local cache of the model hub" if cached else "not here, will be downloaded from the model hub"


main.add_command(init)
main.add_command(run)
main.add_command(pretrained)
main.add_command(show)
main.add_command(report)
main.add_command(export)
main.add_command(forecast)
main.add_command(explain)
main.add_command(observe)
main.add_command(track)
main.add_command(audience)
main.add_command(serve)
main.add_command(search)
main.add_command(caption)

if __name__ == "__main__":
    main()
