"""``dae_cnn``: swap noise, losses and sizes of the sheet, and that the encoding never sees what it must not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pydantic
import pytest
import torch
import torch.nn.functional as f

from popcast.core.errors import BadInput
from popcast.models.cnn.predictor import Convolution
from popcast.models.dae_cnn import Params, Predictor
from popcast.models.dae_cnn.autoencoder_layers import DenoisingAutoencoder, OneHot, SupervisedAutoencoder, swap_noise
from popcast.models.dae_cnn.params import Autoencoder
from popcast.models.nets.cnn_layers import ConvolutionalNetwork
from tests.models.test_cnn import count
from tests.models.test_training import digest
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"tokens": 2, "width": 8, "heads": 2, "feedforward": 8, "layers": 2}
LEARN = {"learning_rate": 0.01, "max_epochs": 3, "batch_size": 32}


def params(supervised: bool = False, **autoencoder) -> Params:
    autoencoder = {**SMALL, "supervised": supervised, "training": LEARN, **autoencoder}
    return Params(autoencoder=autoencoder, convolution={"length": 12, "channels": 2, "filters": 2}, training=LEARN)


def inputs(rows: int = 4000):
    """A one-hot input of 3 numbers (the second one with a flag), and categories with 4 and 3 codes; and its rows."""
    rng = np.random.default_rng(0)
    one_hot = OneHot(4, [1], [4, 200, 3], largest=64)
    numeric = rng.normal(size=(rows, 4)).astype(np.float32)
    numeric[:, 3] = rng.random(rows) < 0.3
    numeric[numeric[:, 3] == 1, 1] = 0
    codes = np.column_stack([rng.integers(0, size, rows) for size in (4, 200, 3)])
    return one_hot, torch.from_numpy(numeric), torch.from_numpy(codes)


def test_one_hot_leaves_out_large_categories_and_knows_the_column_of_every_entry():
    one_hot, numeric, codes = inputs(5)
    assert (one_hot.width, one_hot.columns) == (4 + 4 + 3, 3 + 2)
    assert one_hot.owner.tolist() == [0, 1, 2, 1, 3, 3, 3, 3, 4, 4, 4], "the flag belongs to the number it flags"
    x = one_hot(numeric, codes)
    assert torch.equal(x[:, :4], numeric)
    assert torch.equal(x[:, 4:8].argmax(1), codes[:, 0])
    assert torch.equal(x[:, 8:].argmax(1), codes[:, 2])


def test_swap_noise_takes_cells_of_other_rows():
    one_hot, numeric, codes = inputs()
    x = one_hot(numeric, codes)
    torch.manual_seed(1)
    noisy, changed = swap_noise(x, one_hot.owner, one_hot.columns, 0.15)
    assert changed.float().mean(0)[[0, 2]].tolist() == pytest.approx([0.15, 0.15], abs=0.02)
    assert changed.float().mean(0)[4].item() == pytest.approx(0.15 * 2 / 3, abs=0.02), "a third meets its own value"
    differs = noisy != x
    assert torch.equal(differs[:, 0], changed[:, 0])
    assert torch.equal(differs[:, 1] | differs[:, 3], changed[:, 1]), "a value and its flag move together"
    assert (noisy[:, 1][noisy[:, 3] == 1] == 0).all()
    assert (noisy[:, 4:8].sum(1) == 1).all(), "a category stays one category"
    assert set(noisy[:, 0].tolist()) <= set(x[:, 0].tolist())
    assert torch.equal(differs[:, 8:].any(1), changed[:, 4])


def test_a_single_row_has_no_other_row_to_take_from():
    one_hot, numeric, codes = inputs(1)
    x = one_hot(numeric, codes)
    noisy, changed = swap_noise(x, one_hot.owner, one_hot.columns, 0.99)
    assert torch.equal(noisy, x)
    assert not changed.any()


def test_the_denoising_loss_by_hand():
    one_hot, numeric, codes = inputs(60)
    network = DenoisingAutoencoder(one_hot, Autoencoder(**SMALL)).eval()
    torch.manual_seed(4)
    loss = network(numeric, codes)
    x = one_hot(numeric, codes)
    torch.manual_seed(4)
    noisy, changed = swap_noise(x, one_hot.owner, one_hot.columns, 0.15)
    last = network.encoder(noisy)[-1]
    mask, found = network.mask(last), network.reconstruction(last)
    weight = torch.where(changed[:, one_hot.owner], 0.75, 0.25)
    expected = 2 * f.binary_cross_entropy_with_logits(mask, changed.float())
    expected = expected + 14 / 24 * (weight[:, :4] * (found[:, :4] - x[:, :4]) ** 2).mean()
    logs = -torch.where(x[:, 4:] == 1, found[:, 4:].sigmoid().log(), (-found[:, 4:]).sigmoid().log())
    expected = expected + 10 / 24 * (weight[:, 4:] * logs).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_sizes_of_the_sheet():
    """Section 4.1: 8 tokens x 128, three layers with 8 heads and 512 units, 3,072 features. Section 4.2: 64 and 32."""
    one_hot, numeric, codes = inputs(6)
    entries, columns = one_hot.width, one_hot.columns
    paper = Autoencoder(tokens=8, width=128, heads=8, feedforward=512, layers=3)
    network = DenoisingAutoencoder(one_hot, paper)
    layer = 4 * (128 * 128 + 128) + 2 * 128 * 512 + 512 + 128 + 4 * 128
    assert count(network) == (entries + 1) * 1024 + 3 * layer + 1025 * columns + 1025 * entries
    assert network.features == 3072
    assert network.encode(numeric, codes).shape == (6, 3072)
    mlp = DenoisingAutoencoder(one_hot, paper.model_copy(update={"encoder": "mlp"}))
    assert count(mlp.encoder) == (entries + 1) * 1024 + 2 * 1025 * 1024
    assert mlp.encode(numeric, codes).shape == (6, 3072)
    label = SupervisedAutoencoder(one_hot, paper)
    norms = 2 * entries + 2 * 32
    assert count(label) == norms + (entries + 1) * 64 + 65 * entries + (entries + 1) * 32 + 33
    assert label.encode(numeric, codes).shape == (6, 64)
    head = ConvolutionalNetwork(50, [], 64, Convolution(**(Params().convolution.model_dump() | {"length": 256})))
    blocks = (16 * 125 + 1) * 256 + 2 * 256 + 257 * 128 + 2 * 128 + 129
    assert count(head) == 2 * 114 + 115 * 4096 + (16 * 7 + 1) * 16 + blocks


@pytest.mark.parametrize("supervised", [False, True])
def test_the_encoding_sees_labels_only_where_it_is_supervised(supervised, data):
    posts, features, target, folds = data
    found = []
    for labels in (target, target[::-1].copy()):
        predictor = Predictor(params(supervised), 3).fit(posts, features, labels, folds)
        found.append(digest(predictor.autoencoder))
    assert (found[0] == found[1]) != supervised


def test_a_supervised_encoding_is_fitted_anew_on_the_rows_it_gets(data):
    """Labels of posts outside the fit cannot reach it: the rows of a fold are all that it ever sees."""
    posts, features, target, folds = data
    other = target.copy()
    other[180:] = 0
    found = [
        Predictor(params(True), 3).fit(posts[:180], features[:180], labels[:180], folds[:180])
        for labels in (target, other)
    ]
    assert np.array_equal(*(predictor.predict(posts, features) for predictor in found))
    whole = Predictor(params(True), 3).fit(posts, features, target, folds)
    assert digest(whole.autoencoder) != digest(found[0].autoencoder)


def test_the_label_among_the_inputs_is_refused(data):
    posts, features, target, folds = data
    leaky = features.with_columns(pl.Series("metadata.leak", target))
    with pytest.raises(BadInput, match=r"dae_cnn: feature 'metadata\.leak' is the label itself"):
        Predictor(params(), 3).fit(posts, leaky, target, folds)
    named = features.with_columns(pl.Series("metadata.popularity", target + 1))
    with pytest.raises(AssertionError, match="ids and labels are no features"):
        Predictor(params(), 3).fit(posts, named, target, folds)


def test_it_learns_to_tell_swapped_cells():
    """Columns that depend on one another: after training the mask head ranks swapped cells above the others."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(2)
    latent = rng.normal(size=(400, 1))
    features = pl.DataFrame({f"a.x{i}": (latent[:, 0] + 0.1 * rng.normal(size=400)) for i in range(6)})
    posts = wide(400)[0]
    longer = {"training": {"learning_rate": 0.003, "max_epochs": 40, "batch_size": 32}, "encoder": "mlp", "width": 16}
    predictor = Predictor(params(**longer), 3).fit(posts, features, rng.normal(size=400), None)
    network = predictor.autoencoder
    arrays = {name: torch.from_numpy(values) for name, values in predictor.inputs.transform(features).items()}
    x = network.inputs(**arrays)
    torch.manual_seed(0)
    noisy, changed = swap_noise(x, network.inputs.owner, network.inputs.columns, 0.15)
    score = network.mask(network.encoder(noisy)[-1])
    assert roc_auc_score(changed.numpy().ravel(), score.detach().numpy().ravel()) > 0.75


@pytest.mark.parametrize("encoder", ["transformer", "mlp"])
def test_the_encoder_is_frozen_and_kept_with_the_model(encoder, data, tmp_path):
    posts, features, target, folds = data
    predictor = Predictor(params(encoder=encoder), 3).fit(posts, features, target, folds)
    assert not any(parameter.requires_grad for parameter in predictor.autoencoder.parameters())
    predictor.save(tmp_path)
    again = Predictor.load(tmp_path)
    assert digest(again.autoencoder) == digest(predictor.autoencoder)
    assert np.array_equal(again.predict(posts, features), predictor.predict(posts, features))


def test_both_stages_go_on_after_a_kill(data, tmp_path):
    posts, features, target, folds = data
    plain = Predictor(params(), 3).fit(posts, features, target, folds)
    for _ in range(2):
        kept = Predictor(params(), 3)
        kept.scratch = tmp_path
        kept.fit(posts, features, target, folds)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["autoencoder", "seed-0"]
        assert np.array_equal(kept.predict(posts, features), plain.predict(posts, features))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_one_row_and_no_columns(data):
    posts, features, target, folds = data
    one = Predictor(params(), 3).fit(posts[:1], features[:1], target[:1], None)
    assert one.predict(posts[:2], features[:2]).tolist() == [target[0]] * 2
    nothing = Predictor(params(), 3).fit(posts, features.select("metadata.constant"), target, folds)
    assert nothing.predict(posts[:2], features[:2]) == pytest.approx(np.full(2, target.mean()))


def test_heads_must_divide_the_width():
    with pytest.raises(pydantic.ValidationError, match="heads: must divide width"):
        Autoencoder(width=30, heads=8)
