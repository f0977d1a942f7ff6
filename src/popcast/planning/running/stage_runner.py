"""The loop of a run: look at ready stages, start what has room, take over what ended, until nothing is left.

Everything that touches the pipeline (DVC's files above all) happens in the main thread, inside a turn. Each running
stage has a thread that waits for its command. dvc.lock is written when nothing else is to do, while commands run; what
a kill loses between the end of a stage and that write comes back from DVC's run cache.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from queue import Empty, SimpleQueue

from popcast.planning.running.launchers import Command, Finished, Launcher
from popcast.planning.running.progress import Progress, Timing
from popcast.planning.running.ready_queue import ReadyQueue, Room
from popcast.planning.running.stages import MUST_RUN, RESTORED, UP_TO_DATE, StageError, Stages

GRACE = 10.0  # seconds that stopped stages have before they are killed


class Stopped(Exception):
    """The run was interrupted; ``signum`` says by what."""

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Runner:
    """One run. ``asked``: cores and GPUs that a launcher hears of. After ``run``: ``problems`` of failed stages."""

    def __init__(
        self,
        stages: Stages,
        queue: ReadyQueue,
        launcher: Launcher,
        progress: Progress,
        *,
        asked: dict[str, Room],
        keep_going: bool,
    ):
        self.stages = stages
        self.queue = queue
        self.launcher = launcher
        self.progress = progress
        self.asked = asked
        self.keep_going = keep_going
        self.meta = {row.name: row.meta for row in stages.rows}
        self.looked: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self._events: SimpleQueue[tuple] = SimpleQueue()

    def run(self) -> None:
        """Run to the end. Stopped after SIGINT or SIGTERM, when all commands have ended."""
        before = {signum: signal.signal(signum, self._on_signal) for signum in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self._turn():
                self._take(*self._next_event())
        except BaseException:
            self.launcher.stop(signal.SIGTERM)
            raise
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _on_signal(self, signum: int, _frame) -> None:
        self._events.put((None, signum))

    def _turn(self) -> bool:
        """Look and start until nothing more is possible; whether something runs."""
        with self.stages.turn():
            while self._may_start() and self._events.empty() and (ready := self.queue.named("ready")):
                self._look(ready[0])
                self._start_what_fits()
            if self._events.empty():
                self._start_what_fits()
            self.stages.write()
        return bool(self.queue.named("running")) or not self._events.empty()

    def _may_start(self) -> bool:
        return self.keep_going or not self.problems

    def _look(self, name: str) -> None:
        try:
            found = self.stages.look(name)
        except StageError as error:
            self._fail(name, str(error))
            return
        self.looked[name] = found
        if found == MUST_RUN:
            self.queue.wait(name)
        else:
            self.queue.done(name)
            self.progress.finish(name, found, left=self._left())

    def _start_what_fits(self) -> None:
        while self._may_start() and (name := self.queue.start_next()):
            try:
                command = self.stages.begin(name)
            except StageError as error:
                self._fail(name, str(error))
                continue
            asked, local = self.asked[name], bool(self.meta[name].get("local"))
            command = replace(command, cores=asked.cores, gpu=asked.gpu, local=local)
            self.progress.start(name, command.lines)
            threading.Thread(target=self._wait_for, args=(command,), daemon=True).start()

    def _wait_for(self, command: Command) -> None:
        try:
            finished = self.launcher.run(command, lambda line: self.progress.say(command.name, line))
        except Exception as error:
            self.progress.say(command.name, f"{type(error).__name__}: {error}")
            finished = Finished(1, 0.0)
        self._events.put((command.name, finished))

    def _next_event(self) -> tuple:
        while True:
            try:
                return self._events.get(timeout=1)
            except Empty:
                self.progress.refresh()

    def _take(self, name: str | None, what: Finished | int) -> None:
        if name is None:
            self._stop(what)
        elif what.code:
            with self.stages.turn():
                self.stages.give_up(name)
            how = f"exit code {what.code}" if what.code > 0 else f"killed by {signal.Signals(-what.code).name}"
            self._fail(name, how, Timing(what.seconds, what.cpu, what.peak))
        else:
            self._end(name, Timing(what.seconds, what.cpu, what.peak))

    def _end(self, name: str, timing: Timing) -> None:
        try:
            with self.stages.turn():
                self.stages.end(name)
        except StageError as error:
            self._fail(name, str(error), timing)
            return
        self.queue.done(name)
        self.progress.finish(name, "done", timing, left=self._left())

    def _fail(self, name: str, problem: str, timing: Timing | None = None) -> None:
        self.problems[name] = problem
        self.queue.fail(name)
        self.progress.finish(name, "failed", timing, left=self._left())

    def _left(self) -> float:
        return self.queue.expect(self.progress.running())

    def _stop(self, signum: int) -> None:
        """End what runs and take over what had ended well; a second signal kills at once."""
        self.progress.event(f"stopping on {signal.Signals(signum).name}")
        self.launcher.stop(signum)
        killing = threading.Timer(GRACE, self.launcher.stop, [signal.SIGKILL])
        killing.daemon = True
        killing.start()
        while self.queue.named("running"):
            name, what = self._next_event()
            if name is None:
                self.launcher.stop(signal.SIGKILL)
            else:
                self._take(name, what)
        killing.cancel()
        with self.stages.turn():
            self.stages.write()
        raise Stopped(signum)

    def count(self, what: str) -> int:
        """Stages that were found UP_TO_DATE, RESTORED or MUST_RUN."""
        return sum(found == what for found in self.looked.values())


def summary(runner: Runner) -> str:
    """One line: how many stages ran, were restored and were up to date."""
    total = len(runner.queue.tasks)
    ran = len([name for name in runner.queue.named("done") if runner.looked[name] == MUST_RUN])
    parts = [f"{runner.count(UP_TO_DATE)} of {total} stages were up to date", f"{ran} ran"]
    if restored := runner.count(RESTORED):
        parts.append(f"{restored} came from the run cache")
    if failed := len(runner.problems):
        parts += [f"{failed} failed", f"{total - len({*runner.looked, *runner.problems})} were not looked at"]
    return ", ".join(parts) + "."
