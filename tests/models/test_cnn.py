"""``cnn``: sizes of the sheet, its small parts by hand, and what it refuses."""

from __future__ import annotations

import numpy as np
import polars as pl
import pydantic
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.models.cnn import Params, Predictor
from popcast.models.cnn.predictor import Convolution
from popcast.models.inputs.matrix import FIRST, OTHER
from popcast.models.nets.cnn_layers import ConvolutionalNetwork, Embedded, Noise, Norm
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {"convolution": {"length": 8, "channels": 2, "filters": 2}, "training": {"max_epochs": 2, "batch_size": 32}}


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_size_of_the_sheet():
    """Section 4.3: dense 4096 -> 256 x 16 -> Conv1D 16, kernel 5 -> pool 2 -> dense 16 -> dense 1."""
    inputs = 768 + 55
    network = ConvolutionalNetwork(inputs, [], 0, Convolution(channels=16, length=256, filters=16, kernel=5))
    steps = (256 - 5 + 1) // 2
    assert count(network) == (inputs + 1) * 4096 + (16 * 5 + 1) * 16 + (16 * steps + 1) * 16 + 17
    assert network(torch.zeros(3, inputs), torch.zeros(3, 0, dtype=torch.int64)).shape == (3,)


def test_the_network_by_hand():
    """One channel, one filter: every step of the forward pass written out."""
    p = Convolution(channels=1, length=5, filters=1, kernel=2, pool=2, dense=[2])
    torch.manual_seed(0)
    network = ConvolutionalNetwork(3, [], 0, p).eval()
    x = torch.tensor([0.3, -1.0, 2.0])
    spread = (network.spread.weight @ x + network.spread.bias).relu()
    kernel, bias = network.convolution.weight[0, 0], network.convolution.bias[0]
    convolved = torch.stack([(kernel * spread[i : i + 2]).sum() + bias for i in range(4)]).relu()
    pooled = torch.stack([convolved[:2].max(), convolved[2:].max()])
    hidden = (network.dense[0].weight @ pooled + network.dense[0].bias).relu()
    expected = network.dense[-1].weight[0] @ hidden + network.dense[-1].bias[0]
    assert network(x[None], torch.zeros(1, 0, dtype=torch.int64)).item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_output_is_linear():
    """The original ends in a ReLU, which can predict nothing below 0 of the standardised target."""
    posts, features, target, folds = wide()
    predictor = Predictor(Params(**TINY), 3).fit(posts, features, target, folds)
    assert predictor.predict(posts, features).min() < predictor.networks.center


def test_categories_are_embedded_and_a_value_never_seen_says_nothing():
    embedded = Embedded(2, [FIRST + 1, 30])
    assert [table.embedding_dim for table in embedded.tables] == [2, 4], "ceil(ln size)"
    assert embedded.width == 8
    x = embedded(torch.tensor([[1.0, 2.0]]), torch.tensor([[OTHER, OTHER]]))
    assert x.tolist() == [[1.0, 2.0, *[0.0] * 6]]
    assert embedded(torch.zeros(1, 2), torch.tensor([[2, 29]])).abs().sum() > 0


def test_a_batch_of_one_row_goes_through_the_norm():
    norm = Norm(3)
    norm(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    x = torch.tensor([[1.0, 1.0, 1.0]])
    assert torch.allclose(norm(x), (x - mean) / (var + norm.eps).sqrt())
    assert torch.equal(norm.running_mean, mean)


def test_noise_is_for_learning_only():
    noise, x = Noise(0.5), torch.zeros(2000)
    torch.manual_seed(0)
    assert noise(x).std().item() == pytest.approx(0.5, rel=0.1)
    assert torch.equal(noise.eval()(x), x)


@pytest.mark.parametrize("rows", [1, 33])
def test_one_training_row_and_a_last_batch_of_one(rows):
    """33 rows in batches of 32: the second batch has one row, which batch normalisation refuses elsewhere."""
    posts, features, target, _ = wide()
    p = Params(**(TINY | {"convolution": TINY["convolution"] | {"batch_norm": True}}))
    predictor = Predictor(p, 3).fit(posts[:rows], features[:rows], target[:rows], None)
    assert np.isfinite(predictor.predict(posts, features)).all()


def test_no_column_to_learn_from_gives_the_mean(tmp_path):
    posts, features, target, folds = wide()
    predictor = Predictor(Params(**TINY), 3).fit(posts, features.select("metadata.constant"), target, folds)
    assert predictor.predict(posts[:2], features[:2]) == pytest.approx(np.full(2, target.mean()))
    predictor.save(tmp_path)
    assert Predictor.load(tmp_path).predict(posts[:2], features[:2]) == pytest.approx(np.full(2, target.mean()))


def test_blocks_and_embeddings_are_chosen_and_missing_ones_named():
    posts, features, target, folds = wide()
    p = Params(**TINY, blocks=["metadata", "text"], embeddings=["text.svd_embedding"])
    predictor = Predictor(p, 3).fit(posts, features, target, folds)
    assert list(predictor.inputs.encoder.vectors) == ["text.svd_embedding"]
    with pytest.raises(BadInput, match="cnn: feature block 'video' is missing"):
        Predictor(Params(**TINY, blocks=["video"]), 3).fit(posts, features, target, folds)


def test_sizes_that_leave_nothing_are_refused():
    with pytest.raises(pydantic.ValidationError, match="nothing is left after kernel and pool"):
        Convolution(length=5, kernel=5)
    assert Convolution(length=6, kernel=5).steps == 1


def test_seeds_are_averaged():
    posts, features, target, folds = wide()
    predictor = Predictor(Params(**TINY, seeds=3), 3).fit(posts, features, target, folds)
    found = predictor.predict_seeds(posts, features)
    assert found.shape == (240, 3)
    assert np.array_equal(found.mean(axis=1), predictor.predict(posts, features))
    assert predictor.predict_seeds(posts, features.with_columns(pl.lit(None).alias("image.width"))).shape == (240, 3)
