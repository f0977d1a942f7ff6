"""Disks that are full, limited or read-only: every writer says so in one line and leaves nothing."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.safety.disk_faults import FAULTS, line_of, reason, writing
from popcast.core.safety.whole_files import copy_whole, move_whole, whole_file, whole_folder, write_whole
from popcast.core.scratch import kept
from tests.faults.full_disks import drill, leave_room
from tests.faults.stage_runs import Project

SCHEMA = tables.FEATURES
RANDOM = np.random.default_rng(0)
TABLE = pl.DataFrame({"post_id": [f"{i:06}" for i in range(9000)], "x": RANDOM.random(9000)})


@cache
def trees():
    """A fitted ensemble of CatBoost and one of LightGBM, each larger than any room that a test leaves."""
    import lightgbm

    from popcast.models.trees.catboosted import BoostingParams, CatBoosted

    features = pl.DataFrame({"m.a": RANDOM.random(400), "m.b": RANDOM.random(400)})
    target = features["m.a"].to_numpy() + RANDOM.random(400)
    ensemble = CatBoosted(BoostingParams(rounds=100, depth=6), 0, {}).fit(features, target, None, "m")
    ensemble.importances()
    booster = lightgbm.train({"verbose": -1, "num_leaves": 63}, lightgbm.Dataset(features.to_numpy(), target), 60)
    return ensemble, booster


def write_catboost(path: Path) -> None:
    with whole_folder(path) as part:
        trees()[0].save(part, "trees")


def write_lightgbm(path: Path) -> None:
    from popcast.models.lightgbm import Params, Predictor

    model = Predictor(Params(), 0)
    model.boosters, model.scores, model.center, model.encoder = [trees()[1]], None, 0.0, trees()[0].encoder
    model.shap = {}
    with whole_folder(path) as part:
        model.save(part)


def write_checkpoint(path: Path) -> None:
    import torch

    from popcast.models.nets.checkpoint import Checkpoint

    network = torch.nn.Linear(150, 150)
    Checkpoint(path, network, torch.optim.Adam(network.parameters())).write([])


def write_pictures(path: Path) -> None:
    from popcast.scoring import plots

    plots.write({"a": TABLE}, path, "generated", {"a": lambda axes, table: axes.plot(table["x"]) and "a"})


def write_curves(path: Path) -> None:
    from popcast.lm.training_frame import write_curves

    write_curves([{"step": step, "loss": 1 / (step + 1)} for step in range(2000)], path)


def write_raw(path: Path) -> None:
    from popcast.datasets.sample import generate

    generate("tpic2017", {"posts": 900, "users": 60}, 1, path, path.with_name(path.name + ".csv"))


def write_text(path: Path) -> None:
    from popcast.report.standard import write_text

    write_text("x" * 50_000, path)


def write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models

    with whole_folder(path) as part:
        Tokenizer(models.WordLevel({f"w{i}": i for i in range(9000)}, unk_token="w0")).save(str(part / "a.json"))


def write_torch(path: Path) -> None:
    import torch

    with whole_file(path) as part:
        torch.save(torch.arange(20_000), part)


def write_safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    with whole_file(path) as part:
        save_file({"a": RANDOM.random(9000)}, part)


WRITERS: dict[str, Callable[[Path], object]] = {
    "table": lambda path: tables.write(TABLE, path, SCHEMA),
    "json": lambda path: tables.write_json({"a": list(range(20_000))}, path),
    "text": write_text,
    "array": lambda path: kept(path, "piece", lambda: RANDOM.random(20_000)),
    "npz": lambda path: savez(path),
    "pictures": write_pictures,
    "curves": write_curves,
    "checkpoint": write_checkpoint,
    "catboost": write_catboost,
    "lightgbm": write_lightgbm,
    "tokenizer": write_tokenizer,
    "torch": write_torch,
    "safetensors": write_safetensors,
    "raw folder": write_raw,
    "copied folder": lambda path: copy_whole(big_folder(path), path),
    "copied file": lambda path: copy_whole(big_folder(path) / "a", path),
}


def savez(path: Path) -> None:
    with whole_folder(path) as part:
        np.savez(part / "a.npz", a=RANDOM.random(20_000))


def big_folder(path: Path) -> Path:
    """What the fixture ``source`` made beside the disk."""
    return path.parents[1] / "source"


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file may become larger than ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def source(tmp_path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_bytes(b"x" * 90_000)


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def check_line(caught, path: Path, said: tuple[str, ...]) -> None:
    line = str(caught.value)
    assert "\n" not in line
    assert path.name in line
    assert ".part" not in line
    assert any(text in line for text in said), line


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("room", [0, 2, 6])
@pytest.mark.parametrize("writer", WRITERS)
def test_no_room_on_the_disk(writer, room, disk):
    """Not a byte, and some pages but fewer than are wanted: libraries tell the two apart, some tell nothing."""
    (disk / "filler").write_bytes(b"x")
    leave_room(disk, room * 4096)
    with pytest.raises(BadInput) as caught:
        WRITERS[writer](disk / "made")
    check_line(caught, disk / "made", ("No space left on device", "cut short"))
    assert left(disk) == ["filler"]
    leave_room(disk, None)
    WRITERS[writer](disk / "made")
    assert len(left(disk)) >= 2


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_limit_on_the_size_of_files(writer, tmp_path):
    (tmp_path / "made").mkdir()
    with limited(2000), pytest.raises(BadInput) as caught:
        WRITERS[writer](tmp_path / "made" / "new")
    check_line(caught, Path("new"), ("File too large", "cut short"))
    assert left(tmp_path / "made") == []


def test_a_disk_that_is_read_only(disk):
    leave_room(disk, None)
    write_whole(b"before", disk / "old")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for write in (lambda: write_whole(b"new", disk / "old"), lambda: tables.write(TABLE, disk / "old", SCHEMA)):
        with pytest.raises(BadInput, match=r"old: cannot be written: Read-only file system$"):
            write()
    with pytest.raises(BadInput, match=r"new: cannot be written: Read-only file system$"), whole_folder(disk / "new"):
        pass
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert (disk / "old").read_bytes() == b"before"
    assert left(disk) == ["old"]


@pytest.mark.parametrize("number", FAULTS)
def test_the_whole_family_is_one_line(number, tmp_path):
    said = os.strerror(number)
    wrapped = [
        OSError(number, said),
        OSError(f"{said} (os error {number})"),  # polars, tokenizers
        pl.exceptions.ComputeError(f"parquet: underlying IO error: {said} (os error {number})"),
        RuntimeError(f"(Error {number}: {said}) util/system/file.cpp:1: can't write 9 bytes"),
        shutil.Error([("a", "b", f"[Errno {number}] {said}: 'a' -> 'b'")]),
    ]
    for error in wrapped:
        assert reason(error) == said
        with pytest.raises(BadInput, match=f"a.txt: cannot be written: {said}"), writing(tmp_path / "a.txt"):
            raise error
    later = ValueError("in the middle of another error")
    later.__context__ = wrapped[0]
    assert reason(later) == said
    assert line_of(OSError(number, said, "b.csv")).startswith(f"b.csv: cannot be read or written: {said}")


def test_a_parquet_file_whose_end_finds_no_room_is_told_from_a_spoiled_one(tmp_path):
    """polars says the same of both."""
    tables.write(TABLE, tmp_path / "whole", SCHEMA)
    size = (tmp_path / "whole").stat().st_size
    for missing in (1, 30, 200):
        with limited(size - missing), pytest.raises(BadInput) as caught:
            tables.write(TABLE, tmp_path / "table", SCHEMA)
        check_line(caught, Path("table"), ("File too large", "cut short"))
        assert left(tmp_path) == ["whole"]
    assert line_of(pl.exceptions.ComputeError("parquet: Invalid thrift: transport error")) is None


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no"), ValueError("a"), KeyError("b"), OSError("c")])
def test_other_errors_stay_what_they_are(error, tmp_path):
    assert reason(error) is None
    assert line_of(error) is None

    def broken() -> None:
        with whole_file(tmp_path / "a") as part:
            part.touch()
            raise error

    with pytest.raises(type(error)):
        broken()
    with pytest.raises(type(error)), whole_folder(tmp_path / "a"):
        raise error
    assert left(tmp_path) == []


def test_interrupted_writing_leaves_what_was_there(tmp_path):
    write_whole(b"old", tmp_path / "file")
    with whole_folder(tmp_path / "folder") as part:
        write_whole(b"old", part / "a")
    for path in (tmp_path / "file", tmp_path / "folder"):
        with pytest.raises(KeyboardInterrupt), (whole_folder if path.is_dir() else whole_file)(path):
            raise KeyboardInterrupt
    assert left(tmp_path) == ["file", "folder/a"]
    (tmp_path / "folder.part").mkdir()
    (tmp_path / "folder.part" / "half").touch()  # as a kill leaves it
    with whole_folder(tmp_path / "folder") as part:
        write_whole(b"new", part / "b")
    assert left(tmp_path) == ["file", "folder/b"]
    move_whole(tmp_path / "folder", tmp_path / "file2")
    assert left(tmp_path) == ["file", "file2/b"]


def test_trees_are_the_bytes_that_the_libraries_write(tmp_path):
    """Our way of writing them changes none."""
    import lightgbm

    x = RANDOM.random((300, 3))
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, x[:, 0]), 5)
    booster.save_model(str(tmp_path / "a.txt"))
    assert (tmp_path / "a.txt").read_bytes() == booster.model_to_string().encode()


FRAME = """
import sys
from popcast.core.stage import one_line_errors
@one_line_errors
def main():
    open("/dev/full", "w", buffering=1).write("x\\n")
main()
"""


def test_a_fault_that_nobody_named_ends_a_stage_with_one_line(tmp_path):
    done = subprocess.run([sys.executable, "-c", FRAME], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    line = "a file: cannot be read or written: No space left on device: make room and start again, what is done stays"
    assert done.stderr == f"error: {line} done\n"


@pytest.mark.slow
def test_stages_that_find_no_room(pipeline, tmp_path):
    """One line, nothing left, and the same bytes with room. ``python -m tests.faults.full_disks`` takes all stages."""
    names = ["posts@smpd", "features@smpd-text", "train@smpd-hyfea", "blend@smpd", "evaluate@smpd", "report"]
    try:
        counts = drill(Project(pipeline.folder), len(names), 0, names, tmp_path)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted: {error}")
    print(orjson.dumps(counts).decode())
    assert sum(counts.values()) == len(names)
