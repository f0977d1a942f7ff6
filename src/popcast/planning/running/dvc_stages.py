"""The pipeline as DVC knows it: graph, what changed, run cache, cache and dvc.lock, in one process.

``dvc repro --single-item`` costs seconds per stage, for it starts Python, reads the project and writes dvc.lock each
time. Here one ``Repo`` reads the project once, and what DVC does before and after the command of a stage
(``Stage.reproduce``, ``Stage.run``, ``run_stage``, ``StageCache.restore`` of DVC 3.67) is called in pieces around a
command that runs elsewhere meanwhile.

Locks are as in DVC. The lock of the project is held in a turn and free while commands run, so another dvc command
waits for moments only, with ``--wait-for-lock`` as long as it takes. What running stages read and write is marked in
``.dvc/tmp/rwlock`` until they end, so another ``dvc repro`` of the same stage is refused with DVC's message. A killed
runner leaves marks of a process that is no more; DVC and the next start clear those. They are written as a whole.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dvc.dependency.db import AbstractDependency
from dvc.dependency.repo import RepoDependency
from dvc.dvcfile import PROJECT_FILE
from dvc.exceptions import DvcException, OutputNotFoundError
from dvc.repo import Repo
from dvc.repo.reproduce import _reproduce_stage, get_active_graph, plan_repro
from dvc.rwlock import rwlock
from dvc.stage.cache import _can_hash
from dvc.stage.exceptions import StageFileDoesNotExistError, StageNotFound
from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_single_stage_lockfile

from popcast.core.safety.disk_faults import AGAIN, line_of, reason
from popcast.planning.leftovers import cut_short
from popcast.planning.running.launchers import Command
from popcast.planning.running.lock_file import LockFile
from popcast.planning.running.marks import keep_marks_whole
from popcast.planning.running.stages import MUST_RUN, RESTORED, UP_TO_DATE, StageError, StageRow


class DvcStages:
    """The stages of the current folder's dvc.yaml, or those that ``targets`` (stages or outs) are made by, and what
    these need. StageError if there is no DVC project, dvc.yaml cannot be read or a target is unknown.
    """

    def __init__(self, targets: tuple[str, ...] = ()):
        logging.getLogger("dvc").setLevel(logging.WARNING)  # the runner tells what happens
        logging.getLogger("dvc_data").setLevel(logging.CRITICAL)  # and why a transfer failed, in one line
        keep_marks_whole()
        with as_stage_error():
            self.repo = Repo(_wait_for_lock=True)
            with self.repo.lock:
                graph = get_active_graph(self.repo.index.graph)
                wanted = [stage for target in targets for stage in collect(self.repo, target)] or here(self.repo)
                order = plan_repro(graph, list(dict.fromkeys(wanted)))
        self._stages = {stage.addressing: stage for stage in order}
        self._needs = {stage.addressing: list(graph.successors(stage)) for stage in order}
        self.rows = [
            StageRow(name, frozenset(need.addressing for need in self._needs[name]), stage.meta or {})
            for name, stage in self._stages.items()
        ]
        self._locks: dict[str, LockFile] = {}
        self._running: dict[str, object] = {}
        self._marks = ExitStack()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock of the project, as long as it takes to get it."""
        with as_stage_error(), self.repo.lock, self.repo.scm_context(quiet=True):
            yield

    def look(self, name: str) -> str:
        stage = self._stages[name]
        with as_stage_error():
            if stage.frozen or not stage.cmd:  # `dvc add`, `dvc import`: checked or fetched by DVC in this process
                return RESTORED if _reproduce_stage(stage, upstream=self._needs[name]) else UP_TO_DATE
            if not stage.changed():
                return UP_TO_DATE
            if (former := self._cached_run(stage)) is None:
                return MUST_RUN
            stage.remove_outs(ignore_remove=False, force=False)
            former.checkout()
            self._take_over(stage)
        return RESTORED

    def would(self, name: str) -> str:
        with as_stage_error():
            return MUST_RUN if self._stages[name].changed() else UP_TO_DATE

    def begin(self, name: str) -> Command:
        stage = self._stages[name]
        with as_stage_error():
            self._running[name] = stage
            try:
                self._mark()
                stage.remove_outs(ignore_remove=False, force=False)
                stage.save_deps()
            except BaseException:
                self.give_up(name)
                raise
            settings = prepare_kwargs(stage)
        return Command(
            name=name,
            lines=_enforce_cmd_list(stage.cmd),
            folder=os.path.abspath(settings["cwd"]),
            environment=settings["env"],
            shell=_make_cmd(get_executable(), "")[:-1],
        )

    def end(self, name: str) -> None:
        stage = self._running[name]
        try:
            with as_stage_error():
                self._take_over(stage)
        finally:
            self.give_up(name)

    def give_up(self, name: str) -> None:
        del self._running[name]
        self._mark()

    def write(self) -> None:
        with as_stage_error():
            for lock in self._locks.values():
                if lock.write():
                    self.repo.scm_context.track_file(os.path.relpath(lock.path))

    def _cached_run(self, stage):
        """A stage that stands for an earlier run with the same command and inputs whose outs the cache holds, or None.

        The first half of ``StageCache.restore``, which would check outs out over those of the last run.
        """
        if not _can_hash(stage):
            return None
        cache = self.repo.stage_cache
        if stage.changed_stage() or not stage.deps_cached() or not all(out.hash_info for out in stage.outs):
            stage.save_deps()
            entry = cache._load(stage)
        else:
            entry = to_single_stage_lockfile(stage)
        former = cache._create_stage(entry, wdir=stage.wdir) if entry else None
        return former if former and former.outs_cached() else None

    def _take_over(self, stage) -> None:
        """The second half of ``Stage.run``: hashes, run cache, cache, and the entry of dvc.lock for the next write."""
        uncached = any(not out.use_cache and not out.is_metric and not out.is_plot for out in stage.outs)
        try:
            stage.save(run_cache=not uncached)
            stage.commit()
            said = None if stage.outs_cached() else "it does not hold all outs"  # DVC only logs what a folder lacks
        except Exception as error:
            if (said := reason(error)) is None:
                raise
        if said is not None:
            self._remove_cut_short()
            raise StageError(f"{self._cache}: cannot be written: {said}: {AGAIN}")
        path = stage.dvcfile._lockfile.path
        if path not in self._locks:
            order = [other.name for other in self._stages.values() if getattr(other, "name", None)]
            self._locks[path] = LockFile(Path(path), order, Path(self.repo.tmp_dir))
        self._locks[path].add(stage)

    @property
    def _cache(self) -> Path:
        return Path(os.path.relpath(self.repo.cache.local.path))

    def _remove_cut_short(self) -> None:
        """Remove copies into the cache that found no room; in a cache of this project nobody else writes in a turn."""
        if self._cache.is_relative_to(".dvc"):
            for path in cut_short(self._cache):
                path.unlink(missing_ok=True)

    def _mark(self) -> None:
        """Mark the deps and outs of all running stages. All at once: DVC drops a mark with the first who has it."""
        self._marks.close()
        stages = self._running.values()
        reads = [
            dep.fs_path for s in stages for dep in s.deps if not isinstance(dep, RepoDependency | AbstractDependency)
        ]
        writes = [out.fs_path for s in stages for out in s.outs]
        hardlink = self.repo.config["core"].get("hardlink_lock", False)
        if self._running:
            command = " ".join(sys.argv)  # as in DVC's own marks: a stage that is looked at meanwhile is not blocked
            self._marks.enter_context(rwlock(self.repo.tmp_dir, self.repo.fs, command, reads, writes, hardlink))


def here(repo: Repo) -> list:
    """Stages of the dvc.yaml in the current folder, from the index that is there: DVC would read the file again."""
    path = os.path.abspath(PROJECT_FILE)
    return [stage for stage in repo.index.stages if stage.path == path] or repo.stage.collect(PROJECT_FILE)


def collect(repo: Repo, target: str) -> list:
    """Stages of a target: a stage, a group of stages, a dvc.yaml, or a path that is, contains or lies below an out."""
    try:
        return list(repo.stage.collect(target))
    except (StageNotFound, StageFileDoesNotExistError):
        try:
            return [out.stage for out in repo.find_outs_by_path(target, strict=False)]
        except OutputNotFoundError:
            raise StageError(f"{target!r} is no stage and no output of {PROJECT_FILE}") from None


@contextmanager
def as_stage_error() -> Iterator[None]:
    """What DVC and the disk refuse, in one line."""
    try:
        yield
    except StageError:
        raise
    except DvcException as error:
        causes = [str(error), str(error.__cause__ or "")]
        raise StageError(" ".join(": ".join(filter(None, causes)).split())) from error
    except Exception as error:
        said = line_of(error)
        if said is None:
            raise
        raise StageError(said) from error
