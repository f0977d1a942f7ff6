"""The stand-in base of responses learns, is the same on every run, and goes on after a kill."""

from __future__ import annotations

import orjson
import pytest

from popcast.lm import backbone
from popcast.response.writing import stand_in_base
from popcast.response.writing.stand_in_base import ResponseBase, StandIn, make

SMALL = StandIn(
    vocabulary=500, hidden=16, layers=1, heads=2, intermediate=24, epochs=3, batch_size=8, length=24, learning_rate=0.01
)
DOCUMENTS = [f"今天是{day}号 天气很好[哈哈]" for day in range(40)]


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_it_learns_loads_and_has_the_same_bytes_twice(tmp_path):
    facts = make(tmp_path / "one", DOCUMENTS, ["请写一条"], SMALL, 1, None)
    make(tmp_path / "two", DOCUMENTS, ["请写一条"], SMALL, 1, None)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    history = orjson.loads((tmp_path / "one" / "history.json").read_bytes())
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert (facts["stand_in"], facts["documents"]) == (True, 40)
    model, tokenizer = backbone.load(tmp_path / "one")
    assert model.config.model_type == "qwen2"
    assert tokenizer("好[哈哈]")["input_ids"]
    make(tmp_path / "other", DOCUMENTS, ["请写一条"], SMALL, 2, None)
    assert files(tmp_path / "other")["model.safetensors"] != files(tmp_path / "one")["model.safetensors"]


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    make(tmp_path / "whole", DOCUMENTS, [], SMALL, 1, None)
    real, calls = stand_in_base.loss, []

    def dies(network, batch):
        calls.append(1)
        if len(calls) == 8:  # in the second epoch of five updates
            raise KeyboardInterrupt
        return real(network, batch)

    monkeypatch.setattr(stand_in_base, "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "killed", DOCUMENTS, [], SMALL, 1, tmp_path / "work")
    assert not (tmp_path / "killed").exists()
    monkeypatch.setattr(stand_in_base, "loss", real)
    make(tmp_path / "killed", DOCUMENTS, [], SMALL, 1, tmp_path / "work")
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_fewer_documents_are_drawn_by_seed(tmp_path):
    facts = make(tmp_path / "few", DOCUMENTS, [], SMALL.model_copy(update={"documents": 10}), 1, None)
    assert facts["documents"] == 10


@pytest.mark.parametrize(
    "values", [{}, {"made": {}, "pretrained": {"model": "a/b"}}, {"made": {"hidden": 30, "heads": 4}}]
)
def test_settings_that_cannot_be_are_refused(values):
    with pytest.raises(ValueError, match=r"exactly one|not a multiple"):
        ResponseBase.model_validate(values)
