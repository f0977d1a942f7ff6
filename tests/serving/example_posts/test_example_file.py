"""``examples.json`` of a bundle: reasons add up, forecasts are those of models that never saw these labels."""

from __future__ import annotations

import json

import pytest

from popcast.core import paths
from popcast.report.single_posts import examples_shown
from popcast.serving.example_posts.chosen_examples import KINDS
from popcast.serving.forecast import Forecast
from tests.report.made_examples import examples

NAME = paths.example_posts("").name


@pytest.fixture(scope="session")
def content(bundle_folder) -> dict:
    return json.loads((bundle_folder / NAME).read_bytes())


def test_a_bundle_has_examples_of_each_kind(content):
    assert content["part"] == "test"
    assert content["posts"] >= 6
    assert [one["kind"] for one in content["examples"]] == [kind for kind in KINDS for _ in range(2)]
    errors = {kind: [abs(one["prediction"] - one["outcome"]) for one in content["examples"] if one["kind"] == kind]
              for kind in KINDS}  # fmt: skip
    assert max(errors["best"]) <= min(errors["typical"])
    assert max(errors["typical"]) <= min(errors["worst"])


def test_reasons_add_up_to_the_forecast(content):
    for one in content["examples"]:
        told = one["reasons"]
        total = told["baseline"] + sum(share["value"] for share in told["contributions"])
        assert total == pytest.approx(one["prediction"], abs=1e-5)


def test_examples_are_posts_of_the_test_part(content, bundle_folder):
    known = Forecast.load(bundle_folder, keep=False).known
    splits = dict(zip(known["post_id"], known["split"], strict=True))
    assert {splits[one["id"]] for one in content["examples"]} == {"test"}


def test_an_older_bundle_without_the_file_loads_and_has_no_section(forecast, bundle_folder, tmp_path, monkeypatch):
    folder = tmp_path / "bundle"
    (folder / NAME).unlink()
    assert Forecast.load(folder).contents == forecast.contents
    monkeypatch.chdir(tmp_path)
    assert examples_shown.collect({"gone": False}) == {}


@pytest.mark.parametrize("counts", [True, False])
def test_the_page_shows_them_in_words(tmp_path, monkeypatch, counts):
    monkeypatch.chdir(tmp_path)
    path = paths.example_posts("a")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(examples("x", "y", counts)))
    found = examples_shown.collect({"a": False})["a"]
    best = found.groups["Best forecasts"]
    assert best[0].forecast == ("5.00 (31)" if counts else "5.00")
    assert best[0].off == "0.25 too low"
    assert [reason.value for reason in best[0].reasons] == (
        ["+0.75 ×1.68", "−0.50 ×0.71"] if counts else ["+0.75", "−0.50"]
    )
    assert best[0].others == "1 other nearly 0"
    assert best[0].low < best[0].at < best[0].real < best[0].low + best[0].wide < 100
    assert best[1].low is None
    assert best[1].between == ""
