"""The settings that popcast comes with, in a checkout and in a wheel."""

from __future__ import annotations

import pytest

from popcast.core.errors import BadInput
from popcast.planning import default_params
from popcast.planning.overlay import PER_DATASET
from tests.conftest import ROOT

TABLE = {"labelled": "posts.csv", "columns": {"id": "id", "label": "likes"}}
SECTIONS = {
    "datasets": {"mine": {"kind": "table", "raw": ".", "table": TABLE}},
    "splits": {"mine": {"method": "chronological", "shares": [0.6, 0.2, 0.2]}},
}


def test_a_checkout_has_its_own_file_and_a_wheel_a_copy(tmp_path, monkeypatch):
    in_checkout = default_params.default_file()
    assert in_checkout.name == "params.yaml"
    assert in_checkout.is_relative_to(ROOT)
    monkeypatch.setattr(default_params.resources, "files", lambda package: tmp_path / package)
    (tmp_path / "popcast").mkdir()
    (tmp_path / "popcast" / "params.yaml").write_text("base: {seed: 1}\n")
    assert default_params.default_file() == tmp_path / "popcast" / "params.yaml"


def test_no_dataset_is_left_and_the_caller_gets_a_copy():
    found = default_params.default_params()
    assert all(found[key] == {} for key in PER_DATASET if key in found)
    assert found["models"]
    assert found["features"]
    found["models"].clear()
    assert default_params.default_params()["models"]


def test_sections_are_laid_over_as_an_overlay_is():
    p = default_params.with_sections({**SECTIONS, "base": {"seed": 7}, "models": {"hyfea": {"rounds": 3}}})
    assert list(p.datasets) == ["mine"]
    assert p.base.seed == 7
    plain = default_params.default_params()
    assert p.base.watch == plain["base"]["watch"]
    assert p.models["hyfea"] == plain["models"]["hyfea"] | {"rounds": 3}
    assert p.models["lightgbm"] == plain["models"]["lightgbm"]


@pytest.mark.parametrize(
    ("more", "said"),
    [({"modles": {}}, "modles: unknown key"), ({"base": {"seed": -1}}, "base.seed"), ({"splits": {}}, "splits.mine")],
)
def test_what_is_wrong_is_one_line(more, said):
    with pytest.raises(BadInput, match=said):
        default_params.with_sections(SECTIONS | more)
