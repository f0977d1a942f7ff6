"""``popcast report FOLDER``: the report to send on, with the commit and the times of the run that are not in its bytes.

What the stage ``report`` writes is the same for every run of one commit on one kind of processor (decision 025).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.core.processor import processor_kind
from popcast.core.safety.whole_files import whole_folder, write_whole
from popcast.core.stage import one_line_errors

INDEX = "index.html"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@one_line_errors
def report(folder: Path) -> None:
    """Write the report into FOLDER, with commit, processor and fit times.

    FOLDER is new, or holds an earlier copy. Its pages open without network; index.html is whole by itself.
    """
    from popcast.report.made_by.run_facts import with_run

    source = paths.REPORT / INDEX
    if not source.is_file():
        raise bad_input("no report there", file=source, expected="a project whose stage `report` has run: `dvc repro`")
    if folder.resolve() == paths.REPORT.resolve():
        raise bad_input(
            "the folder of the stage itself", file=folder, expected="another one: DVC keeps that one's bytes"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / INDEX).is_file():
        raise bad_input("other files are in it", file=folder, expected="a new folder, or an earlier copy of the report")
    page = with_run(source.read_text(encoding="utf-8"), facts())
    with whole_folder(folder) as part:
        for file in sorted(paths.REPORT.glob("*.html")):
            shutil.copyfile(file, part / file.name)
        write_whole(page.encode(), part / INDEX)
    print(f"{folder / INDEX}: the report, with commit and fit times")


def facts():
    """What is known of the project in the current folder."""
    from popcast.planning.running.progress import read_times
    from popcast.report.made_by.run_facts import RunFacts, StageTime

    commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    times = [StageTime(name, of.seconds, of.cpu, of.peak) for name, of in sorted(read_times().items())]
    return RunFacts(commit, len((changed or "").splitlines()), processor_kind(), times)


def _git(*words: str) -> str | None:
    """What git says; None outside of a repository, or without git."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
