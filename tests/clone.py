"""A temporary copy of the project that runs the whole pipeline at tiny scale with a cache of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def environment() -> dict[str, str]:
    """The tests' Python first on the path, and a git identity for commits in temporary folders."""
    author = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return os.environ | author | {"PATH": os.pathsep.join((str(BIN), os.environ["PATH"]))}


@dataclass(frozen=True)
class Clone:
    """A copy of the project in ``folder``."""

    folder: Path

    def run(self, *command: str) -> str:
        """Output of a command in the folder; fails the test with that output if the command fails."""
        done = subprocess.run(
            command, cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}"
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def repro(self, *arguments: str) -> str:
        """What ``make repro`` does."""
        return self.run(sys.executable, "scripts/repro.py", *arguments)

    def popcast(self, *arguments: str) -> str:
        code = "import sys; sys.path.insert(0, 'src'); from popcast.cli import main; main()"
        return self.run(sys.executable, "-c", code, *arguments)

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def copied_to(self, folder: Path) -> Clone:
        """The same project with its data and cache in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Clone(folder)

    def outs(self) -> dict[str, str]:
        """Hash of every out of every stage as dvc.lock has it."""
        stages = YAML(typ="safe").load(self.folder / "dvc.lock")["stages"]
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}

    def digests(self) -> dict[str, str]:
        """Hash of every file of every out as it lies there, with or without DVC."""
        found = {}
        for name in self.outs():
            path = self.folder / name
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            for file in files:
                if file.name != ".gitignore":
                    key = file.relative_to(self.folder).as_posix()
                    found[key] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def params(self) -> dict:
        return YAML(typ="safe").load(self.folder / "params.yaml")

    def set(self, key: str, value: object) -> None:
        """Change one dotted key of params.yaml."""
        values = self.params()
        place = values
        *way, last = key.split(".")
        for part in way:
            place = place[part]
        place[last] = value
        YAML().dump(values, self.folder / "params.yaml")


def stages_run(output: str) -> set[str]:
    """Names of the stages whose command ran, from what `dvc repro` printed."""
    marks = (line for line in output.splitlines() if line.startswith("Running stage '"))
    return {line.split("'")[1] for line in marks}


def tiny_clone(folder: Path) -> Clone:
    """Working tree of the project (tracked and untracked files) in ``folder`` at tiny scale, committed, not run."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    clone = Clone(folder)
    clone.run("git", "init", "--quiet")
    clone.popcast("use", "tests/tiny.yaml")
    clone.commit("tiny")
    return clone
