"""What section ``blend`` asks of a dataset's split is refused where the split cannot give it."""

from __future__ import annotations

import copy

import pytest
from ruamel.yaml import YAML

from popcast.core.errors import BadInput
from popcast.planning import instances, project_params
from tests.conftest import ROOT

VALUES = YAML(typ="safe").load(ROOT / "params.yaml")


def blends(tmp_path, edit) -> list[instances.Instance]:
    """Plans of the blends of params.yaml after ``edit``."""
    values = copy.deepcopy(VALUES)
    edit(values)
    path = tmp_path / "params.yaml"
    YAML().dump(values, path)
    return list(instances.blend(project_params.load(path)))


def drifting(values: dict) -> None:
    values["blend"]["drift_correction"] = True


def test_drift_is_corrected_in_splits_in_the_order_of_time_only(tmp_path):
    assert len(blends(tmp_path, lambda _: None)) == 3
    with pytest.raises(
        BadInput, match=r"blend\.drift_correction.*microlens is split published.*expected false, or a split"
    ):
        blends(tmp_path, drifting)

    def in_time(values: dict) -> None:
        drifting(values)
        values["splits"]["microlens"] = {"method": "rolling_origin"}

    assert all(one.settings["blend"]["drift_correction"] for one in blends(tmp_path, in_time))

    def newest(values: dict) -> None:
        in_time(values)
        values["splits"]["smpd"] = {"method": "newest_per_author"}

    with pytest.raises(BadInput, match="smpd is split newest_per_author"):
        blends(tmp_path, newest)


def late(values: dict) -> None:
    values["runs"]["smpd-lightgbm"]["cross_fit_from"] = values["splits"]["smpd"].get("folds", 4)


def test_a_member_without_out_of_fold_predictions_is_refused_unless_valid_alone_weighs(tmp_path):
    with pytest.raises(BadInput, match=r"cross_fit_from.*smpd/lightgbm has no out-of-fold.*expected below the 4 folds"):
        blends(tmp_path, late)

    def on_valid(values: dict) -> None:
        late(values)
        values["blend"]["fit_on"] = "valid"

    assert len(blends(tmp_path, on_valid)) == 3

    def left_out(values: dict) -> None:
        late(values)
        values["blend"]["leave_out"] = [*values["blend"].get("leave_out", []), "lightgbm"]

    assert len(blends(tmp_path, left_out)) == 3

    def just_in_time(values: dict) -> None:
        values["runs"]["smpd-lightgbm"]["cross_fit_from"] = 3

    assert len(blends(tmp_path, just_in_time)) == 3


def test_folds_of_authors_are_those_that_count(tmp_path):
    def newest(values: dict) -> None:
        values["splits"]["smpd"] = {"method": "newest_per_author", "newest_folds": 2}
        values["runs"]["smpd-lightgbm"]["cross_fit_from"] = 2

    with pytest.raises(BadInput, match=r"cross_fit_from.*smpd/lightgbm has no out-of-fold.*expected below the 2 folds"):
        blends(tmp_path, newest)
