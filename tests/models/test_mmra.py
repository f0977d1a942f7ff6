"""MMRA: parameter counts and formulas of the sheet, ablations, exact averaging, banks without leaks, bad input."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.models.mmra import Params, Predictor
from popcast.models.mmra.mmra_layers import Layout, Network
from popcast.models.mmra.predictor import Gathered

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {"visual": "image.embedding", "frames": 2, "width": 16, "hidden": [32, 8], "k": 5}
BRIEF = {"max_epochs": 3, "learning_rate": 3e-3}
LINEAR = 768 * 768 + 768


def fit(data, rows: int = 200, **values) -> Predictor:
    posts, features, target, folds = data
    return Predictor(Params(**{**TINY, "training": BRIEF, **values}), 11).fit(
        posts[:rows], features[:rows], target[:rows], folds[:rows]
    )


def layout(variant: str = "ref", **values) -> Layout:
    given = {"modalities": {"text": 768, "visual": 768}, "width": 768, "alpha": 0.6, "divisor": 768.0}
    return Layout(**{"variant": variant, "activation": "tanh", **given, **values})


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


BLOCK = 2 * LINEAR + 4 * (2 * 768 * 768 + 768) + 2 * 769
"""Embeds, duals and crosses of 2d to d, poolings."""
PAPER_BLOCK = 16 * LINEAR + 2 * (2 * 768 * 768 + 768) + 2 * 769
"""Encoders, 12 projections (query, key, value of two polarities and two modalities), W1 and W2, poolings."""
ONE_MODALITY = LINEAR + 769
HEAD = 800 * 200 + 200 + 201


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 18_115_509),
        ({"variant": "fixed"}, 18_115_509),
        ({"retrieval": False}, BLOCK + (1536 * 800 + 800) + HEAD),
        ({"polarities": ("positive",)}, 18_115_509 - 4 * 768 * 768),
        ({"polarities": ("negative",)}, 18_115_509 - 4 * 768 * 768),
        ({"modalities": {"text": 768}}, 2 * ONE_MODALITY + 1536 + (4 * 768 * 800 + 800) + HEAD),
        ({"modalities": {"visual": 768}}, 2 * ONE_MODALITY + 1536 + (4 * 768 * 800 + 800) + HEAD),
        ({"products": False}, 18_115_509 - 5 * 768 * 800),
        ({"products": False, "hidden": (200,)}, 2 * BLOCK + 1536 + (5 * 768 * 200 + 200) + 201),
        ({"modalities": {"text": 384, "visual": 1024}}, 18_115_509 + (385 + 1025) * 768),
        ({"learned_temperature": True}, 18_115_510),
        (
            {"variant": "paper"},
            2 * (16 * LINEAR + 2 * (2 * 768 * 768 + 768) + 2 * 769) + 1536 + 8448 * 800 + 800 + HEAD,
        ),
    ],
)
def test_parameter_counts(values, expected):
    with torch.device("meta"):
        assert count(Network(layout(**values))) == expected


def test_settings_lead_to_these_networks(data):
    """At d = 768 and inputs of that width the settings give the counts above, without training anything."""
    wanted = {
        "none": 18_115_509, "retrieval": 7_294_387, "negative": 15_756_213, "positive": 15_756_213,
        "visual": 3_803_059, "text": 3_803_059, "products": 15_043_509, "first_commit": 12_578_709,
    }  # fmt: skip
    for ablate, expected in wanted.items():
        model = Predictor(Params(variant="ref", ablate=ablate), 0)
        shapes = {name: shape for name, shape in (("visual", (10, 768)), ("text", (768,))) if name != ablate}
        model.inputs = type("Inputs", (), {"shapes": shapes})
        model.bank, model.mean, model.center, model.scale = None if ablate == "retrieval" else 1, 0.0, 0.0, 1.0
        with torch.device("meta"):
            network = model.network()
        assert count(network) == expected, ablate
        assert network.layout.divisor == 768


def small(variant: str, **values) -> tuple[Network, dict[str, torch.Tensor]]:
    torch.manual_seed(4)
    divisor = 6.0 if variant == "ref" else 6**0.5
    widths = {"modalities": {"text": 6, "visual": 6}, "width": 6, "divisor": divisor, "hidden": (7, 5)}
    network = Network(layout(variant, **{**widths, **values})).double()
    shapes = {"text": (3, 6), "visual": (3, 4, 6), "near_text": (3, 6), "near_visual": (3, 4, 6), "near_label": (3,)}
    return network, {name: torch.randn(*shape, dtype=torch.float64) for name, shape in shapes.items()}


def test_reference_frame_branch_is_the_sum_over_frames():
    network, inputs = small("ref")
    seen = {}
    network.own.dual["visual"].register_forward_hook(lambda module, given, out: seen.update(taken=given[0]))
    network(**inputs)
    total = inputs["visual"].sum(dim=1, keepdim=True)
    assert torch.allclose(seen["taken"], torch.cat([total, -0.6 * total], dim=-1), atol=1e-12)


def block_by_hand(block, visual: torch.Tensor, text: torch.Tensor, variant: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Section 5 of the sheet for one post: visual [F, d], text [1, d] -> That, Vhat [1, d]."""
    c = 6.0 if variant == "ref" else 6**0.5
    scores = torch.tanh(block.embed["visual"](visual)) @ torch.tanh(block.embed["text"](text)).T / c
    if variant == "ref":
        text_taken, visual_taken = scores.softmax(dim=0) * text, visual.sum(dim=0, keepdim=True)
        pairs = [(text_taken, -0.6 * text_taken), (visual_taken, -0.6 * visual_taken)]
    else:
        whole = text.expand(len(visual), -1)
        pairs = [(whole, whole), tuple((s * scores).softmax(dim=0).T @ visual for s in (0.6, -0.4))]
    t_star, v_star = (
        torch.tanh(block.dual[name](torch.cat(pair, dim=-1)))
        for name, pair in zip(("text", "visual"), pairs, strict=True)
    )
    frames = torch.tanh(block.cross["visual"](torch.cat([visual, t_star], dim=-1)))
    title = torch.tanh(block.cross["text"](torch.cat([text, v_star], dim=-1)))
    weights = (block.pool["visual"].score(frames) / c).softmax(dim=0)
    return title, weights.T @ frames


@pytest.mark.parametrize("variant", ["ref", "fixed"])
def test_the_network_is_the_formulas_of_the_sheet(variant):
    network, inputs = small(variant)
    found = network(**inputs)
    for i in range(3):
        text, visual = block_by_hand(network.own, inputs["visual"][i], inputs["text"][i : i + 1], variant)
        near_text, near_visual = block_by_hand(
            network.near, inputs["near_visual"][i], inputs["near_text"][i : i + 1], variant
        )
        label = torch.relu(network.label(inputs["near_label"][i].view(1, 1)))
        head = [text, visual, near_text, near_visual, visual * near_visual, visual * near_text, text * near_visual]
        head += [text * near_text, visual * label, text * label]
        assert found[i].item() == pytest.approx(network.head(torch.cat(head, dim=-1)).item(), abs=1e-12)


def test_the_paper_attends_with_both_polarities_and_averages_a_linear_label():
    network, inputs = small("paper")
    network(**inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    block, visual, text = network.own, inputs["visual"][0], inputs["text"][:1]
    frames, title = torch.relu(block.encode["visual"](visual)), torch.relu(block.encode["text"](text))
    taken = []
    for polarity, sharpness in (("positive", 0.6), ("negative", -0.4)):
        keys, values = block.key["visual"][polarity](frames), block.value["visual"][polarity](frames)
        scores = block.query["text"][polarity](title) @ keys.T / 6**0.5
        taken.append((sharpness * scores).softmax(dim=-1) @ values)
    expected = block.second["text"](torch.relu(title + block.first["text"](torch.cat(taken, dim=-1))))
    found = block({"text": inputs["text"][:1, None], "visual": inputs["visual"][:1]})["text"]
    assert torch.allclose(found, expected, atol=1e-12)
    labels = torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    mean = network.label(labels.T).mean(dim=0)
    assert torch.allclose(network.label(labels.mean(dim=1, keepdim=True))[0], mean)


@pytest.mark.parametrize("variant", ["ref", "fixed", "paper"])
@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_averaged_before_training_is_gathered_in_every_step(variant, temperature, data):
    posts, features, _, _ = data
    model = fit(data, variant=variant, temperature=temperature, training={**BRIEF, "max_epochs": 1})
    arrays = model.inputs.transform(features[200:])
    vectors = model._vectors(features[200:])
    index, similarity = model.bank.neighbours(posts[200:], vectors, 5, "predict")
    index[3], index[4, 2:] = -1, -1
    lent = {**model.lent, "label": ((model.lent["label"] - model.center) / model.scale).astype(np.float32)}
    gathered = Gathered(arrays, index, similarity, lent)
    model.bank.neighbours = lambda *_: (index, similarity)
    averaged = model._examples(posts[200:], features[200:], arrays, "predict")
    assert gathered.batch(np.arange(2))["near_visual"].shape == (2, 5, 2, 3)
    assert averaged.batch(np.arange(2))["near_visual"].shape == (2, 2, 3)
    assert model.networks.predict(gathered) == pytest.approx(model.networks.predict(averaged), abs=1e-6)


def test_a_learned_temperature_moves_and_starts_where_it_is_told(data, tmp_path):
    model = fit(data, learn_temperature=True, temperature=0.5, variant="fixed")
    assert model.network().log_temperature.item() == pytest.approx(np.log(0.5))
    learned = model.networks.modules[0].log_temperature.item()
    assert learned != pytest.approx(np.log(0.5), abs=1e-5)
    posts, features = data[0][200:], data[1][200:]
    whole = model.predict(posts, features)
    assert model.predict(posts[5:6], features[5:6]) == pytest.approx(whole[5:6], abs=1e-9)
    model.save(tmp_path / "model")
    assert np.array_equal(Predictor.load(tmp_path / "model").predict(posts, features), whole)


def test_every_ablation_learns_something_else(data):
    posts, features = data[0][200:], data[1][200:]
    found = [
        fit(data, ablate=ablate, training={**BRIEF, "max_epochs": 1}).predict(posts, features)
        for ablate in ("none", "retrieval", "negative", "positive", "visual", "text", "products", "first_commit")
    ]
    for i, first in enumerate(found):
        assert np.isfinite(first).all()
        for second in found[:i]:
            assert np.abs(first - second).max() > 1e-6


def test_labels_of_neighbours_matter_and_without_retrieval_they_do_not(data):
    posts, features = data[0], data[1]
    for ablate in ("none", "retrieval"):
        model = fit(data, ablate=ablate)
        before = model.predict(posts[200:], features[200:])
        if model.bank is not None:
            model.lent["label"] = model.lent["label"][::-1]
        same = np.array_equal(model.predict(posts[200:], features[200:]), before)
        assert same == (ablate == "retrieval")


def test_the_bank_holds_the_learning_rows_and_none_of_the_window(data):
    """bank train: labels of the stopping window (the last fold) reach no input; bank ref: they do."""
    posts, features, _, folds = data
    for policy, expected in (("train", 0.0), ("ref", 1.0)):
        model = fit(data, bank=policy)
        assert model.bank.learning.sum() == (folds[:200] < folds[:200].max()).sum()
        window = np.flatnonzero(~model.bank.learning)
        index, _ = model.bank.neighbours(posts[:200], model._vectors(features[:200]), 5, "fit")
        assert float(np.isin(index, window).any()) == expected


def test_labels_outside_the_bank_change_nothing(data):
    """Labels of the window decide only when to stop; after a single epoch there is nothing to decide."""
    posts, features, target, folds = data
    one = fit(data, rows=240, bank="train", training={**BRIEF, "max_epochs": 1})
    changed = target.copy()
    window = folds == folds.max()
    changed[window] = np.random.default_rng(0).permutation(changed[window])
    two = fit((posts, features, changed, folds), rows=240, bank="train", training={**BRIEF, "max_epochs": 1})
    assert np.array_equal(one.predict(posts, features), two.predict(posts, features))


def test_what_a_variant_sets_where_nothing_is_said():
    ref, fixed = Params(variant="ref", training={"max_epochs": 5}), Params()
    assert (ref.bank, ref.standardise, ref.bounded, ref.monitor) == ("ref", False, False, "mae+nmse")
    assert (ref.training.learning_rate, ref.training.shuffle, ref.training.max_epochs) == (1e-5, False, 5)
    assert (fixed.bank, fixed.training.learning_rate, fixed.training.shuffle) == ("train", 1e-4, True)
    assert (fixed.alpha, fixed.k, fixed.frames, fixed.training.batch_size, fixed.training.patience) == (
        0.6,
        10,
        10,
        64,
        21,
    )
    assert Params(variant="ref", training={"learning_rate": 1e-3}).training.learning_rate == 1e-3
    assert Params(variant="ref", bank="train").bank == "train"


def test_several_seeds_share_one_search_and_are_averaged(data):
    model = fit(data, seeds=2, training={**BRIEF, "max_epochs": 1})
    posts, features = data[0][200:], data[1][200:]
    seeds = model.predict_seeds(posts, features)
    assert seeds.shape == (40, 2)
    assert np.abs(seeds[:, 0] - seeds[:, 1]).max() > 1e-3
    assert model.predict(posts, features) == pytest.approx(seeds.mean(axis=1), abs=1e-12)


@pytest.mark.parametrize("values", [{"visual": None}, {"text": None}, {"visual": "text.svd_embedding", "frames": 1}])
def test_titles_only_frames_only_and_one_vector_of_another_width(values, data):
    posts, features = data[0][200:], data[1][200:]
    assert np.isfinite(fit(data, **values).predict(posts, features)).all()


def test_a_post_without_neighbours_gets_zeros_and_the_mean_label(data):
    posts, features, target, folds = data
    model = fit(data, bank="past_only")
    oldest = posts[:1].with_columns(pl.col("posted_at") - pl.duration(days=1))
    near = model._examples(oldest, features[1:2], model.inputs.transform(features[1:2]), "predict").batch(np.array([0]))
    assert near["near_label"].item() == pytest.approx(0.0, abs=1e-6)
    assert not near["near_visual"].any()
    assert np.isfinite(model.predict(oldest, features[1:2])).all()
    plain = fit(data, variant="ref", bank="past_only")
    near = plain._examples(oldest, features[1:2], plain.inputs.transform(features[1:2]), "predict")
    learning = target[:200][folds[:200] < folds[:200].max()]
    assert near.batch(np.array([0]))["near_label"].item() == pytest.approx(learning.mean(), abs=1e-5)


def test_one_training_row(data):
    posts, features, target, _ = data
    model = Predictor(Params(**TINY, training=BRIEF), 0).fit(posts[1:2], features[1:2], target[1:2], None)
    assert model.predict(posts[2:5], features[2:5]) == pytest.approx(np.full(3, target[1]))


def test_two_training_rows(data):
    posts, features, target, _ = data
    model = Predictor(Params(**TINY, training=BRIEF), 0).fit(posts[1:3], features[1:3], target[1:3], None)
    assert np.isfinite(model.predict(posts[3:6], features[3:6])).all()


def narrow(features: pl.DataFrame, name: str) -> pl.DataFrame:
    """The vectors of one column cut to two entries."""
    lines = [None if line is None else line[:2] for line in features[name].to_list()]
    return features.with_columns(pl.Series(name, lines, dtype=pl.Array(pl.Float32, 2)))


def test_bad_input_is_one_line(data):
    posts, features, target, folds = data
    model = fit(data, retrieval="text.svd_embedding")
    for column in ("image.embedding", "text.embedding", "text.svd_embedding"):
        with pytest.raises(BadInput, match=f"(?s)^[^\n]*{column}[^\n]*$"):
            model.predict(posts, narrow(features, column))
        with pytest.raises(BadInput, match=f"(?s)^[^\n]*{column}[^\n]*$"):
            fit((posts, features.drop(column), target, folds), retrieval="text.svd_embedding")
        nothing = features.with_columns(pl.lit(None, dtype=features.schema[column]).alias(column))
        with pytest.raises(BadInput, match=f"(?s)^[^\n]*{column}[^\n]*null in all[^\n]*$"):
            fit((posts, nothing, target, folds), retrieval="text.svd_embedding")
    with pytest.raises(BadInput, match="width is not a multiple of frames"):
        fit(data, frames=4)
    timeless = posts.with_columns(posted_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    with pytest.raises(BadInput, match="past_only needs the times"):
        fit((timeless, features, target, folds), bank="past_only")


def test_nan_in_a_vector_is_refused_with_its_row(data):
    posts, features, target, folds = data
    lines = features["text.embedding"].to_list()
    lines[7] = [float("nan"), *lines[7][1:]]
    broken = features.with_columns(pl.Series("text.embedding", lines, dtype=features.schema["text.embedding"]))
    with pytest.raises(BadInput, match=r"row 8: .*text\.embedding"):
        fit((posts, broken, target, folds))


def test_nothing_to_look_at_is_refused():
    with pytest.raises(ValueError, match="leaves neither visual nor text"):
        Params(visual=None, ablate="text")
