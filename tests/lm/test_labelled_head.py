"""Logits of labelled tokens alone: the same loss and gradients for a part of the work."""

import pytest
import torch
from trl.trainer import utils

from popcast.core.errors import BadInput
from popcast.fewshot.alignment import idpop
from popcast.lm import backbone, tuning
from popcast.lm.labelled_head import CHOICE, labelled_alone
from tests.lm.tiny_llm import tiny_base


@pytest.fixture
def model(tmp_path):
    found, _ = backbone.load(tiny_base(tmp_path / "base"), device="cpu", trainable=True)
    utils.add_fused_lm_head(found, outputs=("log_probs", "is_top1"))
    return found


@pytest.fixture
def scored(monkeypatch) -> list[int]:
    """Tokens of each call that got logits."""
    counts, kernel = [], utils._ChunkedLogProbFunction

    class Counting:
        @staticmethod
        def apply(hidden, *rest):
            counts.append(len(hidden))
            return kernel.apply(hidden, *rest)

    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", Counting)
    return counts


def of_batch(model):
    ids = torch.arange(60).reshape(3, 20) + 40
    labels = ids.masked_fill(torch.arange(20) < 17, -100)
    labels[1] = -100  # a row without an answer
    model.zero_grad()
    out = model(input_ids=ids, labels=labels, fused_lm_head=True)
    out.loss.backward()
    return out, {name: weight.grad.clone() for name, weight in model.named_parameters()}


def test_loss_and_gradients_are_the_same_and_prompt_tokens_get_no_logits(model, scored):
    whole, gradients = of_batch(model)
    with labelled_alone():
        alone, same = of_batch(model)
    assert scored == [3 * 19, 2 * 3]
    assert alone.loss.item() == pytest.approx(whole.loss.item(), rel=1e-5)
    torch.testing.assert_close(alone.log_probs, whole.log_probs, rtol=1e-4, atol=1e-5)
    assert torch.equal(alone.is_top1, whole.is_top1)
    for name, gradient in gradients.items():
        torch.testing.assert_close(same[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_the_choice_is_put_back_whatever_happens():
    before = getattr(utils, CHOICE)
    with labelled_alone():
        assert getattr(utils, CHOICE) is not before
    assert getattr(utils, CHOICE) is before
    with pytest.raises(BadInput, match="too long"), labelled_alone():
        raise BadInput("too long")
    assert getattr(utils, CHOICE) is before


def test_a_trl_without_that_choice_is_left_alone(monkeypatch, model):
    monkeypatch.delattr(utils, CHOICE)
    with labelled_alone():
        assert not hasattr(utils, CHOICE)


@pytest.mark.parametrize("where", ["tuning", "alignment"])
def test_whatever_learns_from_answers_scores_them_alone(where, tmp_path, scored):
    import polars as pl

    base = tiny_base(tmp_path / "base")
    prompts = [f"post {i}: title red sky over the sea. Its popularity?\n" for i in range(4)]
    if where == "tuning":
        params = tuning.Params(epochs=1, batch_size=4, max_length=128)
        tuning.tune(base, prompts, ["7.52"] * 4, params, 3, tmp_path / "out")
    else:
        columns = {"pair_id": list("abcd"), "prompt": prompts, "chosen": ["7.52"] * 4, "rejected": ["9.10"] * 4}
        pairs = pl.DataFrame(columns).with_columns(mu=pl.lit(1.0))
        idpop.align(base, pairs, idpop.Params(epochs=1, max_length=128), 3, tmp_path / "out")
    _, tokenizer = backbone.load(base, device="cpu")
    answer = len(tokenizer("7.52")["input_ids"]) + 1
    assert scored
    assert max(scored) <= 8 * answer  # at most four chosen and four rejected answers with their ends
