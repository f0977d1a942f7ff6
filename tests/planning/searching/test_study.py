"""Trials: seeded, resumable to the same table, chosen on the valid part, and refused where the folder is another's."""

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.planning.searching.search_space import Space
from popcast.planning.searching.study import START, TRIALS, Study
from popcast.scoring.metrics import METRICS

pytest.importorskip("optuna", reason="optuna is not installed: requirements-search.txt")

SPACE = Space.model_validate({"x": {"low": -4.0, "high": 4.0}, "kind": {"choices": ["a", "b"]}})


def bowl(number: int, values: dict) -> dict:
    """Least at x = 1 with kind b; the start has 5. Kind a beyond x = 3 is refused."""
    if number == START:
        return dict.fromkeys(METRICS, 5.0)
    if values["kind"] == "a" and values["x"] > 3:
        raise BadInput("params.yaml: no such setting")
    value = (values["x"] - 1) ** 2 + (values["kind"] == "a")
    return {**dict.fromkeys(METRICS, value), "src": 0.5}


def study(folder, seed=7, **about):
    return Study(folder, SPACE, {"run": "r", **about}, "mae", seed)


def test_a_stopped_search_leaves_the_table_of_an_undisturbed_one(tmp_path):
    told = []
    study(tmp_path / "whole").run(16, bowl, told.append)

    class Killed(Exception):
        pass

    def killed(number, values):
        if number == 5:
            raise Killed
        return bowl(number, values)

    with pytest.raises(Killed):
        study(tmp_path / "stopped").run(16, killed, told.append)
    study(tmp_path / "stopped").run(12, bowl, told.append)
    study(tmp_path / "stopped").run(16, bowl, told.append)
    whole, stopped = (tmp_path / name / TRIALS for name in ("whole", "stopped"))
    assert whole.read_bytes() == stopped.read_bytes()
    table = pl.read_csv(whole)
    assert table["trial"].to_list() == list(range(-1, 16))
    assert table["state"][0] == "as it stands"
    assert told[0] == "start: mae 5.0000 as it stands"


def test_the_sampler_learns_and_another_seed_draws_others(tmp_path):
    found = {}
    for seed in (1, 2):
        one = study(tmp_path / str(seed), seed)
        one.run(30, bowl, lambda line: None)
        found[seed] = one.rows()
        assert one.best()["scores"]["mae"] < 0.3
        assert one.best()["set"]["kind"] == "b"
    assert found[1][1:] != found[2][1:]


def test_refused_settings_are_in_the_table_and_do_not_stop_the_search(tmp_path):
    def most_refused(number, values):
        if number >= 0 and number != 2:
            raise BadInput("params.yaml: leaves: 1")
        return dict.fromkeys(METRICS, 6.0 if number == 2 else 5.0)

    one = study(tmp_path)
    one.run(4, most_refused, lambda line: None)
    table = pl.read_csv(tmp_path / TRIALS)
    assert table["state"].to_list() == [
        "as it stands", *["refused: params.yaml: leaves: 1"] * 2, "scored", "refused: params.yaml: leaves: 1",
    ]  # fmt: skip
    assert table["valid_mae"].to_list() == [5.0, None, None, 6.0, None]
    assert one.best()["trial"] == START


@pytest.mark.parametrize(("seed", "about"), [(8, {}), (7, {"section": {"depth": 3}})])
def test_a_folder_of_another_search_is_refused(tmp_path, seed, about):
    study(tmp_path)
    with pytest.raises(BadInput, match="another search is in it"):
        study(tmp_path, seed, **about)
    assert study(tmp_path).rows is not None
