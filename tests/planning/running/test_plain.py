"""The pipeline without DVC makes the same outs, from the same dvc.yaml, without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from popcast.planning.running.plain_stages import PlainStages, overlap
from popcast.planning.running.stages import StageError
from tests.planning.running.toy import log, outs, repro


def test_the_same_outs_without_dvc(toy, made):
    blocked = toy / "blocked/dvc"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('DVC is gone')\n")
    (toy / "out").mkdir()
    (toy / "out/a.txt").write_text("of an earlier run")
    said = repro(toy, "--plain", PYTHONPATH=str(toy / "blocked"), WAIT_a="start b", WAIT_b="start next")
    assert "0 of 6 stages were up to date, 6 ran." in said
    assert outs(toy) == outs(made)
    assert not (toy / "dvc.lock").exists()
    repro(toy, "--plain", "out/next.txt", jobs=1)
    assert log(toy)[8:] == ["start a", "end a", "start next", "end next"]


def test_stages_are_those_of_dvc(toy, monkeypatch):
    from popcast.planning.running.dvc_stages import DvcStages

    monkeypatch.chdir(toy)
    plain, real = PlainStages().rows, DvcStages().rows
    assert {row.name: (row.needs, row.meta) for row in plain} == {row.name: (row.needs, row.meta) for row in real}
    stages = DvcStages()
    with stages.turn():
        command = stages.begin("plan")
        stages.give_up("plan")
    assert command == PlainStages().begin("plan")


def test_a_failure_and_a_missing_out(toy):
    (toy / "dvc.yaml").write_text(
        "stages:\n  a: {cmd: 'true', outs: [a.txt]}\n  b: {cmd: cat a.txt, deps: [a.txt]}\n  c: {cmd: exit 3}\n"
    )
    said = repro(toy, "--plain", "--keep-going", code=1)
    assert "a: output does not exist: a.txt" in said.splitlines()[-1]
    assert "c: exit code 3" in said.splitlines()[-1]
    assert "start b" not in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: {a: {cmd: x, matrix: {b: [1]}}}", "stage a: --plain does not know matrix"),
        ("stages: {a: {cmd: x, frozen: true}}", "stage a: --plain does not know frozen"),
        ("stages: {a: {cmd: 'x ${b.c}'}}", r"stage a: \$\{b.c\} not found in params.yaml"),
        ("stages: {a: {cmd: 'x ${numbers}'}}", r"\$\{numbers\} is no single value"),
        ("stages: {a: {outs: [x]}}", "stage a: expected cmd"),
        ("stages: {a: {cmd: [}}", "dvc.yaml: while parsing"),
        ("stages: {a: {cmd: x, deps: [y], outs: [z]}, b: {cmd: x, deps: [z], outs: [y]}}", "need each other: a, b"),
        ("- a", "dvc.yaml: got list, expected a mapping"),
    ],
)
def test_what_it_does_not_know_is_refused(toy, monkeypatch, text, message):
    (toy / "dvc.yaml").write_text(text)
    monkeypatch.chdir(toy)
    with pytest.raises(StageError, match=message):
        PlainStages()
    (toy / "dvc.yaml").unlink()
    with pytest.raises(StageError, match=r"dvc.yaml: no such file"):
        PlainStages()


def test_foreach_over_dicts_and_lists(toy, monkeypatch):
    (toy / "params.yaml").write_text(
        "sets: {x: {raw: in/x, n: 2, on: true}, y: {raw: in/y, n: 3, on: false}}\nl: [p, q]\n"
    )
    (toy / "dvc.yaml").write_text(
        "stages:\n"
        "  one: {foreach: '${sets}', do: {cmd: 'run ${key} ${item.n} ${item.on} ${sets.x.n}',"
        " outs: ['${item.raw}/${key}']}}\n"
        "  two: {foreach: '${l}', do: {cmd: 'run ${item}', deps: [in], outs: ['d/${item}': {persist: true}]}}\n"
        "  three: {foreach: [1, 2], do: {cmd: 'run ${item}', deps: [d/p/below, d/q]}}\n"
    )
    monkeypatch.chdir(toy)
    stages = PlainStages()
    assert [row.name for row in stages.rows] == ["one@x", "one@y", "two@p", "two@q", "three@1", "three@2"]
    assert stages.begin("one@y").lines == ["run y 3 false 2"]
    assert stages.rows[2].needs == {"one@x", "one@y"}
    assert stages.rows[5].needs == {"two@p", "two@q"}
    Path("d").mkdir()
    Path("d/p").write_text("kept")
    stages.begin("two@p")
    assert Path("d/p").read_text() == "kept"
    assert [row.name for row in PlainStages(("two",)).rows] == ["one@x", "one@y", "two@p", "two@q"]
    with pytest.raises(StageError, match="'four' is no stage and no output"):
        PlainStages(("four",))


def test_paths_overlap_by_folders():
    assert overlap("data/plan", "data/plan/x/y.json")
    assert overlap("data/plan/x", "data/plan")
    assert not overlap("data/plan", "data/planning")
