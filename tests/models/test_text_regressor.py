"""The text regressor's own promises: sheet smp2025.md section 6 and section 9 no. 18."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch

from popcast.core.errors import BadInput
from popcast.models.contract.stopping import Window
from popcast.models.text_regressor import Params, Predictor, masked_lm, text_network
from popcast.models.text_regressor.params import Mlm
from tests.models.tiny_backbone import tiny_backbone
from tests.models.wide import wide

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = {"learning_rate": 0.01, "max_epochs": 3, "batch_size": 32}
KINDS = ("bert", "roberta")


def backbone(kind: str = "bert"):
    """(config, tokenizer, pretrained encoder)."""
    folder = tiny_backbone(kind)
    config = text_network.load_config(folder, 0.0)
    return config, text_network.load_tokenizer(folder), text_network.load_backbone(folder, config)


def texts(tokenizer, config, words: list[str], max_tokens: int = 16) -> text_network.Texts:
    ids = text_network.token_ids(tokenizer, words, config, max_tokens)
    return text_network.Texts(ids, tokenizer.pad_token_id, np.zeros((len(words), 0)))


def predictor(kind: str = "bert", **values) -> Predictor:
    settings = {"backbone": tiny_backbone(kind), "fields": ["title", "tags"], "head_scale": 1.0, "training": SHORT}
    return Predictor(Params.model_validate(settings | values), 11)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_transformers(kind):
    config, tokenizer, model = backbone(kind)
    batch = texts(tokenizer, config, ["cat dog beach", "", "sunset"]).batch(np.arange(3))
    layers = model.encoder.layer
    with torch.no_grad():
        ours = text_network.run_layers(model.embeddings(input_ids=batch["ids"]), layers, batch["mask"])
        theirs = model(input_ids=batch["ids"], attention_mask=batch["mask"].long()).last_hidden_state
    assert batch["ids"].shape == (3, 5)
    assert (batch["ids"][~batch["mask"]] == (0 if kind == "bert" else 1)).all()
    assert torch.equal(ours[batch["mask"]], theirs[batch["mask"]])


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_prediction(kind):
    config, tokenizer, model = backbone(kind)
    network = text_network.TextNetwork(model, 0).double().eval()
    found = texts(tokenizer, config, ["sunset", "cat dog sunset beach city night coffee train"])
    with torch.no_grad():
        alone = network(**found.batch(np.array([0])))
        beside = network(**found.batch(np.array([0, 1])))
    assert beside.shape == (2,)
    assert beside[0].item() == pytest.approx(alone.item(), abs=1e-12)


def test_head_attends_to_real_tokens_only():
    """The weighted sum, recomputed by hand from the sheet's formula without any padding."""
    config, tokenizer, model = backbone()
    network = text_network.TextNetwork(model, 0).eval()
    assert (network.key.out_features, network.score.out_features, network.output.out_features) == (512, 1, 1)
    found = texts(tokenizer, config, ["cat", "dog beach city night"])
    with torch.no_grad():
        network.score.weight.mul_(50)
        both = network(**found.batch(np.array([0, 1])))
        hidden = model(input_ids=torch.tensor([found.flat[:3].tolist()])).last_hidden_state[0]
        weight = torch.softmax(network.score(torch.tanh(network.key(hidden)))[:, 0], dim=0)
        expected = network.output((weight[:, None] * hidden).sum(dim=0))
    assert weight.max() - weight.min() > 1e-3
    assert both[0].item() == pytest.approx(expected.item(), abs=1e-6)


def test_learning_rates_fall_by_layer_and_biases_do_not_decay():
    network = text_network.TextNetwork(backbone()[2], 2)
    groups = network.groups(decay=0.5, head_scale=10.0, weight_decay=0.1)
    scale = {id(parameter): group["scale"] for group in groups for parameter in group["params"]}
    shrink = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    named = dict(network.named_parameters())
    assert len(scale) == len(named) == sum(len(group["params"]) for group in groups)
    assert [scale[id(layer.output.dense.weight)] for layer in network.layers] == [0.25, 0.5, 1.0]
    assert scale[id(network.backbone.embeddings.word_embeddings.weight)] == 0.125
    assert scale[id(network.output.weight)] == 10.0
    for name, parameter in named.items():
        assert shrink[id(parameter)] == (0.0 if "LayerNorm" in name or name.endswith("bias") else 0.1), name


def test_reinitialised_layers_are_random_and_the_others_are_not():
    torch.manual_seed(0)
    before = backbone()[2].state_dict()
    with torch.no_grad():
        model = backbone()[2]
        for layer in model.encoder.layer:
            layer.output.LayerNorm.weight.fill_(3.0)
        after = text_network.TextNetwork(model, 0, reinit=2).backbone.state_dict()
    name = "encoder.layer.{}.intermediate.dense.weight"
    assert torch.equal(after[name.format(0)], before[name.format(0)])
    for layer in (1, 2):
        assert not torch.equal(after[name.format(layer)], before[name.format(layer)])
        assert after[name.format(layer)].std().item() == pytest.approx(0.02, rel=0.15)
        assert (after[f"encoder.layer.{layer}.output.LayerNorm.weight"] == 1).all()
        assert (after[f"encoder.layer.{layer}.output.dense.bias"] == 0).all()
    assert (after["encoder.layer.0.output.LayerNorm.weight"] == 3).all()


def test_frozen_layers_stay_and_their_kept_output_gives_the_same_training(monkeypatch):
    posts, features, target, folds = wide()
    kept = predictor(frozen_layers=2).fit(posts, features, target, folds)
    monkeypatch.setattr(text_network, "CACHED_TOKENS", 0)
    again = predictor(frozen_layers=2).fit(posts, features, target, folds)
    start = backbone()[2].state_dict()
    moved = {
        name
        for name, value in kept.networks.modules[0].backbone.state_dict().items()
        if not torch.equal(value, start[name])
    }
    assert moved
    assert all(name.startswith("encoder.layer.2.") for name in moved)
    assert kept.predict(posts, features) == pytest.approx(again.predict(posts, features), abs=1e-4)


def test_seeds_are_averaged():
    posts, features, target, folds = wide()
    model = predictor(seeds=2).fit(posts[:200], features[:200], target[:200], folds[:200])
    single = model.predict_seeds(posts[200:], features[200:])
    assert single.shape == (40, 2)
    assert np.abs(single[:, 0] - single[:, 1]).max() > 1e-3
    assert np.array_equal(model.predict(posts[200:], features[200:]), single.mean(axis=1))


def test_numbers_reach_the_output():
    posts, features, target, folds = wide()
    model = predictor(columns=["history.smoothed_mean"]).fit(posts, features, target, folds)
    higher = features.with_columns(pl.col("history.smoothed_mean") + 2)
    known = features["history.smoothed_mean"].is_not_null().to_numpy()
    moved = model.predict(posts, higher) - model.predict(posts, features)
    assert np.abs(moved[known]).max() > 1e-3
    assert np.abs(moved[~known]).max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_within_task_pretraining_lowers_the_perplexity(kind):
    posts, features, target, folds = wide()
    mlm = {"training": {"learning_rate": 0.01, "max_epochs": 3}}
    model = predictor(kind, mlm=mlm, training=SHORT | {"max_epochs": 1}).fit(posts, features, target, folds)
    words = len(backbone(kind)[1])
    assert model.perplexity["before"] == pytest.approx(words, rel=0.25)  # random weights know nothing
    assert model.perplexity["after"] < 0.8 * model.perplexity["before"]


def test_pretraining_that_does_not_help_is_thrown_away():
    """At a rate that ruins the network the base model is kept; at a sane one its weights move."""
    config, tokenizer, model = backbone()
    found = texts(tokenizer, config, ["cat dog beach"] * 60)
    late = np.arange(60) >= 40
    window = Window(watch=late, learn=~late)
    folder = tiny_backbone()
    for rate, better in ((5.0, False), (0.01, True)):
        settings = Mlm.model_validate({"training": {"learning_rate": rate, "max_epochs": 1, "schedule": "constant"}})
        weights, perplexity = masked_lm.pretrain(folder, config, tokenizer, found, window, settings, 3, None)
        assert (perplexity["after"] < perplexity["before"]) is better
        assert (weights is not None) is better
        assert math.isfinite(perplexity["after"])
    name = "encoder.layer.1.intermediate.dense.weight"
    assert not torch.equal(weights[name], model.state_dict()[name])


@pytest.mark.parametrize("kind", KINDS)
def test_masks_spare_special_tokens(kind):
    config, tokenizer, _ = backbone(kind)
    batch = texts(tokenizer, config, ["cat dog beach city"] * 400 + ["", "sunset"]).batch(np.arange(402))
    torch.manual_seed(1)
    ids, labels = masked_lm.masked(batch["ids"], batch["mask"], tokenizer, 0.15)
    chosen = labels != masked_lm.IGNORED
    special = torch.isin(batch["ids"], torch.tensor(tokenizer.all_special_ids))
    assert not (chosen & (special | ~batch["mask"])).any()
    assert torch.equal(ids[~chosen], batch["ids"][~chosen])
    assert torch.equal(labels[chosen], batch["ids"][chosen])
    assert chosen.sum().item() / (400 * 4 + 1) == pytest.approx(0.15, abs=0.03)
    assert (ids[chosen] == tokenizer.mask_token_id).float().mean().item() == pytest.approx(0.8, abs=0.08)
    alone, told = masked_lm.masked(batch["ids"][401:], batch["mask"][401:], tokenizer, 0.001)
    assert (told != masked_lm.IGNORED).sum() == 1
    assert alone.shape == told.shape


def test_saved_files_carry_tokenizer_and_no_folder_names(tmp_path):
    posts, features, target, folds = wide()
    predictor().fit(posts, features, target, folds).save(tmp_path)
    names = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert {"backbone/config.json", "backbone/tokenizer.json", "network-0.safetensors"} <= names
    for file in (tmp_path / "backbone").iterdir():
        assert tiny_backbone() not in file.read_text()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frozen_layers": 2, "reinit": 2}, "expected at most the 3 layers"),
        ({"columns": ["history.nothing"]}, "'history.nothing' is missing"),
        ({"fields": ["concept"]}, "no post has any text"),
    ],
)
def test_bad_settings_are_one_line(values, said):
    posts, features, target, folds = wide()
    posts = posts.with_columns(concept=pl.lit(None, pl.String))
    with pytest.raises(BadInput, match=said) as raised:
        predictor(**values).fit(posts, features, target, folds)
    assert "\n" not in str(raised.value)


def test_a_folder_without_model_and_another_architecture_are_refused(tmp_path):
    from transformers import DistilBertConfig

    with pytest.raises(BadInput, match="cannot be loaded") as raised:
        text_network.load_config(str(tmp_path), 0.0)
    assert "\n" not in str(raised.value)
    DistilBertConfig().save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="is a distilbert, expected one of bert, roberta"):
        text_network.load_config(str(tmp_path), 0.0)


def test_long_texts_are_cut_to_the_room_of_the_architecture():
    for kind, room in (("bert", 40), ("roberta", 38)):
        config, tokenizer, model = backbone(kind)
        found = texts(tokenizer, config, ["cat " * 100], max_tokens=512)
        assert found.lengths.tolist() == [room]
        network = text_network.TextNetwork(model, 0).eval()
        assert torch.isfinite(network(**found.batch(np.array([0])))).all()
