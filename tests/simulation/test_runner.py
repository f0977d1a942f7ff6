"""Many posts at a time, cut and killed in any way: the same tables; models that answer nonsense; full disks."""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from popcast.core import tables
from popcast.core.engine import map_shards
from popcast.core.errors import BadInput
from popcast.core.safety.whole_files import write_whole
from popcast.simulation.params import Rules, Running, Simulated
from popcast.simulation.records import NO_FIELD, Trigger
from popcast.simulation.running import answer_counts, reaction_tables, runner, workload
from popcast.simulation.running.journal import Journal
from popcast.simulation.running.runner import Job, Part, journal_file, simulate
from tests.simulation.doubles import SeededDouble, Sociable, audience, cosines, double_shard

ROOT = Path(__file__).resolve().parents[2]
RULES = Rules(sample=4, epochs=3, attempts=2)


def job(folder: Path, **running) -> Job:
    return Job(audience(), Simulated(rules=RULES, runner=Running(**running)), 7, folder)


def cut(size: int, triggers: int = 9, runs: int = 1) -> list[workload.Shard]:
    lines = [f"Post: number {i}" for i in range(triggers)]
    simulated = pl.DataFrame({"line": lines, "trigger": [Trigger(line).key for line in lines]})
    simulated = simulated.with_columns(runs=pl.Series([runs if i % 2 else 1 for i in range(triggers)], dtype=pl.Int16))
    numbered = simulated.with_row_index("row").sort("trigger")
    return workload.shards(numbered, cosines(triggers)[numbered["row"].to_numpy()], size)


def whole(parts: list[Part]) -> tuple[pl.DataFrame, pl.DataFrame]:
    return tuple(
        pl.concat(pl.read_parquet(io.BytesIO(part.tables[kind])) for part in parts) for kind in reaction_tables.KEYS
    )


def test_tables_keep_their_contracts_and_say_what_happened(tmp_path):
    part = simulate(cut(100, runs=3)[0], job(tmp_path), policy=SeededDouble())
    reactions, states = whole([part])
    tables.check(reactions, tables.REACTIONS, "reactions")
    tables.check(states, tables.STATES, "states")
    assert reactions.height == (9 + 2 * 4) * 3 * 4
    assert states.height == (9 + 2 * 4) * 3
    assert reactions.select(reaction_tables.KEYS["reactions"]).is_duplicated().sum() == 0
    asked = reactions.group_by(reaction_tables.KEYS["states"], maintain_order=True).agg("row", "slot")
    assert all(rows == sorted(set(rows)) for rows in asked["row"].to_list())
    assert all(slots == [0, 1, 2, 3] for slots in asked["slot"].to_list())
    failed = reactions.filter(pl.col("status") == "failed")
    assert 0 < failed.height < reactions.height / 4
    assert failed["attempts"].unique().to_list() == [2]
    assert failed["score"].null_count() == failed["action"].null_count() == failed.height
    assert failed["reason"].unique().to_list() == ["no_action"]
    assert failed["raw"][0] == "I would rather not say. ?"  # a lone surrogate fits in no file
    assert "Schön" in "".join(reactions["text"].drop_nulls())
    ok = (
        reactions.filter(pl.col("status") == "ok")
        .group_by(reaction_tables.KEYS["states"])
        .agg(n=pl.len().cast(pl.Int16))
    )
    assert ok.sort(reaction_tables.KEYS["states"])["n"].to_list() == states["n_ok"].to_list()
    counts = part.counts
    retried = reactions.filter(pl.col("attempts") == 2).height
    assert counts["retries"] == retried
    assert counts["answers"] == reactions.height + retried + states.height
    assert counts["failed"] == failed.height
    assert counts["prompt_tokens"] == 40 * (reactions.height + retried) + 50 * states.height
    first = states.filter(run=0, epoch=2)["mean_attitude"]
    assert answer_counts.metrics(counts, 3)["mean_attitude_epoch_3"] == pytest.approx(first.mean(), abs=1e-6)


def test_runs_differ_and_triggers_differ(tmp_path):
    _, states = whole([simulate(cut(100, runs=2)[0], job(tmp_path), policy=SeededDouble())])
    twice = states.filter(pl.col("run").max().over("trigger") == 1, epoch=2)
    ends = twice.pivot("run", index="trigger", values="mean_attitude")
    assert ends.height == 4
    assert (ends["0"] != ends["1"]).all()


def test_neither_number_under_way_nor_shards_nor_order_nor_engine_change_a_byte(tmp_path, monkeypatch):
    def made(name: str, shards, **running) -> list[Part]:
        folder = tmp_path / name
        folder.mkdir()
        return [simulate(shard, job(folder, **running), policy=SeededDouble()) for shard in shards]

    first = made("first", cut(5, runs=2), in_flight=64)
    assert made("one", cut(5, runs=2), in_flight=1) == first
    assert made("three", cut(5, runs=2), in_flight=3) == first
    assert [part.tables for part in made("backwards", cut(5, runs=2)[::-1])][::-1] == [part.tables for part in first]
    turned = [
        replace(s, lines=s.lines[::-1], runs=s.runs[::-1], similarities=s.similarities[::-1]) for s in cut(5, runs=2)
    ]
    assert made("turned", turned, in_flight=2) == first
    wholes = made("whole", cut(100, runs=2))
    for expected, found in zip(whole(first), whole(wholes), strict=True):
        assert expected.equals(found)
    assert answer_counts.total(part.counts for part in first) == wholes[0].counts
    for engine in ("serial", "process"):
        monkeypatch.setenv("POPCAST_ENGINE", engine)
        folder = tmp_path / engine
        folder.mkdir()
        assert map_shards(partial(double_shard, job=job(folder)), cut(5, runs=2), None) == first


def test_questions_of_all_posts_are_asked_together(tmp_path):
    policy = SeededDouble()
    simulate(cut(100)[0], job(tmp_path, in_flight=3), policy=policy)
    assert policy.batches[0] == 3 * RULES.sample
    assert max(policy.batches) <= 3 * RULES.sample
    policy = SeededDouble(failing=0)
    (tmp_path / "all").mkdir()
    simulate(cut(100)[0], job(tmp_path / "all"), policy=policy)
    assert policy.batches == [9 * RULES.sample, 9] * 3


def test_without_words_the_field_stays(tmp_path):
    part = simulate(cut(3)[0], job(tmp_path), policy=SeededDouble(fields=False))
    _, states = whole([part])
    assert states["field_status"].unique().to_list() == ["kept"]
    assert states["field_text"].unique().to_list() == [NO_FIELD]
    assert part.counts["kept_fields"] == 9


def test_an_epoch_in_which_nobody_answers_moves_nothing(tmp_path):
    policy = SeededDouble(failing=100)
    reactions, states = whole([simulate(cut(3)[0], job(tmp_path), policy=policy)])
    assert set(reactions["status"]) == {"failed"}
    assert states["mean_attitude"].to_list() == [0.0] * 9
    assert states["mean_raw_score"].null_count() == states["field_prompt_tokens"].null_count() == 9
    assert policy.batches == [3 * RULES.sample] * 2 * 3  # each twice, and no question about the field


def test_a_model_that_never_follows_the_grammar_is_one_line(tmp_path):
    silent = SeededDouble(failing=100)
    with pytest.raises(BadInput) as caught:
        simulate(cut(100, triggers=60)[0], job(tmp_path, in_flight=5), policy=silent)
    message = str(caught.value)
    assert "\n" not in message
    assert "seeded double: 108 of 108 answers of personas do not follow the grammar" in message
    assert "'I would rather not say. ?'" in message
    assert len(silent.batches) < 30  # it stops early: 60 posts, 5 at a time, would be 72 calls
    assert sum(1 for _ in Journal(journal_file(tmp_path, cut(100)[0])).records()) == 9

    often = partial(simulate, cut(100, triggers=30)[0], policy=SeededDouble(failing=80))
    (tmp_path / "often").mkdir()
    with pytest.raises(BadInput, match=r"of 360 answers .* higher simulation\.runner\.max_failure_rate"):
        often(job(tmp_path / "often"))
    assert often(job(tmp_path / "often", max_failure_rate=0.9)).counts["simulations"] == 30


def test_goes_on_from_a_torn_journal(tmp_path):
    shard = cut(100)[0]
    expected = simulate(shard, job(tmp_path), policy=SeededDouble())
    path = journal_file(tmp_path, shard)
    lines = path.read_bytes().splitlines(keepends=True)
    for torn in (b'{"run":0,"trig', lines[5][:-1], b'{"run":0,"trig\n', b"\0" * 64):
        path.write_bytes(b"".join(lines[:4]) + torn)
        policy = SeededDouble()
        assert simulate(shard, job(tmp_path), policy=policy) == expected
        assert policy.batches[0] == 5 * RULES.sample  # the five posts that were not whole
        assert len(path.read_bytes().splitlines()) == 9
    policy = SeededDouble()
    assert simulate(shard, job(tmp_path), policy=policy) == expected
    assert policy.batches == []


@pytest.mark.parametrize("kept", range(9))
@pytest.mark.parametrize("in_flight", [1, 4, 64])
def test_who_is_asked_together_is_the_same_after_a_kill(tmp_path, in_flight, kept):
    """Where rounding lets answers depend on their company, a torn group is asked whole again, and kept once."""
    shard, own = cut(100)[0], job(tmp_path, in_flight=in_flight)
    expected = simulate(shard, own, policy=Sociable())
    path = journal_file(tmp_path, shard)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:kept]))
    policy = Sociable()
    assert simulate(shard, own, policy=policy) == expected
    assert len(path.read_bytes().splitlines()) == 9
    again = (9 - kept // in_flight * in_flight) * RULES.sample
    assert policy.batches[0] == min(in_flight * RULES.sample, again)


KILLED = """
import sys
from pathlib import Path
from popcast.simulation.running.runner import simulate
from tests.simulation.doubles import SeededDouble
from tests.simulation.test_runner import cut, job

simulate(cut(100)[0], job(Path(sys.argv[1]), in_flight=2), policy=SeededDouble(pause=0.02))
"""


def test_killed_and_started_again_equals_an_undisturbed_run(tmp_path):
    shard = cut(100)[0]
    (tmp_path / "whole").mkdir()
    expected = simulate(shard, job(tmp_path / "whole"), policy=SeededDouble())
    path = journal_file(tmp_path, shard)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None, "it ended before it finished two posts"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = path.read_bytes().count(b"\n")
    assert 2 <= kept < 9
    policy = SeededDouble()
    assert simulate(shard, job(tmp_path), policy=policy) == expected
    assert policy.batches[0] == (9 - kept) * RULES.sample


def test_full_disk_is_one_line_and_nothing_is_lost(tmp_path, monkeypatch):
    shard = cut(100)[0]
    (tmp_path / "whole").mkdir()
    expected = simulate(shard, job(tmp_path / "whole"), policy=SeededDouble())
    path = journal_file(tmp_path, shard)
    size = journal_file(tmp_path / "whole", shard).stat().st_size
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limit[1]))
    try:
        with pytest.raises(BadInput, match=r"journal-0000\.jsonl: cannot be written: File too large") as caught:
            simulate(shard, job(tmp_path), policy=SeededDouble())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "\n" not in str(caught.value)
    assert 0 < path.stat().st_size <= size // 2
    assert path.read_bytes().endswith(b"\n")
    kept = path.read_bytes().count(b"\n")
    assert 0 < kept < 9
    policy = SeededDouble()
    assert simulate(shard, job(tmp_path), policy=policy) == expected
    assert policy.batches[0] == (9 - kept) * RULES.sample


def test_full_disk_leaves_no_half_part(tmp_path, monkeypatch):
    def full(self, content):
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(BadInput, match=r"0003\.parquet: cannot be written: No space left on device"):
            write_whole(b"content", tmp_path / "0003.parquet")
    assert list(tmp_path.iterdir()) == []


def finished(folder: Path, monkeypatch, policy: SeededDouble, shards, **running):
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("POPCAST_ENGINE", "serial")
    monkeypatch.setattr(runner, "make", lambda *_: policy)
    return runner.run(job(folder, **running), shards, "test")


def test_run_writes_every_part_once_and_goes_on(tmp_path, monkeypatch):
    shards = cut(4, runs=2)
    policy = SeededDouble()
    counts, facts = finished(tmp_path / "a", monkeypatch, policy, shards)
    assert (counts["simulations"], counts["first_runs"], facts["kind"]) == (13, 9, "double")
    assert policy.closed == 1
    files = {path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    parts = {f"out/{kind}/000{i}.parquet" for kind in ("reactions", "states") for i in range(4)}
    assert files == parts | {f"counts/000{i}.json" for i in range(4)}

    (tmp_path / "b").mkdir()
    before = SeededDouble()
    with pytest.raises(RuntimeError, match="enough"):
        finished(tmp_path / "b", monkeypatch, Ending(9), shards, in_flight=2)
    assert (tmp_path / "b/counts/0000.json").exists()
    assert (tmp_path / "b/journal-0001.jsonl").exists()
    assert finished(tmp_path / "b", monkeypatch, before, shards) == (counts, facts)
    assert len(before.batches) < len(policy.batches)
    for path in parts:
        assert (tmp_path / "b" / path).read_bytes() == (tmp_path / "a" / path).read_bytes()


class Ending(SeededDouble):
    """A policy double that stops like a server that is gone, after ``calls`` calls past the first shard."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls + 18

    def respond(self, requests):
        if len(self.batches) == self.calls:
            raise RuntimeError("enough")
        return super().respond(requests)


def test_a_few_posts_are_judged_as_a_whole(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="seeded double: 108 of 108 answers"):
        finished(tmp_path / "a", monkeypatch, SeededDouble(failing=100), cut(2))


def test_a_machine_without_the_scratch_folder_uses_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    expected = simulate(cut(100)[0], job(tmp_path), policy=SeededDouble())
    assert simulate(cut(100)[0], job(tmp_path / "nowhere" / "simulate-x"), policy=SeededDouble()) == expected
    assert (tmp_path / "tmp/popcast/simulate-x").is_dir()
    assert list((tmp_path / "tmp/popcast/simulate-x").iterdir()) == []


def test_parts_are_read_back_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = finished(tmp_path / "a", monkeypatch, SeededDouble(), cut(4, runs=2))
    assert made[0]["simulations"] == 13
    folder = tmp_path / "data/simulation/smpd"
    folder.parent.mkdir(parents=True)
    (tmp_path / "a/out").rename(folder)
    reactions = reaction_tables.read_reactions("smpd")
    assert reactions.height == 13 * 3 * 4
    assert reactions.select(reaction_tables.KEYS["reactions"]).equals(
        reactions.select(reaction_tables.KEYS["reactions"]).sort(pl.all())
    )
    assert reaction_tables.read_states("smpd", ["trigger", "n_ok"]).shape == (13 * 3, 2)
    (folder / "states/0001.parquet").rename(folder / "states/0009.parquet")
    with pytest.raises(BadInput, match=r"states/0001\.parquet: part is missing: expected 4 parts in a row"):
        reaction_tables.read_states("smpd")
    (folder / "states/0001.parquet").write_bytes((folder / "states/0000.parquet").read_bytes())
    (folder / "states/0009.parquet").unlink()
    with pytest.raises(BadInput, match=r"states/0001\.parquet: .* rows are not in order or appear twice"):
        reaction_tables.read_states("smpd")
    with pytest.raises(BadInput, match=r"data/simulation/nus/states: no such table"):
        reaction_tables.read_states("nus")
