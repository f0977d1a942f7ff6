"""The shared loop: best weights, patience, schedules, batches, resume after a kill, and what stops it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from popcast.core.errors import BadInput
from popcast.models.nets import checkpoint
from popcast.models.nets.training import Arrays, Progress, Training, chosen_device, epoch_batches, learning_rate, train
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = 48


def examples(rows: int = ROWS) -> Arrays:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return Arrays(x=x, target=(x @ [1.0, -2.0, 0.5, 0.0]).astype(np.float32))


class Small(nn.Module):
    """Linear -> dropout -> linear; dropout makes the random numbers of an epoch matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.2), nn.Linear(6, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).squeeze(1)


def squared(network, batch):
    return ((network(batch["x"]) - batch["target"]) ** 2).mean()


def settings(**values) -> Training:
    return Training(**{"batch_size": 16, "max_epochs": 8, "device": "cpu", **values})


def digest(network: nn.Module) -> str:
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in network.state_dict().values())).hexdigest()


def scripted(values: list[float], seen: list[str] | None = None):
    """A monitor that says ``values`` one after the other and notes the weights that it was shown."""
    left = iter(values)

    def monitor(network) -> float:
        assert not network.training
        assert not torch.is_grad_enabled()
        if seen is not None:
            seen.append(digest(network))
        return next(left)

    return monitor


def run(values: list[float] | None = None, folder: Path | None = None, **options):
    """(network, history) of a run of the small network with a scripted monitor."""
    network, monitor = Small(), None if values is None else scripted(values)
    history = train(network, examples(), np.arange(ROWS), squared, settings(**options), 5, monitor=monitor,
                    folder=folder, label="small")  # fmt: skip
    return network, history


def test_the_best_weights_come_back_and_patience_counts_epochs_without_a_better_monitor():
    network, seen = Small(), []
    values = [5.0, 3.0, 4.0, 3.0, 3.5, 9.0, 9.0]
    history = train(network, examples(), np.arange(ROWS), squared, settings(patience=3), 5,
                    monitor=scripted(values, seen))  # fmt: skip
    assert [row["monitor"] for row in history] == values[:5], "epochs 3, 4, 5 bring nothing: an equal value is no gain"
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert digest(network) == seen[1]
    assert len(set(seen)) == 5
    assert not network.training


def test_without_a_monitor_the_last_weights_stay_and_all_epochs_are_learned():
    network, history = run()
    assert [row["monitor"] for row in history] == [None] * 8
    assert history[-1]["loss"] < history[0]["loss"]
    shorter = Small()
    train(shorter, examples(), np.arange(ROWS), squared, settings(), 5, epochs=3)
    assert digest(shorter) != digest(network)


def test_only_the_learning_rows_are_learned():
    data = examples()
    spoiled = examples()
    spoiled.tensors["target"][30:] = 1e6
    found = []
    for given in (data, spoiled):
        network = Small()
        train(network, given, np.arange(30), squared, settings(max_epochs=3), 5)
        found.append(digest(network))
    assert found[0] == found[1]


def test_same_seed_same_bytes_and_the_random_numbers_outside_are_left_alone():
    torch.manual_seed(77)
    expected = torch.rand(3)
    torch.manual_seed(77)
    first = digest(run(max_epochs=3)[0])
    torch.manual_seed(77)
    train(network := Small(), examples(), np.arange(ROWS), squared, settings(max_epochs=3), 5)
    assert digest(network) == first
    torch.manual_seed(77)
    network = Small()
    state = torch.get_rng_state()
    train(network, examples(), np.arange(ROWS), squared, settings(max_epochs=3), 6)
    assert digest(network) != first
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(77)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "radam"])
def test_a_run_that_was_cut_goes_on_to_the_same_bytes(optimizer, tmp_path, monkeypatch):
    """Cut after each epoch in turn; the state of the optimiser and the halvings of the plateau are part of it."""
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    values = [4.0, 3.0, 3.5, 3.2, 3.1, 3.3, 2.0, 2.4]
    options = {"optimizer": optimizer, "schedule": "plateau", "plateau_epochs": 2, "weight_decay": 0.01}
    whole, history = run(values, tmp_path / "whole", **options)
    assert len({row["learning_rate"] for row in history}) == 3, "halved after epochs 4 and 6"
    for cut in (1, 4, 7):
        network = Small()
        with pytest.raises(StopIteration):  # the script of the monitor ends here
            train(network, examples(), np.arange(ROWS), squared, settings(**options), 5,
                  monitor=scripted(values[:cut]), folder=tmp_path / f"cut-{cut}")  # fmt: skip
        network = Small()
        again = train(network, examples(), np.arange(ROWS), squared, settings(**options), 5,
                      monitor=scripted(values[cut:]), folder=tmp_path / f"cut-{cut}")  # fmt: skip
        assert again == history
        assert digest(network) == digest(whole)
        assert contents(tmp_path / f"cut-{cut}") == contents(tmp_path / "whole")


def contents(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.rglob("*.*")
            if f.is_file()}  # fmt: skip


def test_a_finished_run_is_not_run_again(tmp_path):
    values = [4.0, 3.0, 3.5, 3.2]
    whole, history = run(values, tmp_path, max_epochs=4)
    again, same = run([], tmp_path, max_epochs=4)
    assert same == history
    assert digest(again) == digest(whole)


def killable(folder: Path, kill_at: int) -> str:
    """Weights after a run that kills its process at the given step of all (0: never); the state is kept each epoch."""
    checkpoint.SAVE_SECONDS, steps = 0, 0

    def loss(network, batch):
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return squared(network, batch)

    network = Small()
    options = settings(schedule="plateau", plateau_epochs=1, optimizer="radam", learning_rate=0.3)
    train(network, examples(), np.arange(ROWS), loss, options, 5, folder=folder,
          monitor=lambda n: float(squared(n, examples().batch(np.arange(ROWS)))))  # fmt: skip
    return digest(network)


def test_sigkill_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    """Killed at step 2 of epoch 4, then at step 3 of the third one after: the bytes of an undisturbed run."""
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    for step, epochs in ((11, 3), (9, 5)):
        code = f"from tests.models.test_training import *; killable(Path('cut'), {step})"
        assert subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path).returncode == -signal.SIGKILL
        assert [file.name for file in (tmp_path / "cut").glob("state-*")] == [f"state-{epochs}.safetensors"]
    assert killable(tmp_path / "cut", 0) == killable(tmp_path / "whole", 0)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_the_state_is_written_only_now_and_then(tmp_path, monkeypatch):
    """A small network must not spend its time on the disk: only the end of a short run is written."""
    writes = []
    original = checkpoint.Checkpoint.write
    monkeypatch.setattr(checkpoint.Checkpoint, "write", lambda self, h: writes.append(len(h)) or original(self, h))
    run(None, tmp_path)
    assert writes == [8]
    assert [f.name for f in tmp_path.glob("state-*")] == ["state-8.safetensors"]


def test_weights_that_are_not_contiguous_can_be_kept(tmp_path):
    network = Small()
    network.layers[0].weight = nn.Parameter(torch.randn(4, 6).T)
    history = train(network, examples(), np.arange(ROWS), squared, settings(max_epochs=2), 5, folder=tmp_path)
    assert len(history) == 2


def test_dvclive_curves_show_each_epoch_once_and_touch_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    _, history = run([3.0, 2.0], tmp_path / "work", max_epochs=2)
    folder = tmp_path / "work" / "curves" / "plots" / "metrics"
    assert (folder / "monitor.tsv").read_text() == "step\tmonitor\n1\t3.0\n2\t2.0\n"
    lines = (folder / "loss.tsv").read_text().splitlines()[1:]
    assert [float(line.split("\t")[1]) for line in lines] == [row["loss"] for row in history]
    assert (tmp_path / "dvc.yaml").read_text() == "stages: {}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dvc.yaml", "work"]


def test_a_loss_that_is_not_finite_stops_at_once():
    """Rows 32.. are spoiled: whichever batch meets one first stops, and the line says where."""
    data = examples()
    data.tensors["target"][40] = torch.inf
    with pytest.raises(BadInput) as caught:
        train(Small(), data, np.arange(ROWS), squared, settings(shuffle=False), 5, label="small 1/1")
    said = str(caught.value)
    assert said.startswith("small 1/1: epoch 1, step 3: the loss is inf: expected a finite number")
    assert "\n" not in said


def test_a_monitor_that_is_not_finite_stops_too():
    with pytest.raises(BadInput, match="small: epoch 2: the monitor is nan: expected a finite number"):
        run([1.0, float("nan")])


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("auto") == torch.device("cpu")
    with pytest.raises(BadInput, match=r"training\.device: got 'cuda:1', but this machine has no usable GPU"):
        chosen_device("cuda:1")


def test_learning_rates_by_hand():
    def rates(**values):
        return [learning_rate(settings(learning_rate=0.8, **values), step, 8, 0) for step in range(8)]

    assert rates() == [0.8] * 8
    assert rates(warmup=0.25) == pytest.approx([0.4, 0.8, *[0.8] * 6])
    assert rates(schedule="linear") == pytest.approx([0.8 * (1 - i / 8) for i in range(8)])
    assert rates(schedule="linear", warmup=0.5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.6, 0.4, 0.2])
    assert rates(schedule="cosine")[::4] == pytest.approx([0.8, 0.4])
    assert rates(schedule="cosine")[2] == pytest.approx(0.8 * (1 + np.sqrt(0.5)) / 2)
    plateau = settings(learning_rate=0.8, schedule="plateau")
    assert [learning_rate(plateau, 5, 8, halved) for halved in (0, 1, 3)] == pytest.approx([0.8, 0.4, 0.1])


def test_halvings_of_the_plateau_by_hand():
    def halvings(values, name="monitor"):
        rows = [{"monitor": None, "loss": 1.0, name: value} for value in values]
        return Progress(rows, settings(plateau_epochs=2)).halvings()

    assert halvings([]) == 0
    assert halvings([3, 2, 2]) == 0
    assert halvings([3, 2, 2, 2.5]) == 1
    assert halvings([3, 2, 2, 2.5, 1, 2, 3, 2, 2]) == 3
    assert halvings([3, 2.5, 2, 1.5, 1, 0.5], "loss") == 0, "no monitor: the loss of the learning rows"
    assert halvings([3, 2, 2, 2], "loss") == 1


def test_the_rate_follows_the_schedule_over_the_steps_of_all_epochs():
    history = run(schedule="linear", max_epochs=4, learning_rate=0.12)[1]
    assert [row["learning_rate"] for row in history] == pytest.approx([0.12 * (1 - i / 12) for i in (2, 5, 8, 11)])


def test_groups_have_their_own_rate_and_decay(monkeypatch):
    seen = []
    original = torch.optim.AdamW.step

    def step(self, *arguments):
        seen.append([(group["lr"], group["weight_decay"]) for group in self.param_groups])
        return original(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    network = Small()
    groups = [{"params": network.layers[0].parameters(), "scale": 0.1},
              {"params": network.layers[3].parameters(), "weight_decay": 0.0}]  # fmt: skip
    options = settings(optimizer="adamw", weight_decay=0.3, learning_rate=0.02, max_epochs=1)
    train(network, examples(), np.arange(ROWS), squared, options, 5, groups=groups)
    assert seen == [[(pytest.approx(0.002), 0.3), (0.02, 0.0)]] * 3


@pytest.mark.parametrize("long", [False, True])
def test_every_row_once_per_epoch_and_another_order_in_each(long):
    rows = np.random.default_rng(0).permutation(700)[:613]
    lengths = np.random.default_rng(1).integers(1, 90, 700) if long else None
    found = [epoch_batches(rows, settings(batch_size=8), (4, epoch), lengths) for epoch in range(2)]
    for batches in found:
        assert sorted(np.concatenate(batches)) == sorted(rows)
        assert len(batches) == 77
        assert sorted({len(batch) for batch in batches}) == [5, 8]
    assert not np.array_equal(np.concatenate(found[0]), np.concatenate(found[1]))
    again = epoch_batches(rows, settings(batch_size=8), (4, 0), lengths)
    assert np.array_equal(np.concatenate(found[0]), np.concatenate(again))


def test_batches_by_length_are_narrow():
    """Rows of a batch are of similar length, and short batches do not all come first."""
    lengths = np.random.default_rng(1).integers(1, 90, 1200)
    batches = epoch_batches(np.arange(1200), settings(batch_size=8), (4, 0), lengths)
    spread = np.mean([np.ptp(lengths[batch]) for batch in batches])
    plain = np.mean([np.ptp(lengths[b]) for b in epoch_batches(np.arange(1200), settings(batch_size=8), (4, 0), None)])
    assert spread < plain / 10
    means = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_unshuffled_rows_keep_their_order():
    batches = epoch_batches(np.arange(7), settings(batch_size=3, shuffle=False), (4, 0), None)
    assert [batch.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_bfloat16_on_a_cpu_stays_close_and_weights_stay_float32():
    plain, history = run(max_epochs=4, learning_rate=0.01)
    short, rounded = run(max_epochs=4, learning_rate=0.01, dtype="bfloat16")
    assert {value.dtype for value in short.state_dict().values()} == {torch.float32}
    assert digest(short) != digest(plain)
    assert [row["loss"] for row in rounded] == pytest.approx([row["loss"] for row in history], rel=0.02)


def test_the_gradient_is_clipped(monkeypatch):
    norms = []
    original = torch.optim.Adam.step

    def step(self, *arguments):
        gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.cat(gradients).norm()))
        return original(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    run(max_epochs=1, clip=0.01)
    assert max(norms) <= 0.01 * 1.001
    norms.clear()
    run(max_epochs=1)
    assert min(norms) > 0.01


def test_read_only_arrays_are_no_matter(recwarn):
    x = np.ones((3, 2), np.float32)
    x.setflags(write=False)
    batch = Arrays(x=x).batch(np.array([2, 0]))
    assert batch["x"].shape == (2, 2)
    assert not [w for w in recwarn if "writable" in str(w.message)]
