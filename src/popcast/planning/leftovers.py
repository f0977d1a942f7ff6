"""What stages made for datasets, blocks, runs and suites that params.yaml no longer names: ``popcast tidy``.

DVC keeps the entries of such stages in dvc.lock for ever, and reads and writes them with every stage; they go too. So
do copies into its cache that a full disk cut short.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.core.safety.whole_files import write_whole
from popcast.planning import instances
from popcast.planning.project_params import Params

LOCK = Path("dvc.lock")
CACHE = Path(".dvc/cache")
IDLE = 3600.0
"""Seconds after which a copy that nobody goes on writing counts as cut short."""
KEEPER = ".gitignore"
"""Keeps a folder in git on which the stage ``report`` depends."""
_STAGE = re.compile(r"^  ([a-z_]+(?:@[A-Za-z0-9_-]+)?):\n", re.MULTILINE)
"""The line that begins an entry."""


def leftovers(settings: Params) -> list[Path]:
    """Files and folders below data, models, metrics and plots that no stage of params.yaml makes, sorted.

    Only what popcast's own stages made for a dataset, block, run or suite since dropped: raw folders are left alone.
    """
    names = set(settings.datasets)
    keep = set()
    for name in names:
        keep |= {paths.posts(name), paths.splits(name), paths.quality(name), paths.plots(name), paths.metrics(name)}
        keep |= {paths.predictions(name, "blend"), paths.model(name, "blend"), paths.bundle(name)}
        for block in settings.blocks_of(name):
            keep |= {paths.features(name, block), paths.feature_model(name, block)}
        for run in settings.runs_of(name):
            keep |= {paths.predictions(name, run.name, run.suite), paths.model(name, run.name, run.suite)}
    adversarial = (paths.adversarial, paths.adversarial_metrics, paths.adversarial_plots)
    populations = (paths.population, paths.population_metrics)
    keep |= {maker(name) for name in settings.adversarial for maker in adversarial}
    keep |= {path for task in settings.tasks for path in _of_task(task)}
    keep |= {path for llm in settings.llms for path in _of_llm(llm)}
    keep |= {path for name in settings.simulations for path in _of_simulation(name)}
    keep |= {maker(name) for name in settings.populations for maker in populations}
    keep |= {path for name in settings.responses for path in _of_responses(name)}
    keep |= {path for name in settings.reaction_shares for path in _of_shares(name)}
    keep |= {paths.shares(run.dataset, run.file) for run in settings.reaction_shares.values()}
    single = (paths.posts, paths.splits, paths.quality, paths.plots, paths.metrics, paths.members)
    places = [
        *(maker("*") for maker in (*single, *adversarial, *populations)),
        *_of_task("*"),
        *_of_llm("*"),
        *_of_simulation("*"),
        *_of_responses("*"),
        *_of_shares("*"),
        paths.shares("*", "*"),
        paths.predictions("*", "*"),
        paths.members("*", "*"),
        paths.predictions("*", "blend"),
        paths.features("*", "*"),
        paths.feature_model("*", "*"),
        paths.model("*", "*"),
        paths.bundle("*"),
    ]
    found = {path for place in places for path in Path().glob(str(place)) if path.name != KEEPER}
    needed = keep | {parent for path in keep for parent in path.parents}
    features_root = paths.feature_model("*", "*").parent.parent
    kept = (features_root, paths.PRETRAINED)
    gone = {path for path in found if path not in needed and path.parent not in kept}
    return sorted(path for path in gone if not gone & set(path.parents))


def foreign_results(before: Params | None, after: Params) -> list[Path]:
    """Leaderboard, summary, headline and report pages, where they are of other datasets or runs than ``after`` has.

    before: params.yaml as it was; None where it was none that could be read.
    """
    told = [None if one is None else [report.settings for report in instances.report(one)] for one in (before, after)]
    if told[0] == told[1]:
        return []
    pages = sorted(paths.REPORT.glob("*.html"))
    return [path for path in (paths.LEADERBOARD, paths.SUMMARY, paths.HEADLINE, *pages) if path.exists()]


def _of_task(task: str) -> list[Path]:
    """Everything that stages make for one few-shot task."""
    tables = [paths.instructions(task), *(paths.answers(task, who) for who in ("llm", "features"))]
    return [*tables, paths.track_metrics(task), paths.track_plots(task)]


def _of_llm(llm: str) -> list[Path]:
    """Everything that stages make for one language model."""
    curves = [paths.training_curves(stage, llm) for stage in ("sft", "align")]
    tables = [paths.preferences(llm), paths.preference_counts(llm)]
    return [paths.base_model(llm), paths.sft(llm), paths.aligned(llm), *tables, *curves]


def _of_responses(key: str) -> list[Path]:
    """Everything that stages make for one set of responses."""
    tables = [paths.responses(key), paths.generated(key), paths.response_predictions(key)]
    figures = [paths.response_cases(key), paths.response_metrics(key)]
    return [*tables, paths.response_model(key), paths.response_curves(key), *figures, paths.response_plots(key)]


def _of_shares(key: str) -> list[Path]:
    """What the stage ``reaction_shares`` makes, but its predictions."""
    return [paths.share_model(key), paths.share_metrics(key), paths.share_plots(key)]


def _of_simulation(name: str) -> list[Path]:
    """Everything that stages make for one simulated audience, but its feature blocks."""
    numbers = [paths.simulation_metrics(name), paths.ablation_metrics(name)]
    return [paths.simulation(name), *numbers, paths.simulation_plots(name), paths.ablation_plots(name)]


def remove(path: Path) -> None:
    """Remove a file or a folder, and the folders above it that are empty then."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    for parent in path.parents:
        if parent == Path() or any(parent.iterdir()):
            break
        parent.rmdir()


def cut_short(cache: Path = CACHE, idle: float = 0.0) -> list[Path]:
    """Copies into DVC's cache that a full disk or a kill cut short; no object ever has such a name.

    idle: seconds for which nothing was written to them; others may belong to a dvc command that runs now.
    """
    now = time.time()
    return [path for path in sorted(cache.glob("**/.*.tmp")) if now - path.stat().st_mtime >= idle]


def dead_entries(names: set[str], lock: Path = LOCK) -> list[str]:
    """Stages in dvc.lock that are none of ``names`` (as ``train@smpd-hyfea``), in the order of the file."""
    if not lock.exists():
        return []
    return [name for name, _ in _entries(lock.read_text(encoding="utf-8")) if name and name not in names]


def drop_entries(dead: list[str], lock: Path = LOCK) -> None:
    """Take the entries of these stages out of dvc.lock; all others keep their bytes.

    Raises BadInput where another entry refers to one of them: a run writes it anew, and then it does not.
    """
    kept = [text for name, text in _entries(lock.read_text(encoding="utf-8")) if name not in dead]
    try:
        YAML(typ="safe").load("".join(kept))
    except YAMLError:
        raise bad_input("other entries refer to dead ones", file=lock, expected="`dvc repro` before it") from None
    write_whole("".join(kept).encode(), lock)


def _entries(text: str) -> list[tuple[str, str]]:
    """A lock file cut before every stage: (name, text); the head has the name ""."""
    starts = [match.start() for match in _STAGE.finditer(text)]
    parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [("", text[: starts[0]] if starts else text), *((_STAGE.match(part)[1], part) for part in parts)]
