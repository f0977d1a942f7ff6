"""Which stage starts next, without any process."""

from __future__ import annotations

import pytest

from popcast.planning.running.ready_queue import ReadyQueue, Room, Task, claim_of, gigabytes


def queue(room: Room, *tasks: Task) -> ReadyQueue:
    return ReadyQueue(tasks, room)


def task(name: str, *needs: str, cores: int = 1, memory: float = 0, gpu: int = 0, seconds: float = 1) -> Task:
    return Task(name, frozenset(needs), Room(cores, memory, gpu), seconds)


def started(stages: ReadyQueue) -> list[str]:
    """All that start now if every ready stage must run."""
    for name in stages.named("ready"):
        stages.wait(name)
    names = []
    while name := stages.start_next():
        names.append(name)
    return names


def test_a_stage_is_ready_when_what_it_needs_is_done():
    stages = queue(Room(2), task("a"), task("b", "a"), task("c", "a", "b"))
    assert stages.named("ready") == ["a"]
    stages.done("a")
    assert stages.named("ready") == ["b"]
    assert stages.named("ahead") == ["c"]


def test_the_longest_way_to_the_end_starts_first():
    stages = queue(Room(2), task("short"), task("long"), task("mid", seconds=5), task("end", "long", seconds=9))
    assert stages.path == {"short": 1, "long": 10, "mid": 5, "end": 9}
    assert started(stages) == ["long", "mid"]


def test_cores_memory_and_gpus_are_claims():
    stages = queue(Room(4, 8, 1), task("a", memory=6, seconds=3), task("b", memory=6, seconds=2), task("c", gpu=1))
    assert started(stages) == ["a", "c"]
    stages.done("a")
    assert started(stages) == ["b"]
    assert stages.free == Room(2, 2, 0)


def test_who_asks_for_more_than_there_is_runs_alone():
    room = Room(2, 8, 1)
    assert claim_of("s", {"cores": "all"}, room) == Room(2, 0, 0)
    assert claim_of("s", {"cores": 3}, room) == room
    assert claim_of("s", {"memory": "9 GB"}, room) == room
    stages = queue(room, task("small"), Task("big", frozenset(), claim_of("big", {"memory": 9}, room), 5))
    assert started(stages) == ["big"]


def test_a_big_stage_gets_its_turn():
    """Small stages with the longer way keep coming; after four that passed it, nothing starts before the big one."""
    small = [task(f"s{number}", seconds=10) for number in range(9)]
    stages = queue(Room(2), task("big", cores=2), *small)
    running = started(stages)
    order = list(running)
    while "big" not in running:
        stages.done(running.pop(0))
        new = started(stages)
        running += new
        order += new
        assert running, "drained without starting the big one"
    assert order.index("big") <= 6
    assert running == ["big"]


def test_a_failure_skips_what_is_behind():
    stages = queue(Room(2), task("a"), task("b"), task("c", "a"), task("d", "c", "b"))
    started(stages)
    stages.fail("a")
    assert stages.named("skipped") == ["c", "d"]
    stages.done("b")
    assert stages.named("ready") == []
    assert stages.free == Room(2)


def test_expectation_is_the_work_or_the_longest_way():
    stages = queue(Room(2), task("a", seconds=4), task("b", "a", seconds=4), task("c", seconds=2), task("d", seconds=2))
    assert stages.expect({}) == 8
    started(stages)
    assert stages.expect({"a": 3}) == 5
    assert queue(Room(2), task("a", cores=2, seconds=6), task("b", seconds=2)).expect({}) == 7


def test_stages_that_need_each_other_are_refused():
    with pytest.raises(ValueError, match="need each other: a, b"):
        queue(Room(), task("a", "b"), task("b", "a"))


@pytest.mark.parametrize(("value", "size"), [(4, 4.0), (0.5, 0.5), ("4GB", 4.0), ("500 mb", 0.5), ("2", 2.0)])
def test_memory_has_a_unit(value, size):
    assert gigabytes(value) == size


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"memory": "much"}, "stage s: meta.memory: got 'much', expected GB"),
        ({"cores": 0}, "stage s: meta.cores: got 0, expected a whole number or all"),
        ({"cores": "some"}, "stage s: meta.cores: got 'some'"),
        ({"gpu": True}, "stage s: meta.gpu: got True, expected a whole number"),
    ],
)
def test_bad_claims_name_stage_and_field(meta, message):
    with pytest.raises(ValueError, match=message):
        claim_of("s", meta, Room(2))
