"""Which models have their attention replaced, so that what prompts have in common is read once."""

import pytest
import torch

from popcast.lm import backbone
from popcast.lm.reading import Reader
from popcast.lm.shared_prefix import ATTENTION, Shared, shareable
from tests.lm.tiny_llm import tiny_base

DEEP = {"layers": 24, "hidden": 64, "heads": 4, "intermediate": 128}
"""So many layers that rounding in every one takes two ways of reading more than a tenth of the logits' sd apart."""


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("models") / "deep", **DEEP)


def opened(folder, dtype) -> tuple[Reader, list[int]]:
    model, tokenizer = backbone.load(folder, device="cpu", dtype=dtype)
    reader = Reader(model, tokenizer, [], size=1, buckets=True, room=512)
    return reader, tokenizer("post 1: title red sky over the sea")["input_ids"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_deep_model_shares_in_every_dtype(deep, dtype):
    reader, tokens = opened(deep, dtype)
    with torch.inference_mode():
        assert shareable(reader, tokens)
    assert reader.network.config._attn_implementation == ATTENTION


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_model_that_reads_something_else_does_not(deep, dtype, monkeypatch):
    """Positions off by one: what is shared is read as if it stood elsewhere."""
    places = Shared._places
    monkeypatch.setattr(Shared, "_places", lambda self, seen: places(self, seen) + 1)
    reader, tokens = opened(deep, dtype)
    given = reader.network.config._attn_implementation
    with torch.inference_mode():
        assert not shareable(reader, tokens)
    assert reader.network.config._attn_implementation == given
