"""Baselines on frames and titles: sizes and formulas of the sheet, what ``ref`` gets wrong, and refused input."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.models.cban import predictor as cban
from popcast.models.cban.cban_layers import Additive, DotProduct
from popcast.models.contextual_lstm import predictor as contextual_lstm
from popcast.models.hmmved import predictor as hmmved
from popcast.models.massl import predictor as massl
from popcast.models.micro_video.family import MicroVideoInputs
from popcast.models.micro_video.variational_layers import divergence, positions, product_of_experts
from popcast.models.nets.training import Training
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES, WIDTH = 4, 6
LITTLE = {"visual": "video.frame_embedding", "frames": FRAMES, "training": {"max_epochs": 2, "learning_rate": 1e-3}}
SMALL = {
    "cban": {"width": 8},
    "contextual_lstm": {"hidden": 4, "dense": 8},
    "hmmved": {"width": 8, "heads": 2, "feedforward": 8, "hidden": (8, 8), "latent": 4, "decoder": 4},
    "massl": {"width": 8, "heads": 2, "feedforward": 8, "hidden": (8, 8), "latent": 64},
}
MODULES = {"cban": cban, "contextual_lstm": contextual_lstm, "hmmved": hmmved, "massl": massl}


@pytest.fixture(scope="module")
def data():
    """Posts, features with 4 frames of 6 columns, target, folds."""
    posts, features, target, folds = wide(120)
    frames = np.random.default_rng(3).normal(size=(120, FRAMES * WIDTH)).astype(np.float32) + target[:, None] / 4
    return posts, features.with_columns(frame_column(frames)), target, folds


def frame_column(values: np.ndarray) -> pl.Series:
    return pl.Series("video.frame_embedding", values, dtype=pl.Array(pl.Float32, values.shape[1]))


def make(name: str, **values):
    """A small predictor; ``training`` and the visual column may be overridden."""
    return MODULES[name].Predictor(MODULES[name].Params(**{**LITTLE, **SMALL[name], **values}), 5)


def network(name: str, shapes: dict, **values) -> nn.Module:
    """The module of a predictor for inputs of these shapes, with the sizes of the sheet."""
    predictor = MODULES[name].Predictor(MODULES[name].Params(**values), 5)
    predictor.inputs = MicroVideoInputs("visual", "text", 1)
    predictor.inputs.shapes = shapes
    return predictor.network()


@pytest.mark.parametrize(
    ("name", "variant", "frames", "count"),
    [
        ("cban", "ref", 4, 5_912_070),
        ("cban", "ref", 10, 5_916_678),
        ("cban", "fixed", 10, 2 * 590_592 + 4 * 1_180_416 + 2 * 768 + 1_537),
        ("contextual_lstm", "ref", 10, 348_401),
        ("contextual_lstm", "fixed", 1, 348_401),
        ("hmmved", "ref", 10, 3_862_233),
        ("hmmved", "fixed", 10, 3_862_233),
        ("hmmved", "paper", 10, 2 * (768 * 32 + 32 + 2 * (32 * 8 + 8)) + 9),
        ("massl", "ref", 10, 4_204_572),
        ("massl", "fixed", 4, 4_204_572),
    ],
)
def test_the_number_of_parameters_at_width_768(name, variant, frames, count):
    module = network(name, {"visual": (frames, 768), "text": (768,)}, variant=variant, frames=frames)
    assert sum(parameter.numel() for parameter in module.parameters()) == count


def test_other_widths_get_a_projection_and_titles_alone_a_smaller_network():
    def count(name, shapes, **values):
        return sum(parameter.numel() for parameter in network(name, shapes, **values).parameters())

    whole = 5_905_921
    assert count("cban", {"visual": (4, 50), "text": (384,)}) == whole + (50 + 1) * 768 + (384 + 1) * 768
    assert count("cban", {"text": (768,)}) == 768 * 768 + 768 + 768 + 769
    assert count("contextual_lstm", {"text": (384,)}) == 4 * 50 * (384 + 50 + 2) + 51 * 200 + 201
    assert count("hmmved", {"visual": (4, 50), "text": (768,)}) == 3_862_233 + 51 * 768
    assert count("hmmved", {"text": (768,)}) == 525_056 + 2 * 12_850 + 1_041


def linear(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    out = x @ layer.weight.detach().numpy().T
    return out if layer.bias is None else out + layer.bias.detach().numpy()


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def test_cban_ref_is_the_additive_form_of_the_sheet():
    """One post, written out: a plain sum over frames, collinear negatives, pooling weights that are not normalised."""
    torch.manual_seed(0)
    net = Additive({"visual": (3, 5), "text": (5,)}, 5).double()
    v, t = np.random.default_rng(0).normal(size=(3, 5)), np.random.default_rng(1).normal(size=(1, 5))
    scores = np.tanh(linear(net.score, np.tanh(linear(net.embed["visual"], v)) + np.tanh(linear(net.embed["text"], t))))
    tp, vp = softmax(scores) * t, v.sum(axis=0, keepdims=True)
    t_star = np.tanh(linear(net.dual["text"], np.hstack([tp, -tp])))
    v_star = np.tanh(linear(net.dual["visual"], np.hstack([vp, -vp])))
    pooled = []
    for name, own, other in (("visual", v, t_star), ("text", t, v_star)):
        fused = np.tanh(linear(net.cross[name], np.hstack([own, other])))
        offset = net.offset[name].detach().numpy()
        pooled.append((np.tanh(linear(net.weigh[name], fused + offset)) * fused).sum(axis=0))
    expected = linear(net.head, np.concatenate(pooled))
    assert net(torch.tensor(v)[None], torch.tensor(t)).detach().numpy() == pytest.approx(expected, abs=1e-12)


def test_cban_fixed_is_the_dot_product_form_with_softmax_over_the_keys():
    torch.manual_seed(0)
    net = DotProduct({"visual": (3, 5), "text": (5,)}, 5, 0.1).double().eval()
    v, t = np.random.default_rng(0).normal(size=(3, 5)), np.random.default_rng(1).normal(size=(1, 5))
    a = np.tanh(linear(net.embed["text"], t)) @ np.tanh(linear(net.embed["visual"], v)).T
    said = {
        "text": np.hstack([softmax(a) @ v, softmax(-a) @ v]),
        "visual": np.hstack([t, t]).repeat(3, axis=0),  # a single title gets the whole attention of every frame
    }
    pooled = []
    for name, own in (("visual", v), ("text", t)):
        fused = np.tanh(linear(net.cross[name], np.hstack([own, np.tanh(linear(net.dual[name], said[name]))])))
        pooled.append((softmax(linear(net.weigh[name], fused) / np.sqrt(5)) * fused).sum(axis=0))
    expected = linear(net.head, np.concatenate(pooled))
    assert net(torch.tensor(v)[None], torch.tensor(t)).detach().numpy() == pytest.approx(expected, abs=1e-12)
    assert np.ptp(softmax(a)) > 0.05


def test_the_head_of_the_lstm_is_linear_in_ref_and_not_in_fixed():
    found = {}
    for variant in ("ref", "fixed"):
        torch.manual_seed(1)
        head = network("contextual_lstm", {"text": (6,)}, variant=variant).head
        x = torch.linspace(-2, 2, 100).reshape(2, 50)
        found[variant] = float((head(x[:1]) + head(x[1:]) - head(x[:1] + x[1:]) - head(torch.zeros(1, 50))).detach())
    assert found["ref"] == pytest.approx(0, abs=1e-6)
    assert abs(found["fixed"]) > 1e-3


def test_the_product_of_experts_and_its_divergence_by_hand():
    """N(1, 1) and N(3, 1/2): precisions 1 and 2, so N(7/3, 1/3)."""
    means, variances = torch.tensor([[[1.0]], [[3.0]]]), torch.tensor([[[1.0]], [[0.5]]])
    mean, log_variance = product_of_experts(means, variances.log())
    assert (mean.item(), log_variance.exp().item()) == pytest.approx((7 / 3, 1 / 3))
    expected = -0.5 * (1 + np.log(1 / 3) - 49 / 9 - 1 / 3)
    assert divergence(mean, log_variance).item() == pytest.approx(expected)
    alone = product_of_experts(means[:1], variances.log()[:1])
    assert (alone[0].item(), alone[1].exp().item()) == pytest.approx((1, 1))
    two = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    assert divergence(two, torch.zeros(2, 2)).item() == pytest.approx((2.0 + 0.0) / 2)


def test_the_convolutions_of_massl_shorten_256_to_7():
    assert massl.lengths(256) == [256, 128, 127, 64, 63, 32, 16, 8, 7]
    decoder = network("massl", {"text": (6,)}).decoder
    lengths, x = [], torch.ones(2, 256)
    for layer in decoder:
        x = layer(x)
        if isinstance(layer, nn.Conv1d | nn.MaxPool1d):
            lengths.append(x.shape[2])
    assert lengths == massl.lengths(256)[1:]
    assert x.shape == (2,)
    last = {
        variant: list(network("massl", {"text": (6,)}, variant=variant).decoder)[-2] for variant in ("ref", "fixed")
    }
    assert isinstance(last["ref"], nn.Dropout)
    assert isinstance(last["fixed"], nn.Linear)


def test_positions_are_sines_and_cosines():
    found = positions(3, 4).numpy()
    expected = [[np.sin(f), np.cos(f), np.sin(f / 100), np.cos(f / 100)] for f in range(3)]
    assert found == pytest.approx(np.array(expected), abs=1e-6)


def with_frame_changed(features: pl.DataFrame, frame: int) -> pl.DataFrame:
    values = np.array(features["video.frame_embedding"].to_list(), np.float32)
    values[:, frame * WIDTH : (frame + 1) * WIDTH] += 1
    return features.with_columns(frame_column(values))


@pytest.mark.parametrize("pool", ["mean", "last"])
@pytest.mark.parametrize("name", ["hmmved", "massl"])
def test_fixed_experts_are_deterministic_independent_and_see_every_frame(name, pool, data):
    posts, features, target, folds = data
    model = make(name, pool=pool).fit(posts, features, target, folds)
    whole = model.predict(posts, features)
    assert np.array_equal(model.predict(posts, features), whole)
    assert model.predict(posts[7:9], features[7:9]) == pytest.approx(whole[7:9], abs=1e-12)
    for frame in range(FRAMES):
        assert np.abs(model.predict(posts, with_frame_changed(features, frame)) - whole).max() > 1e-9


@pytest.mark.parametrize("name", ["hmmved", "massl"])
def test_ref_experts_repeat_the_published_defects(name, data):
    """Only the last frame counts, posts see each other, the latent is drawn; still the same in each run."""
    posts, features, target, folds = data
    model = make(name, variant="ref").fit(posts, features, target, folds)
    whole = model.predict(posts, features)
    for frame in range(FRAMES - 1):
        assert np.array_equal(model.predict(posts, with_frame_changed(features, frame)), whole)
    assert not np.allclose(model.predict(posts, with_frame_changed(features, FRAMES - 1)), whole, atol=1e-9)
    order = np.random.default_rng(0).permutation(len(posts))
    assert np.array_equal(model.predict(posts[order], features[order]), whole[order])
    experts = model.networks.modules[0].experts
    visual = torch.from_numpy(model.inputs.transform(features)["visual"])
    with torch.no_grad():
        together, alone = experts["visual"](visual)[0][:3], experts["visual"](visual[:3])[0]
    assert (together - alone).abs().max() > 1e-6
    drawn = []
    for seed in (1, 2):
        model.networks.seed = seed
        drawn.append(model.predict(posts, features))
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3


def test_ref_is_evaluated_in_batches_of_256(data):
    """What stands in the second batch changes nothing in the first."""
    module = network("hmmved", {"visual": (2, 8)}, variant="ref", width=8, heads=2).eval()
    x = torch.randn(300, 2, 8, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[256:] += 1
    with torch.no_grad():
        a, b = (module.experts["visual"](part)[0] for part in (x, other))
    assert torch.equal(a[:256], b[:256])
    assert not torch.allclose(a[256:], b[256:])


def test_paper_hmmved_bounds_its_deviation_and_takes_the_mean_frame():
    module = network("hmmved", {"visual": (2, 3), "text": (3,)}, variant="paper").eval()
    assert (module.loss_weight, module.kl_weight) == (1.0, 0.2)
    x = torch.tensor([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]])
    visual, text = module.experts["visual"], module.experts["text"]
    assert torch.equal(visual.encoder[0](x), torch.tensor([[2.0, 2.0, 2.0]]))
    with torch.no_grad():
        text.spread.bias.fill_(1e3)
        assert torch.equal(text(torch.ones(1, 3))[1], torch.full((1, 8), 4.0))
        text.spread.bias.fill_(-1e3)
        assert torch.equal(text(torch.ones(1, 3))[1], torch.full((1, 8), -40.0))


def test_a_variant_brings_the_settings_of_the_sheet_and_params_yaml_wins():
    default, ref, paper = hmmved.Params(), hmmved.Params(variant="ref"), hmmved.Params(variant="paper")
    assert (default.standardise, default.training.shuffle, default.training.learning_rate) == (True, True, 1e-4)
    assert (ref.standardise, ref.bounded, ref.training.shuffle) == (False, False, False)
    assert (ref.training.batch_size, ref.training.max_epochs, ref.training.patience) == (64, 200, 11)
    assert (paper.latent, paper.kl_weight, paper.training.batch_size, paper.training.max_epochs) == (8, 0.2, 512, 100)
    mixed = cban.Params(variant="ref", standardise=True, training={"max_epochs": 3})
    assert mixed.standardise
    assert mixed.training == Training(learning_rate=1e-4, batch_size=64, max_epochs=3, patience=21, shuffle=False)
    assert cban.Params.model_validate(mixed.model_dump()) == mixed


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        (cban.Params, {"visual": None, "text": None}, "models.x: visual and text are both null"),
        (cban.Params, {"variant": "paper"}, "models.x.variant"),
        (cban.Params, {"training": {"epochs": 3}}, "models.x.training.epochs: unknown key"),
        (hmmved.Params, {"width": 30}, "expected a multiple of heads"),
        (massl.Params, {"latent": 32}, "models.x.latent"),
    ],
)
def test_odd_settings_are_named(section, values, said):
    with pytest.raises(BadInput, match=said):
        parse(section, values, "models.x")


def odd(features: pl.DataFrame, kind: str) -> pl.DataFrame:
    if kind == "missing":
        return features.drop("video.frame_embedding")
    if kind == "all null":
        null = pl.lit(None, dtype=features.schema["video.frame_embedding"])
        return features.with_columns(null.alias("video.frame_embedding"))
    if kind == "numbers":
        return features.with_columns(pl.lit(1.0).alias("video.frame_embedding"))
    values = np.ones((features.height, FRAMES * WIDTH + (2 if kind == "width" else 0)), np.float32)
    if kind == "nan":
        values[3, 1] = np.nan
    return features.with_columns(frame_column(values))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "cban: embedding column 'video.frame_embedding' is missing"),
        ("all null", "cban: visual column 'video.frame_embedding' is null in all 120 rows"),
        ("numbers", "not an embedding: got 'Float64', expected Array of float"),
        ("width", "not a multiple of frames: see models.cban.frames: got 26, expected 4 vectors"),
        ("nan", "row 4: field 'video.frame_embedding': cban: a vector with an entry that is null, NaN or infinite"),
    ],
)
def test_bad_inputs_are_one_line(kind, said, data):
    posts, features, target, folds = data
    with pytest.raises(BadInput, match=said) as error:
        make("cban").fit(posts, odd(features, kind), target, folds)
    assert "\n" not in str(error.value)


def test_wrong_width_at_prediction_is_refused_and_a_missing_vector_is_not(data):
    posts, features, target, folds = data
    model = make("contextual_lstm").fit(posts, features, target, folds)
    with pytest.raises(BadInput, match="contextual_lstm: wrong width: got 26, expected 24 as in fit"):
        model.predict(posts, odd(features, "width"))
    zeros = features.with_columns(frame_column(np.zeros((120, FRAMES * WIDTH), np.float32)))
    assert np.array_equal(model.predict(posts, odd(features, "all null")), model.predict(posts, zeros))


def test_one_training_post_and_several_seeds(data):
    posts, features, target, folds = data
    single = make("cban").fit(posts[1:2], features[1:2], target[1:2], None)
    assert single.predict(posts[:5], features[:5]) == pytest.approx(np.full(5, target[1]))
    model = make("cban", seeds=2).fit(posts, features, target, folds)
    seeds = model.predict_seeds(posts, features)
    assert seeds.shape == (120, 2)
    assert np.abs(seeds[:, 0] - seeds[:, 1]).max() > 1e-3
    assert np.array_equal(model.predict(posts, features), seeds.mean(axis=1))


@pytest.mark.parametrize("name", SMALL)
def test_titles_alone_and_one_cover_are_enough(name, data):
    posts, features, target, folds = data
    for values in ({"visual": None}, {"visual": "image.embedding", "frames": 1}, {"text": None}):
        found = make(name, **values).fit(posts, features, target, folds).predict(posts, features)
        assert np.ptp(found) > 0
