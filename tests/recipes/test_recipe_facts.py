"""What recipes say of themselves in words and numbers: recomputed, or looked up where it stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from ruamel.yaml import YAML

from popcast.fewshot.feature_rows import PREDICTORS
from popcast.simulation.params import Rules, Work
from popcast.simulation.running import workload
from tests.conftest import ROOT

LABELLED, UNLABELLED = 305_613, 180_581
"""Posts of the official files of SMPD, with and without a label (datasets.md 1.6)."""


def recipe(name: str) -> tuple[str, dict]:
    text = (ROOT / f"recipes/{name}.yaml").read_text()
    return text, YAML(typ="safe").load(text)


def asked(text: str, shares: list[float], work: Work, rules: Rules) -> int:
    """Questions of one simulation of all of SMPD, counted on as many invented posts, no two with the same line."""
    train, valid = (round(LABELLED * share) for share in shares[:2])
    parts = ["train"] * train + ["valid"] * valid + ["test"] * (LABELLED - train - valid) + ["unlabelled"] * UNLABELLED
    count = pl.int_range(len(parts), eager=True)
    posts = pl.DataFrame({"post_id": count.cast(pl.String).str.zfill(6), "title": "sunset " + count.cast(pl.String)})
    empty = [pl.lit(None, pl.String).alias(name) for name in ("category", "subcategory", "concept")]
    when = pl.lit(datetime(2015, 3, 1, tzinfo=UTC) + timedelta(days=1))
    posts = posts.with_columns(*empty, posted_at=when, tags=pl.lit(None, pl.List(pl.String)))
    table, _ = workload.triggers_table(posts, posts.select("post_id", split=pl.Series(parts)), work, 42)
    runs = workload.distinct(table)["runs"].sum()
    return int(runs) * rules.epochs * (rules.sample + 1)


def test_popsim_says_how_many_answers_it_asks_for():
    text, given = recipe("popsim-smpd")
    work, rules = Work(**given["simulations"]["smpd"]["simulate"]), Rules(**given["simulation"]["rules"])
    shares = given["splits"]["smpd"]["shares"]
    found = asked(text, shares, work, rules)
    assert found == pytest.approx((30_000 + 0.2 * LABELLED + UNLABELLED) * 33, rel=1e-3)
    told = re.search(r"about (\d+)\s*\n?#? ?million answers", text)
    assert int(told[1]) == round(found / 1e6)
    without = (30_000 + 0.2 * LABELLED) * 33
    assert f"about {round(without / 1e6)} million where RAW holds no test files" in text.replace("\n# ", " ")


def test_popsim_says_how_server_and_tuning_share_gpus():
    text, given = recipe("popsim-smpd")
    script = (ROOT / "recipes/popsim-smpd.sh").read_text()
    for said in ("--gpu-memory-utilization", "CUDA_VISIBLE_DEVICES=0 vllm serve", "UNTIL=simulate@smpd"):
        assert said in text
    pins = (ROOT / "requirements-vllm.txt").read_text()
    assert re.search(r"^vllm==\d+\.\d+\.\d+$", pins, re.MULTILINE)
    assert "requirements-vllm.txt" in script
    assert given["simulation"]["policy"]["model"] in script + pins


def test_llama_asks_about_tpic2017_without_having_seen_it():
    """Table 9: all authors with four posts, one to three shots, HyFea and CR beside the tuned and aligned systems."""
    _, given = recipe("llama3-8b")
    task, own = given["tasks"]["tpic2017"], given["tasks"]["smpd"]
    assert (task["track"], task["source"], task["template"]) == ("zeroshot", "smpd", "tpic2017")
    assert (task["users"], task["newest"], task["extra"], task["shots"]) == (None, 4, 0, [1, 2, 3])
    assert set(own["shots"]) <= set(task["shots"])
    assert {"base", "lora", "multismpllm"} <= set(task["systems"])
    models = {row["model"] for row in given["feature_rows"].values()}
    assert {"hyfea", "cr", "history_mean", "history_ridge"} <= models
    for name, row in given["feature_rows"].items():
        assert row["model"] not in PREDICTORS or row["zero_fill"], f"{name}: TPIC2017 lacks features, which are 0"
    assert given["datasets"]["tpic2017"]["raw"] != given["datasets"]["smpd"]["raw"]


def test_the_small_audience_says_what_was_cut_and_is_asked_as_often_by_rules():
    text, given = recipe("audience-smollm2")
    said = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    whole, cut = Rules(), Rules(**given["simulation"]["rules"])
    words = dict(enumerate(["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]))
    people = given["populations"]["small"]["agents"]
    assert f"{words[whole.sample]} of them asked in each of {words[whole.epochs]} epochs" in said
    assert f"{people} personas, {words[cut.sample]} of them in {words[cut.epochs]} epoch" in said
    often = [rules.epochs * (rules.sample + 1) for rules in (cut, whole)]
    assert f"{often[0]} answers a post, {often[1]} there" in said
    by_model, by_rules = (dict(given["simulations"][name]) for name in ("facebook_pages", "facebook_rules"))
    policies = [one.pop("simulate")["set"]["policy"]["kind"] for one in (by_model, by_rules)]
    assert policies == ["transformers", "persona"]
    for key in ("dataset", "watch"):
        by_model.pop(key), by_rules.pop(key)
    assert by_model == by_rules
    for section in ("datasets", "splits"):
        assert given[section]["facebook_pages"] == given[section]["facebook_rules"]
