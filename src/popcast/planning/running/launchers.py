"""Where the command of a stage runs: here, behind a prefix (srun, sky exec) or in a Slurm batch job.

A launcher runs the commands of one stage one after the other and blocks until the last has ended, so the runner calls
it in a thread per stage. All forms but the local one need the project folder at the same place on the other machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from popcast.planning.running.commands import Command, Finished

LOGS = Path(".scratch/launch")
CARRIED = ("POPCAST_", "DVC_")  # environment that a launcher without an environment of its own takes along


class Launcher(Protocol):
    def run(self, command: Command, say: Callable[[str], None]) -> Finished:
        """Run all lines of ``command``; output goes to ``say`` line by line."""

    def stop(self, signum: int) -> None:
        """End all that runs; returns at once."""


def default_shell() -> list[str]:
    """The shell that DVC takes as well: the user's without its start files, which could change the environment."""
    program = os.environ.get("SHELL") or "/bin/sh"
    options = {"zsh": ["--no-rcs"], "bash": ["--noprofile", "--norc"]}.get(os.path.basename(program).lower(), [])
    return [program, *options, "-c"]


class Local:
    """Processes of this machine, each in a process group of its own, so that a stop reaches its children too."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._stopped: int | None = None

    def run(self, command: Command, say: Callable[[str], None]) -> Finished:
        total = Finished(0, 0.0, 0.0, 0.0)
        for line in command.lines:
            done = self._run_one(self.words(command, line), command, say)
            total.code, total.seconds = done.code, total.seconds + done.seconds
            total.cpu, total.peak = total.cpu + done.cpu, max(total.peak, done.peak)
            if total.code:
                break
        return total

    def words(self, command: Command, line: str) -> list[str]:
        """Program and arguments that run ``line``."""
        return [*command.shell, line]

    def _run_one(self, words: list[str], command: Command, say: Callable[[str], None]) -> Finished:
        begin = time.monotonic()
        with self._lock:  # none starts after a stop
            if self._stopped is not None:
                return Finished(-self._stopped, 0.0, 0.0, 0.0)
            process = subprocess.Popen(
                words,
                cwd=command.folder,
                env=command.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._groups.add(process.pid)
        reader = threading.Thread(target=_pass_on, args=(process.stdout, say), daemon=True)
        reader.start()
        _, status, usage = os.wait4(process.pid, 0)
        with self._lock:
            self._groups.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        reader.join(timeout=5)  # a daemon left behind may hold the pipe open for ever
        seconds = time.monotonic() - begin
        return Finished(process.returncode, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def stop(self, signum: int) -> None:
        with self._lock:
            self._stopped = signum
            for group in self._groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signum)


def _pass_on(pipe, say: Callable[[str], None]) -> None:
    with pipe:
        for line in pipe:
            say(line.rstrip("\n"))


class Prefix(Local):
    """Commands behind a prefix such as ``srun -n1`` or ``sky exec CLUSTER``: it waits, and passes output and exit code.

    The prefix gets the shell and the line as words of their own. ``sky`` joins its words with blanks and gives the
    other machine neither folder nor environment, so it gets one word that sets both.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = shlex.split(prefix)

    def run(self, command: Command, say: Callable[[str], None]) -> Finished:
        done = super().run(command, say)
        return Finished(done.code, done.seconds)  # CPU and memory are those of the prefix, not of the stage

    def words(self, command: Command, line: str) -> list[str]:
        if os.path.basename(self.prefix[0]) == "sky":
            return [*self.prefix, _whole_line(command, line)]
        return [*self.prefix, *command.shell, line]


def _whole_line(command: Command, line: str) -> str:
    """One line of shell that goes to the folder, sets what popcast and DVC read, and finds the Python of here."""
    carried = {key: value for key, value in command.environment.items() if key.startswith(CARRIED)}
    exports = [f"export {key}={shlex.quote(value)}" for key, value in sorted(carried.items())]
    exports.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    return " && ".join([f"cd {shlex.quote(command.folder)}", *exports, shlex.join([*command.shell, line])])


class SlurmBatch(Prefix):
    """``sbatch -W ...``: the line is the batch script, its output a file in the shared folder, read back at the end.

    A stop cancels the job as well: ending sbatch alone would leave it running.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self._jobs: dict[str, str] = {}

    def run(self, command: Command, say: Callable[[str], None]) -> Finished:
        output = self._output(command)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.unlink(missing_ok=True)

        def listen(text: str) -> None:
            if match := re.search(r"Submitted batch job (\d+)", text):
                self._jobs[command.name] = match[1]
            say(text)

        done = super().run(command, listen)
        self._jobs.pop(command.name, None)
        if output.is_file():
            for text in output.read_text(errors="replace").splitlines():
                say(text)
        return done

    def words(self, command: Command, line: str) -> list[str]:
        options = [f"--job-name={command.name}", f"--chdir={command.folder}", f"--output={self._output(command)}"]
        return [*self.prefix, *options, "--open-mode=append", "--wrap", shlex.join([*command.shell, line])]

    def _output(self, command: Command) -> Path:
        return LOGS.absolute() / (command.name.replace("/", "_") + ".out")

    def stop(self, signum: int) -> None:
        for job in list(self._jobs.values()):
            subprocess.run(["scancel", job], check=False, capture_output=True)
        super().stop(signum)


class Chosen:
    """``launcher`` for all stages but those marked ``local: true``, which run here."""

    def __init__(self, launcher: Launcher) -> None:
        self.here = Local()
        self.elsewhere = launcher

    def run(self, command: Command, say: Callable[[str], None]) -> Finished:
        return (self.here if command.local else self.elsewhere).run(command, say)

    def stop(self, signum: int) -> None:
        self.here.stop(signum)
        self.elsewhere.stop(signum)


def launcher_for(text: str | None) -> Launcher:
    """The launcher of ``--launch TEXT``; None runs all here. ValueError where it cannot work."""
    if not text:
        return Local()
    program = os.path.basename(shlex.split(text)[0])
    if program == "ray":
        from popcast.planning.running.ray_launcher import Ray

        return Chosen(Ray())
    if program == "sbatch":
        if not {"-W", "--wait"} & set(shlex.split(text)):
            raise ValueError("--launch sbatch: expected sbatch -W, which waits for the job")
        return Chosen(SlurmBatch(text))
    return Chosen(Prefix(text))
