"""Trials one after the other, drawn by Optuna's TPE sampler, and the table that they leave.

A folder holds ``study.log`` (Optuna's journal, from which a stopped search goes on), ``about.json`` (what is searched,
so that nothing else is ever put beside it) and ``trials.csv``, whose first row is the run as it stands. Trial ``n`` is
drawn with a seed of its own from the trials before it: a search that was stopped and started again draws the same ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from popcast.core import tables
from popcast.core.errors import BadInput, bad_input
from popcast.core.safety.whole_files import write_whole
from popcast.planning.searching.search_space import Space, Value
from popcast.planning.searching.trial_scores import Scores
from popcast.scoring.metrics import METRICS

START, TRIALS, JOURNAL, ABOUT = -1, "trials.csv", "study.log", "about.json"
FIRST_RANDOM = 10
"""Trials drawn evenly before the sampler leans on earlier ones, as Optuna has it."""


class Study:
    """A search in ``folder``. about: the run with its settings; a folder that holds another search is refused."""

    def __init__(self, folder: Path, space: Space, about: dict[str, Any], metric: str, seed: int) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.space, self.metric, self.seed = folder, space, metric, seed
        folder.mkdir(parents=True, exist_ok=True)
        self._note({**about, "space": space.model_dump(mode="json"), "metric": metric, "seed": seed})
        storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
        self.optuna = optuna
        self.study = optuna.create_study(storage=storage, study_name="search", load_if_exists=True)

    def _note(self, about: dict[str, Any]) -> None:
        file = self.folder / ABOUT
        new = orjson.loads(orjson.dumps(about))
        if file.exists():
            old = orjson.loads(file.read_bytes())
            if changed := sorted(name for name in {*old, *new} if old.get(name) != new.get(name)):
                raise bad_input(
                    f"another search is in it (other {', '.join(changed)})", file=self.folder, expected="a new folder"
                )
            return
        tables.write_json(new, file)

    def run(self, trials: int, scores: Callable[[int, dict[str, Value]], Scores], tell: Callable[[str], None]) -> None:
        """Go on until the study has ``trials`` scored trials besides the start. tell: told one line per trial.

        A trial whose settings are refused is in the table and counts, and the sampler sees no score of it.
        """
        states = self.optuna.trial.TrialState
        for trial in self.study.get_trials(states=(states.RUNNING,)):  # what a killed search left
            self.study.tell(trial.number, state=states.FAIL)
        if "start" not in self.study.user_attrs:
            self.study.set_user_attr("start", _row(START, "as it stands", {}, scores(START, {})))
            self._written(START, tell)
        while (done := len(self._told())) < trials:
            self.study.sampler = self.optuna.samplers.TPESampler(
                seed=_seed(self.seed, done), n_startup_trials=FIRST_RANDOM
            )
            trial = self.study.ask()
            values = self.space.drawn(trial)
            try:
                row = _row(done, "scored", values, scores(done, values))
            except BadInput as error:
                row = _row(done, f"refused: {error}", values, dict.fromkeys(METRICS))
            value = row["scores"][self.metric]
            trial.set_user_attr("row", row)  # a refused one is pruned, not lost: it counts among those asked for
            self.study.tell(trial, value, state=states.PRUNED if value is None else states.COMPLETE)
            self._written(done, tell)

    def _told(self) -> list:
        states = self.optuna.trial.TrialState
        return self.study.get_trials(states=(states.COMPLETE, states.PRUNED))

    def rows(self) -> list[dict[str, Any]]:
        """``trial``, ``state``, ``scores`` and ``set`` of the start and of every trial."""
        return [self.study.user_attrs["start"], *(trial.user_attrs["row"] for trial in self._told())]

    def _written(self, number: int, tell: Callable[[str], None]) -> None:
        rows = self.rows()
        write_whole(as_table(rows, self.space).write_csv().encode(), self.folder / TRIALS)
        row = rows[-1]
        shown = row["scores"][self.metric]
        changed = ", ".join(f"{key} {value}" for key, value in row["set"].items())
        name = "start" if number == START else f"trial {number}"
        tell(f"{name}: {self.metric} {'-' if shown is None else f'{shown:.4f}'} {changed or row['state']}")

    def best(self) -> dict[str, Any]:
        """The row with the smallest metric of the valid part; the start where none is smaller."""
        scored = [row for row in self.rows() if row["scores"][self.metric] is not None]
        if not scored:
            raise bad_input("no trial was scored", file=self.folder / TRIALS, expected="settings that are not refused")
        return min(scored, key=lambda row: (row["scores"][self.metric], row["trial"]))


def _row(number: int, state: str, values: dict[str, Value], scores: Scores) -> dict[str, Any]:
    return {"trial": number, "state": state, "scores": scores, "set": values}


def as_table(rows: list[dict[str, Any]], space: Space) -> pl.DataFrame:
    """``trial`` (-1: as it stands), ``state``, the metrics of the valid part, one column per setting."""
    columns: dict[str, list[Any]] = {"trial": [], "state": [], **{f"valid_{name}": [] for name in METRICS}}
    columns |= {name: [] for name in space.root}
    for row in rows:
        columns["trial"].append(row["trial"])
        columns["state"].append(row["state"])
        for name in METRICS:
            columns[f"valid_{name}"].append(row["scores"][name])
        for name in space.root:
            value = row["set"].get(name)
            columns[name].append(None if value is None else orjson.dumps(value).decode().strip('"'))
    types = {f"valid_{name}": pl.Float64 for name in METRICS} | dict.fromkeys(space.root, pl.String)
    return pl.DataFrame(columns, schema_overrides=types)


def _seed(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
