"""Raw files and settings, mutated by seed, against the code that reads them: ``python -m tests.faults.fuzz``.

A mutated input is either read, and what comes out keeps its contract, or refused in one line with nothing written. A
traceback, a death, a hang, more than 2 GB of memory, a second line of error or a half-written out fails. Exit code 1
where anything failed; ``--only 37`` repeats one round and keeps its folder.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import orjson

from tests.faults.forked import VERDICT, run_all
from tests.faults.mutations import mutate
from tests.faults.raw_folders import INPUTS
from tests.faults.setting_files import SETTINGS, mutate_settings, write_settings

KEY = "mine"
NOBODY = 65534
LONGEST = 1000


def preload() -> None:
    """Import what the pieces need; nothing is computed, so that a fork is safe."""
    import networkx  # noqa: F401

    import popcast.planning.plan  # noqa: F401

    for encoding in ("utf-8-sig", "utf-16", "cp1251", "cp1252", "gb18030", "cp932", "big5", "euc_kr", "cp437"):
        codecs.lookup(encoding)  # a child that may read nothing could not import it

    for name in ("posts", "population", "response_cases"):
        importlib.import_module(f"stages.{name}")
    for kind in ("smpd", "tpic2017", "microlens", "nus", "smp_video", "table"):
        importlib.import_module(f"popcast.datasets.{kind}")


def formats() -> list[str]:
    return [*INPUTS, *SETTINGS]


def plan_of(folder: Path, name: str) -> tuple[str, list[str]]:
    """Stage and arguments that read ``folder/raw``, its plan file written below the folder."""
    chosen = INPUTS[name]
    file = folder / "data" / "plan" / chosen.stage / f"{KEY}.json"
    file.parent.mkdir(parents=True)
    content = {"stage": chosen.stage, "key": KEY, "settings": chosen.settings("raw")}
    file.write_bytes(orjson.dumps(content))
    return chosen.stage, [KEY]


def outs(folder: Path) -> list[str]:
    """Files that a stage wrote, halves too."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = (path.relative_to(folder) for path in found)
    return sorted(
        str(name)
        for name in names
        if name.parts[0] not in ("raw", "stdout", "stderr", VERDICT) and name.parts[:2] != ("data", "plan")
    )


def checked(stage: str) -> None:
    """What came out keeps the contracts of its tables. Raises BadInput otherwise."""
    from popcast.core import paths, tables
    from popcast.response import response_tables
    from popcast.simulation.audience import population

    if stage == "population":
        population.load(paths.population(KEY))
        return
    if stage == "response_cases":
        for name in ("topics", "responses", "users", "history", "cases", "portraits", "counts"):
            tables.read(paths.responses(KEY, name), getattr(response_tables, name.upper()))
        return
    posts = tables.read(paths.posts(KEY), tables.POSTS)
    tables.labelled(posts, tables.read(paths.splits(KEY), tables.SPLIT_TABLE))
    orjson.loads(paths.quality(KEY).read_bytes())


def read(name: str, folder: Path, change: Callable[[Path], str]) -> str:
    """The verdict on one mutated input: ``passed``, ``refused: line`` or ``failed: why``."""
    os.chdir(folder)
    if name in SETTINGS:
        said, command = change(folder), SETTINGS[name]
        main, arguments = importlib.import_module("popcast.cli").main, command
    else:
        stage, arguments = plan_of(folder, name)
        said = change(folder / "raw")
        main = importlib.import_module(f"stages.{stage}").main
        if "no rights" in said and os.geteuid() == 0:
            for path in (folder, folder / "data"):
                os.chown(path, NOBODY, NOBODY)
            os.setuid(NOBODY)
    before = {file: (folder / file).read_bytes() for file in outs(folder)}
    code = 0
    try:
        main.main(args=arguments, prog_name="popcast", standalone_mode=False)
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    return f"{verdict(name, folder, code, before)} | {said}"


def verdict(name: str, folder: Path, code: object, before: dict[str, bytes]) -> str:
    line = (folder / "stderr").read_bytes().decode("utf-8", "replace")
    written = outs(folder)
    if halves := [file for file in written if ".part" in file]:
        return f"failed: half-written {halves}"
    if code == 0:
        if line:
            return f"failed: says on stderr {line[:300]!r}"
        if name not in SETTINGS:
            checked(INPUTS[name].stage)
        return "passed"
    body = line.removesuffix("\n")
    if code != 1 or not body.startswith("error: ") or "\n" in body:
        return f"failed: code {code}, {line[:600]!r}"
    if not body.isprintable() or len(body) > LONGEST + 20:
        return f"failed: a line of {len(body)} characters, {body[:200]!r}"
    reported = f"metrics/responses/cases/{KEY}.json"  # the report of rejected rows is there in any case
    if {file: (folder / file).read_bytes() for file in written if file != reported} != before:
        return f"failed: refused, but wrote {written}"
    return f"refused: {body}"


def planted(fault: str) -> Callable[[Path], str]:
    """A change that makes the reading code itself faulty, so that tests see the fuzz fail."""

    def plant(folder: Path) -> str:
        from popcast.datasets import loading

        def load(*_):
            if fault == "traceback":
                raise KeyError("planted")
            if fault == "hang":
                import time

                time.sleep(3600)
            if fault == "memory":
                return len(bytearray(os.urandom(1)) * (5 << 29))
            if fault == "death":
                os.abort()
            if fault == "two lines":
                print("a warning", file=sys.stderr)
                raise importlib.import_module("popcast.core.errors").BadInput("refused")
            Path("data/posts").mkdir(parents=True)
            Path("data/posts/mine.parquet.part").write_bytes(b"half")
            raise importlib.import_module("popcast.core.errors").BadInput("refused")

        loading.load = load
        return "planted"

    return plant


def seeds_in(place: Path, names: list[str]) -> None:
    """The valid folders, made in a child: making them computes."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for name in names:
                folder = place / name
                folder.mkdir()
                if name in SETTINGS:
                    write_settings(folder)
                else:
                    (folder / "raw").mkdir()
                    INPUTS[name].write(folder / "raw")
            code = 0
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        sys.exit("error: the valid inputs could not be made")


@click.command()
@click.option("--rounds", default=150, show_default=True, help="mutated inputs")
@click.option("--first", default=0, help="number of the first round")
@click.option("--seed", default=13, show_default=True)
@click.option("--jobs", default=len(os.sched_getaffinity(0)), show_default=True)
@click.option("--limit", default=20.0, show_default=True, help="seconds for one input")
@click.option("--format", "wanted", multiple=True, help="only these formats (a part of the name)")
@click.option("--only", type=int, help="repeat this round alone and keep its folder")
@click.option("--plain", is_flag=True, help="inputs as they are: each must pass")
@click.option("--planted", "fault", help="make the code faulty: traceback, hang, memory, death, two lines, half")
@click.option("--lines", is_flag=True, help="print the line of every refusal")
def main(
    rounds: int, first: int, seed: int, jobs: int, limit: float, wanted: tuple[str, ...], only: int | None, plain: bool,
    fault: str | None, lines: bool,
) -> None:  # fmt: skip
    """Mutate raw files and settings and run the code that reads them."""
    names = [name for name in formats() if not wanted or any(part in name for part in wanted)]
    preload()
    base = Path(tempfile.mkdtemp(prefix="popcast-fuzz-"))
    base.chmod(0o711)
    seeds_in(base, names)

    def pieces() -> Iterator[tuple[str, Path]]:
        for number in [only] if only is not None else range(first, first + (len(names) if plain else rounds)):
            name = names[number % len(names)]
            folder = base / f"round-{number}"
            shutil.copytree(base / name, folder, symlinks=True)
            yield f"{number} {name}", folder

    def work(piece: str, folder: Path) -> str:
        name = piece.partition(" ")[2]
        rng = random.Random(f"{seed} {piece}")
        change = mutate_settings if name in SETTINGS else mutate
        if plain:
            return read(name, folder, lambda _: "as it is")
        return read(name, folder, planted(fault) if fault else lambda raw: change(raw, rng))

    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    slowest, largest, failed = (0.0, ""), 0.0, 0
    for end in run_all(pieces(), work, jobs, limit):
        number, _, name = end.name.partition(" ")
        kind = end.said.split(":")[0].split(" |")[0]
        counts[name][kind] += 1
        slowest, largest = max(slowest, (end.seconds, end.name)), max(largest, end.megabytes)
        if kind == "failed":
            failed += 1
        if kind == "failed" or lines or only is not None:
            print(f"round {number} ({name}): {end.said}")
        if only is None:
            with contextlib.suppress(OSError):
                shutil.rmtree(base / f"round-{number}")
    width = max(map(len, names))
    for name in names:
        own = counts[name]
        print(f"{name:{width}}  {own['passed']:5} read  {own['refused']:5} refused  {own['failed']:3} failed")
    total = sum((counts[name] for name in names), Counter())
    print(
        f"{total.total()} inputs, seed {seed}: {total['passed']} read as their contract asks, {total['refused']} "
        f"refused in one line, {failed} failed; slowest {slowest[0]:.1f} s (round {slowest[1]}), "
        f"largest {largest:.0f} MB"
    )
    if only is None:
        shutil.rmtree(base, ignore_errors=True)
    else:
        print(f"kept: {base}")
    sys.exit(1 if failed or not total.total() else 0)


if __name__ == "__main__":
    main()
