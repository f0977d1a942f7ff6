"""``python -m tests.mutants``: 200 mutants of the core; prints what was killed, what survived and what is no mutant."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # a module of before must not stand in for its mutant

import click  # noqa: E402

from tests.conftest import ROOT  # noqa: E402
from tests.mutants import drill  # noqa: E402
from tests.mutants.targets import EQUIVALENT, TARGETS  # noqa: E402


@click.command()
@click.option("--count", default=200, show_default=True, help="mutants in all")
@click.option("--per-file", default=5, show_default=True)
@click.option("--seed", default=42, show_default=True)
@click.option("--only", multiple=True, default=[""], help="files whose path holds this; may be given several times")
def main(count: int, per_file: int, seed: int, only: tuple[str, ...]) -> None:
    """Change the core in small wrong ways and name the changes that no test notices. Exit status 1 if there are any."""
    os.chdir(ROOT)
    drill.preload()
    found: Counter[str] = Counter()
    allowed: dict[tuple[str, ...], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = drill.Copy(Path(folder))
        for file, mutant in drill.chosen(per_file, count, seed, only):
            where = f"src/popcast/{file}:{mutant.line}"
            if (file, mutant.place, mutant.change) in EQUIVALENT:
                found["equivalent"] += 1
                continue
            tests = tuple(TARGETS[file])
            if tests not in allowed:
                start = time.monotonic()
                if copy.verdict(file, None, 600) != "survived":
                    raise click.ClickException(f"tests of {file} fail as it is: nothing to be learned from mutants")
                allowed[tests] = 20 + 4 * (time.monotonic() - start)
                click.echo(f"{file}: its tests take {time.monotonic() - start:.0f} s")
            said = copy.verdict(file, mutant, allowed[tests])
            found[said.partition(",")[0]] += 1
            if said != "killed":
                click.echo(f"{said}: {where}: {mutant.place}: {mutant.change}")
    click.echo(f"{sum(found.values())} mutants: " + ", ".join(f"{found[key]} {key}" for key in KINDS))
    sys.exit(1 if found["survived"] else 0)


KINDS = ("killed", "survived", "equivalent")

if __name__ == "__main__":
    main()
