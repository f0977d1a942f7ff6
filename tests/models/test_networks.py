"""Networks of one predictor: target scale, stopping window, seeds, refit, files, exact predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from popcast.core.errors import BadInput
from popcast.models.contract.stopping import Window
from popcast.models.nets.networks import NetworkParams, Networks, Targeted
from popcast.models.nets.training import Arrays, Training
from tests.models.test_training import contents

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = 200


def build() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x).squeeze(1)

    return Net()


def data(rows: int = ROWS):
    """examples, target around 100 with sd 30, folds 0..3 in time."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, 5)).astype(np.float32)
    target = 100 + 30 * (x @ [1, -1, 0.5, 0, 0]) / 1.5 + rng.normal(0, 3, rows)
    return Arrays(x=x), target.astype(np.float64), np.arange(rows) * 4 // rows


def networks(**values) -> Networks:
    values = {"training": Training(max_epochs=25, batch_size=16, learning_rate=0.02, device="cpu"), **values}
    return Networks(NetworkParams(**values), 7, "net")


def test_the_target_is_standardised_with_the_learning_rows_alone():
    examples, target, folds = data()
    found = networks()
    found.fit(build, examples, target, folds)
    assert found.center == pytest.approx(target[folds < 3].mean())
    assert found.scale == pytest.approx(target[folds < 3].std())
    predicted = found.predict(examples)
    assert predicted.shape == (ROWS, 1)
    assert predicted.dtype == np.float64
    assert np.corrcoef(predicted[:, 0], target)[0, 1] > 0.9


def test_the_monitor_is_the_error_on_the_whole_last_fold_in_units_of_popularity():
    examples, target, folds = data()
    for values, expected in (
        ({"loss": "rmse"}, lambda e: np.sqrt((e**2).mean())),
        ({"loss": "mae"}, lambda e: np.abs(e).mean()),
        ({"loss": "huber", "delta": 4.0},
         lambda e: np.where(np.abs(e) <= 4, e**2 / 2, 4 * (np.abs(e) - 2)).mean()),
        ({"monitor": "mae+nmse"}, lambda e: np.abs(e).mean() + (e**2).mean() / target[folds == 3].var()),
    ):  # fmt: skip
        found = networks(bounded=False, **values)
        found.fit(build, examples, target, folds)
        error = found.predict(examples)[:, 0][folds == 3] - target[folds == 3]
        assert min(row["monitor"] for row in found.history) == pytest.approx(expected(error), rel=1e-4)


def test_mape_learns_with_weights_of_mean_one():
    examples, target, folds = data()
    target = np.abs(target) / 20 + 0.1
    weights = 1 / np.maximum(target, 1)
    found = networks(loss="mape", bounded=False)
    found.fit(build, examples, target, folds)
    error = np.abs(found.predict(examples)[:, 0] - target)[folds == 3]
    expected = (error * (weights / weights.mean())[folds == 3]).mean()
    assert min(row["monitor"] for row in found.history) == pytest.approx(expected, rel=1e-4)
    batch = Targeted(examples, target, weights).batch(np.array([5, 1]))
    assert batch["weight"].tolist() == pytest.approx(weights[[5, 1]])
    assert batch["target"].tolist() == pytest.approx(target[[5, 1]])


def test_labels_of_the_window_decide_when_to_stop_and_are_not_learned():
    examples, target, folds = data()
    other = target.copy()
    other[folds == 3] = target[folds == 3] + np.random.default_rng(0).normal(0, 1e-6, (folds == 3).sum())
    first, second = networks(bounded=False), networks(bounded=False)
    first.fit(build, examples, target, folds)
    second.fit(build, examples, other, folds)
    assert np.array_equal(first.predict(examples), second.predict(examples))
    chosen = np.arange(ROWS) % 5 == 0
    third = networks()
    third.fit(build, examples, target, folds, window=Window(watch=chosen, learn=~chosen))
    assert third.center == pytest.approx(target[~chosen].mean())


def test_seeds_differ_and_each_is_the_network_that_a_single_seed_gives():
    examples, target, folds = data()
    two = networks(seeds=2)
    two.fit(build, examples, target, folds)
    predicted = two.predict(examples)
    assert predicted.shape == (ROWS, 2)
    assert np.abs(predicted[:, 0] - predicted[:, 1]).max() > 0.1
    assert {row["seed"] for row in two.history} == {7, 8}
    second = Networks(two.params.model_copy(update={"seeds": 1}), 8, "net")
    second.fit(build, examples, target, folds)
    assert np.array_equal(second.predict(examples)[:, 0], predicted[:, 1])


def test_a_second_fit_forgets_the_first():
    examples, target, folds = data()
    found = networks()
    found.fit(build, examples, target, folds)
    first = found.predict(examples)
    found.fit(build, examples, target, folds)
    assert len(found.modules) == 1
    assert np.array_equal(found.predict(examples), first)


@pytest.mark.parametrize("exact", [True, False])
def test_save_and_load_are_exact(exact, tmp_path):
    examples, target, folds = data()
    found = networks(seeds=2)
    found.fit(build, examples, target, folds)
    found.save(tmp_path)
    again = networks(seeds=2)
    again.load(tmp_path, build)
    assert np.array_equal(again.predict(examples, exact), found.predict(examples, exact))
    assert again.history == found.history
    again.save(tmp_path / "again")
    mine = contents(tmp_path / "again")
    assert mine
    assert mine == {name: value for name, value in contents(tmp_path).items() if "/" not in name}


def test_a_prediction_does_not_depend_on_its_batch():
    examples, target, folds = data()
    found = networks()
    found.fit(build, examples, target, folds)
    whole = found.predict(examples)[:, 0]
    x = examples.tensors["x"].numpy()
    for rows in (np.array([3]), np.arange(ROWS)[::-1], np.arange(7)):
        assert found.predict(Arrays(x=x[rows]))[:, 0] == pytest.approx(whole[rows], abs=1e-10)
    assert next(found.modules[0].parameters()).dtype == torch.float32
    assert found.predict(Arrays(x=np.empty((0, 5), np.float32))).shape == (0, 1)


def test_predictions_stay_within_the_labels_seen():
    examples, target, folds = data()
    free, bounded = networks(bounded=False), networks()
    for found in (free, bounded):
        found.fit(build, examples, target, folds)
    far = Arrays(x=np.float32([[40, -40, 40, 0, 0]] * 3))
    assert free.predict(far).max() > target.max()
    assert bounded.predict(far).max() == target.max()


def test_a_constant_target_needs_no_network(tmp_path):
    examples, _, folds = data()
    found = networks(seeds=2)
    found.fit(build, examples, np.full(ROWS, 3.5), folds)
    found.save(tmp_path)
    again = networks(seeds=2)
    again.load(tmp_path, build)
    assert again.predict(examples).tolist() == [[3.5, 3.5]] * ROWS


def test_one_row_and_too_few_rows_for_a_window():
    examples, target, _ = data(1)
    one = networks()
    one.fit(build, examples, target, None)
    assert one.predict(examples).tolist() == [[target[0]]]
    examples, target, _ = data(12)
    few = networks()
    few.fit(build, examples, target, None)
    assert len(few.history) == 2, "a tenth of max_epochs, since nothing says when to stop"
    assert few.history[0]["monitor"] is None
    assert np.isfinite(few.predict(examples)).all()


def test_refit_learns_again_from_all_rows_for_as_many_epochs_as_were_best():
    """Late rows lie 60 higher and say so in a column that is 0 before: the refitted network alone knows."""
    examples, target, folds = data()
    late = folds == 3
    examples.tensors["x"][:, 4] = torch.from_numpy(late)
    target = target + 60 * late
    first, again = networks(), networks(refit=True)
    first.fit(build, examples, target, folds)
    again.fit(build, examples, target, folds)
    assert again.history == first.history, "the history is that of the choice"
    assert not np.array_equal(first.predict(examples), again.predict(examples))
    error = [np.abs(found.predict(examples)[:, 0] - target)[late].mean() for found in (first, again)]
    assert error[1] < 0.9 * error[0]


def test_scratch_keeps_every_seed_and_the_refit_apart(tmp_path):
    examples, target, folds = data()
    plain = networks(seeds=2, refit=True)
    plain.fit(build, examples, target, folds)
    kept = networks(seeds=2, refit=True)
    kept.fit(build, examples, target, folds, scratch=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed-0", "seed-0-refit", "seed-1", "seed-1-refit"]
    again = networks(seeds=2, refit=True)
    again.fit(build, examples, target, folds, scratch=tmp_path)
    assert np.array_equal(plain.predict(examples), kept.predict(examples))
    assert np.array_equal(kept.predict(examples), again.predict(examples))


def test_the_penalty_and_the_loss_weight_of_a_module_are_part_of_its_loss():
    class Pair(nn.Module):
        loss_weight = 3.0

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 1)

        def forward(self, x):
            return self.layer(x).squeeze(1), 0.25

    found, module = networks(), Pair()
    found.scale = 2.0
    batch = {"x": torch.ones(4, 5), "target": torch.zeros(4)}
    value = found._criterion()(module, dict(batch))
    assert value.item() == pytest.approx(3 * (module(batch["x"])[0] ** 2).mean().item() + 0.25)


def test_a_loss_that_is_not_finite_names_the_model_and_the_place():
    examples, target, folds = data()
    examples.tensors["x"][0, 0] = torch.nan
    with pytest.raises(BadInput, match=r"^net 1/1: epoch 1, step \d+: the loss is nan"):
        networks().fit(build, examples, target, folds)


def test_long_and_short_rows_are_predicted_in_their_order():
    """Rows with lengths are predicted sorted by length; each still gets its own prediction."""
    examples, target, folds = data()
    plain = networks()
    plain.fit(build, examples, target, folds)
    expected = plain.predict(examples)
    examples.lengths = np.random.default_rng(0).integers(1, 50, ROWS)
    assert plain.predict(examples) == pytest.approx(expected, abs=1e-10)
