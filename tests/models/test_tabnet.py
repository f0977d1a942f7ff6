"""TabNet: its layers against their equations and against pytorch-tabnet's numbers, its inputs and its pretraining."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq

from popcast.models.contract.stopping import stopping_window
from popcast.models.nets.training import Arrays
from popcast.models.tabnet import predictor as tabnet
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

torch = pytest.importorskip("torch")
layers = pytest.importorskip("popcast.models.tabnet.tabnet_layers")

SHAPE = {
    "n_d": 3, "n_a": 2, "n_steps": 2, "gamma": 1.3, "n_shared": 2, "n_independent": 1, "virtual_batch": 3,
    "momentum": 0.02,
}  # fmt: skip
QUICK = {"learning_rate": 0.02, "max_epochs": 4, "batch_size": 64}


def small_network(virtual_batch: int = 3):
    """4 numbers and a category of 5 codes; every weight a value of the sine, so that other code can have the same."""
    network = layers.TabNet(4, [5], [2], {**SHAPE, "virtual_batch": virtual_batch}, sparsity=1.0)
    for number, (name, tensor) in enumerate(sorted(network.state_dict().items())):
        if tensor.is_floating_point():
            values = torch.sin(0.7 * torch.arange(tensor.numel()) + number).reshape(tensor.shape)
            tensor.copy_(1 + values / 2 if name.endswith("running_var") else values)
    numeric, codes = torch.cos(1.3 * torch.arange(24.0)).reshape(6, 4), torch.tensor([[0], [1], [2], [3], [4], [1]])
    return network, {"numeric": numeric, "codes": codes}


def test_forward_pass_is_that_of_pytorch_tabnet():
    """Outputs and entropy that pytorch-tabnet 4.1.0 gives for the same weights (torch 2.13, float32)."""
    network, inputs = small_network()
    with torch.no_grad():
        prediction, entropy = network.train()(**inputs)  # ghost batches of 3 rows
    expected = [-0.02593660, -0.00905965, -0.05999805, -0.02156465, -0.00702980, -0.03850302]
    assert prediction.tolist() == pytest.approx(expected, abs=2e-6)
    assert float(entropy) == pytest.approx(0.79995024, abs=2e-6)
    with torch.no_grad():
        prediction, entropy = network.eval()(**inputs)  # with the running statistics of the two ghost batches
    expected = [-0.17845821, -0.27436423, -0.30563223, -0.06943667, -0.07049727, -0.12986915]
    assert prediction.tolist() == pytest.approx(expected, abs=2e-6)
    assert float(entropy) == pytest.approx(0.59022677, abs=2e-6)
    with torch.no_grad():
        total = network.column_weights(**inputs).sum(dim=0).tolist()
    assert total == pytest.approx([2.4179258, 4.1349101, 2.4099984, 0.0, 2 * 0.17644916], abs=1e-5)


def test_sparsemax_is_the_projection_onto_the_simplex():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 9)) * 2)
    found = layers.sparsemax(values).numpy()
    for row, projected in zip(values.numpy(), found, strict=True):
        threshold = brentq(lambda t, row=row: np.maximum(row - t, 0).sum() - 1, row.max() - 1, row.max())
        assert projected == pytest.approx(np.maximum(row - threshold, 0), abs=1e-9)
    assert layers.sparsemax(torch.tensor([[0.1, 1.1, 0.3]])).tolist() == [pytest.approx([0.0, 0.9, 0.1])]
    assert (found == 0).mean() > 0.3


def test_gradient_of_sparsemax():
    """Jacobian diag(s) - s s' / |s| on the support s."""
    row = torch.tensor([[0.1, 1.1, 0.3, -0.2]], dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda x: layers.sparsemax(x)[0], row)[:, 0]
    support = np.array([0.0, 1.0, 1.0, 0.0])
    assert jacobian.numpy() == pytest.approx(np.diag(support) - np.outer(support, support) / 2, abs=1e-12)
    assert torch.autograd.gradcheck(layers.sparsemax, (row,))


def test_masks_sum_to_one():
    network, inputs = small_network()
    with torch.no_grad():
        decisions, masks = network.eval().encoder(network.entries(**inputs))
    assert [decision.shape for decision in decisions] == [(6, 3), (6, 3)]
    for mask in masks:
        assert mask.shape == (6, 5)
        assert (mask >= 0).all()
        assert mask.sum(dim=1).tolist() == pytest.approx([1.0] * 6, abs=1e-6)


def test_ghost_batches_are_normalised_one_by_one():
    norm = layers.GhostBatchNorm(2, virtual_batch=4, momentum=0.1).train()
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0)) * 3 + 5
    found = norm(x).detach()
    parts = x.chunk(3)
    assert [len(part) for part in parts] == [4, 4, 2]
    expected = [(p - p.mean(dim=0)) / (p.var(dim=0, correction=0) + 1e-5).sqrt() for p in parts]
    assert found.numpy() == pytest.approx(torch.cat(expected).numpy(), abs=1e-5)
    running = torch.zeros(2)
    for part in parts:
        running = 0.9 * running + 0.1 * part.mean(dim=0)
    assert norm.norm.running_mean.numpy() == pytest.approx(running.numpy(), abs=1e-6)
    alone = norm(x[:1]).detach()  # one row: running statistics instead of a variance of 0
    expected = (x[:1] - norm.norm.running_mean) / (norm.norm.running_var + 1e-5).sqrt()
    assert alone.numpy() == pytest.approx(expected.numpy(), abs=1e-6)


@pytest.mark.parametrize(("numbers", "sizes", "shared", "independent"), [(7, [4, 30], 1, 1), (5, [], 2, 2)])
def test_number_of_parameters(numbers, sizes, shared, independent):
    """By hand: embeddings of ceil(ln(size)), linear layers without bias, normalisations with two vectors each."""
    shape = tabnet.TabNetShape(n_d=8, n_a=4, n_steps=3, n_shared=shared, n_independent=independent)
    widths = [int(np.ceil(np.log(size))) for size in sizes]
    entries, columns, width = numbers + sum(widths), numbers + len(sizes), 12
    expected = sum(size * w for size, w in zip(sizes, widths, strict=True)) + 2 * entries
    expected += entries * 2 * width + (shared - 1) * width * 2 * width
    expected += 4 * (independent * width * 2 * width + (shared + independent) * 2 * 2 * width)
    expected += 3 * (4 * columns + 2 * columns) + 8
    network = tabnet.tabnet(shape, numbers, sizes)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_a_network_needs_a_gated_unit():
    with pytest.raises(ValueError, match="at least one gated unit"):
        tabnet.Params(n_shared=0, n_independent=0)
    network = tabnet.tabnet(tabnet.TabNetShape(n_shared=0, n_independent=2), 3, [])
    prediction, _ = network.eval()(torch.ones(2, 3), torch.empty((2, 0), dtype=torch.int64))
    assert prediction.shape == (2,)


def test_numbers_are_clipped_and_an_unseen_category_is_the_most_frequent_one():
    posts, features, target, folds = wide()
    params = tabnet.Params(n_d=4, n_a=4, rare=1, virtual_batch=32, training=QUICK)
    model = tabnet.Predictor(params, 0).fit(posts, features, target, folds)
    far = features.with_columns(pl.lit("never seen").alias("metadata.category"), pl.lit(1e9).alias("image.width"))
    near = features.with_columns(
        pl.lit(features["metadata.category"].drop_nulls().mode().sort()[0]).alias("metadata.category"),
        pl.lit(features["image.width"].max()).alias("image.width"),
    )
    assert np.array_equal(model.predict(posts, far), model.predict(posts, near))
    inputs = model._inputs(features.with_columns(pl.lit(-1e9).alias("image.width")))
    assert (inputs["numeric"] >= model.low).all()
    assert set(model.dense.sizes) == {2 + 3, 2 + 2, 2 + 240}


def test_importances_are_shares_of_the_masks():
    posts, features, target, folds = wide()
    params = tabnet.Params(n_d=4, n_a=4, virtual_batch=32, training={**QUICK, "max_epochs": 20})
    importances = tabnet.Predictor(params, 0).fit(posts, features, target, folds).importances()
    assert sum(importances.values()) == pytest.approx(1.0)
    assert {"history.mean", "metadata.category", "text.embedding[3]"} <= set(importances)


def test_without_any_column_the_prediction_is_a_constant():
    posts, _, target, folds = wide()
    features = pl.DataFrame({"metadata.constant": np.ones(240)})
    params = tabnet.Params(n_d=4, n_a=4, virtual_batch=32, pretrain={}, training=QUICK)
    model = tabnet.Predictor(params, 0).fit(posts, features, target, folds)
    assert np.ptp(model.predict(posts, features)) == 0
    assert model.importances() == {}


def connected(rows: int = 600) -> pl.DataFrame:
    """12 columns that are noisy mixtures of 2 hidden ones: what is hidden can be told from the rest."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(rows, 2)) @ rng.normal(size=(2, 12)) + 0.1 * rng.normal(size=(rows, 12))
    return pl.DataFrame({f"metadata.c{i:02d}": values[:, i] for i in range(12)})


def test_pretraining_rebuilds_hidden_columns_of_posts_it_has_not_seen():
    features = connected()
    pretrain = {"ratio": 0.3, "training": {"max_epochs": 25, "batch_size": 128, "learning_rate": 0.02}}
    params = tabnet.Params(n_d=16, n_a=16, virtual_batch=64, pretrain=pretrain, training=QUICK)
    model = tabnet.Predictor(params, 0)
    posts = wide(rows=600)[0]
    model.fit(posts, features, features["metadata.c00"].to_numpy(), None)
    errors = [row["monitor"] for row in model.pretraining]
    assert errors[0] > 0.5
    assert min(errors) < 0.4  # 1 is what the mean of a column would get
    assert min(errors) < 0.6 * errors[0]


def test_pretraining_sees_no_label_and_the_encoder_starts_from_it():
    posts, features, target, folds = wide()
    pretrain = {"training": {"max_epochs": 2, "batch_size": 64}}
    params = tabnet.Params(n_d=4, n_a=4, virtual_batch=32, pretrain=pretrain, training=QUICK)
    model, other = (
        tabnet.Predictor(params, 0).fit(posts, features, labels, folds) for labels in (target, target[::-1].copy())
    )
    assert model.pretraining == other.pretraining
    assert [row["loss"] for row in model.networks.history] != [row["loss"] for row in other.networks.history]
    examples = Arrays(**model._inputs(features))
    start = model._pretrain(examples, stopping_window(folds, 240), None)
    fresh = model.network().state_dict()
    changed = {name for name, tensor in start.items() if not torch.equal(tensor, fresh[name])}
    assert "encoder.transformers.1.own.0.weight" in changed
    assert "encoder.attention.0.weight" in changed
    assert set(fresh) - set(start) == {"output.weight"}


def test_pretraining_on_a_share_of_the_rows_learns_from_no_others(monkeypatch):
    """``rows: 0.5`` hands half of the learning posts to the pretraining, the same ones for a seed; 1 hands all."""
    posts, features, target, folds = wide()
    shown = []

    def noted(module, examples, learn, error, settings, seed, **rest):
        shown.append(np.array(learn))
        return []

    monkeypatch.setattr(tabnet, "train", noted)
    for rows, seed in ((1.0, 0), (0.5, 0), (0.5, 0), (0.5, 1), (1e-6, 0)):
        params = tabnet.Params(n_d=4, n_a=4, virtual_batch=32, pretrain={"rows": rows}, training=QUICK)
        model = tabnet.Predictor(params, seed)
        model.networks.fit = lambda *args, **kwargs: None
        model.fit(posts, features, target, folds)
    learn = np.flatnonzero(stopping_window(folds, 240).learn)
    assert shown[0].tolist() == learn.tolist()
    assert len(shown[1]) == round(len(learn) / 2)
    assert np.isin(shown[1], learn).all()
    assert len(set(shown[1].tolist())) == len(shown[1])
    assert shown[1].tolist() == shown[2].tolist() != shown[3].tolist()
    assert len(shown[4]) == 1


def test_bfloat16_stays_close():
    """Masks and normalisations keep single precision; a prediction moves by less than it is wrong."""
    posts, features, target, folds = wide()
    found = []
    for dtype in ("float32", "bfloat16"):
        training = {**QUICK, "max_epochs": 3, "patience": 3, "dtype": dtype}
        params = tabnet.Params(n_d=4, n_a=4, virtual_batch=32, pretrain={"training": training}, training=training)
        found.append(tabnet.Predictor(params, 0).fit(posts, features, target, folds).predict(posts, features))
    assert not np.array_equal(*found)
    assert np.abs(found[0] - found[1]).mean() < 0.3 * np.abs(found[0] - target).mean()


def test_hidden_columns_do_not_reach_the_decoder():
    """Two batches that differ in hidden entries only are decoded alike; the loss counts hidden entries alone."""
    network, inputs = small_network()
    module = layers.Reconstruction(network, {**SHAPE, "n_d": 3}, 1, 1).eval()
    hidden = torch.tensor([[1.0, 0, 0, 0, 1]] * 6)
    other = {"numeric": inputs["numeric"].clone(), "codes": inputs["codes"].flip(0)}
    other["numeric"][:, 0] = 99.0
    with torch.no_grad():
        first, true, concealed = module(**inputs, hidden=hidden)
        second, _, _ = module(**other, hidden=hidden)
    assert torch.equal(first, second)
    assert concealed[0].tolist() == [1, 0, 0, 0, 1, 1]
    assert true.shape == (6, 6)
    assert not true.requires_grad
