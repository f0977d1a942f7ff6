"""``popcast explain``: reasons of one draft by options and of a file, as text and as JSON."""

from __future__ import annotations

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

import popcast
from popcast.cli import main
from popcast.commands.forecasting.explain_command import MOST
from tests.api.fixed_choice import GIVEN, SETTINGS, rows

OPTIONS = ("--text", "storm harbour", "--author", "page 3", "--time", "2025-07-01 12:00")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("explained") / "bundle"
    popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(rows()).save(found)
    return found


def called(*words: object):
    return CliRunner().invoke(main, ["explain", *map(str, words)])


def test_reasons_add_up_to_what_popcast_forecast_says(folder, tmp_path):
    told = CliRunner().invoke(main, ["forecast", str(folder), *OPTIONS, "--json"])
    forecast = orjson.loads(told.stdout)["forecasts"][0]
    content = orjson.loads(called(folder, *OPTIONS, "--json").stdout)
    one = content["explanations"][0]
    assert one["prediction"] == pytest.approx(forecast["prediction"], abs=1e-6)
    total = one["baseline"] + sum(part["value"] for part in one["contributions"])
    assert total == pytest.approx(one["prediction"], abs=1e-6)
    assert one["words"]
    assert content["notes"] == orjson.loads(told.stdout)["notes"]
    without = orjson.loads(called(folder, *OPTIONS, "--json", "--no-words").stdout)["explanations"][0]
    assert without == one | {"words": []}


def test_a_file_and_text_for_people(folder, tmp_path):
    drafts = pl.DataFrame(
        {"id": ["a", "b"], "message": ["storm", "kitten \x1b[2J\nand more"], "page": ["page 3", "page 4"]}
    )
    drafts.write_csv(tmp_path / "drafts.csv")
    found = called(folder, tmp_path / "drafts.csv")
    assert found.exit_code == 0
    first, second = found.stdout.strip().split("\n\n")
    assert first.startswith("a: ")
    assert " (counts: " in first.splitlines()[0]
    assert all(line.startswith("  ") for line in first.splitlines()[1:])
    assert second.startswith("b: ")
    assert "the author's past" in first
    assert "\x1b" not in found.stdout
    assert "taken as not known" in found.stderr


@pytest.mark.parametrize("given", [(), ("drafts.csv", "--text", "a"), ("none.csv",), ("many.csv",)], ids=str)
def test_what_cannot_be_explained_is_one_line(given, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"message": ["storm"]}).write_csv("drafts.csv")
    pl.DataFrame({"message": ["storm"] * (MOST + 1)}).write_csv("many.csv")
    found = called(folder, *given)
    assert found.exit_code == 1
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("\n") == 1
