"""All figures of generated responses on invented cases."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.response.judging import macro_metrics, reference_rows, response_intervals
from popcast.response.judging.params import Judging
from popcast.response.judging.response_scores import score
from popcast.response.judging.system_answers import scored_cases
from popcast.response.response_tables import GENERATED, SENTIMENTS
from popcast.scoring.bootstrap import LEAST_CLUSTERS, LEAST_POSTS
from tests.response import made_responses

EACH, TOPICS = 10, 24
"""Cases of a topic, and topics of the test split."""
CASES = EACH * TOPICS
FEW = Judging(resamples=60, halves=20, least_cases=EACH, bucket_cases=2)


class World:
    """Generated topics, cases and two systems: ``right`` knows every label, ``drawn`` draws them."""

    def __init__(self, test: int = TOPICS, each: int = EACH, samples: int = 1) -> None:
        self.topics = made_responses.topics(6, test)
        self.cases, self.labels = made_responses.cases(self.topics, each)
        generator = np.random.default_rng(1)
        drawn = {case: SENTIMENTS[generator.integers(3)] for case in self.labels}
        parts = [made_responses.generated(self.cases, "right", self.labels, samples)]
        parts.append(made_responses.generated(self.cases, "drawn", drawn, samples))
        self.generated = pl.concat(parts)
        self.said = [self.labels[case] for case in parts[0]["case_id"]] + [drawn[case] for case in parts[1]["case_id"]]
        self.history = {f"h{p}-{k}": SENTIMENTS[(p + k) % 3] for p in range(each) for k in range(5)}

    def score(self, settings: Judging = FEW, counts: pl.DataFrame | None = None, seed: int = 0, **more):
        more = {"history_labels": self.history} | more
        return score(
            self.cases, self.generated, self.labels, self.said, self.topics, counts, settings, seed, **more
        )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def scored(world):
    return world.score()


def test_a_system_that_knows_every_label_is_perfect(scored):
    figures, _ = scored
    wanted = {"accuracy": 1, "macro_f1": 1, "kappa": 1, "polarity_mae": 0}
    assert {name: figures[f"test.right.micro.{name}"] for name in wanted} == wanted
    assert figures["test.right.macro.jsd"] == 0
    assert (figures["test.right.macro.jsd_low"], figures["test.right.macro.jsd_high"]) == (0, 0)
    assert figures["test.right.macro.net_pearson"] == figures["test.right.macro.net_spearman"] == 1
    assert figures["test.right.macro.dominant_hit"] == 1
    assert figures["test.right.macro.trend"] == pytest.approx(1)
    assert figures["test.drawn.macro.jsd_low"] > 0.02


def test_systems_and_reference_rows_stand_side_by_side(scored):
    figures, _ = scored
    systems = {key.split(".")[1] for key in figures if key.count(".") > 1}
    assert systems == {"right", "drawn", *reference_rows.ROWS}
    for name in ("right", "drawn", "copy"):
        assert 0 <= figures[f"test.{name}.micro.rouge_l"] <= 1
    for name in ("uniform", "prior", "history"):
        assert f"test.{name}.micro.rouge_l" not in figures
    assert figures["test.uniform.micro.accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures["test.right.micro.bertscore_f1"] is None
    assert 0.02 < figures["test.noise_floor.macro.jsd"] < 0.3


def test_counts_of_what_was_scored(scored, world):
    figures, _ = scored
    test = world.cases.filter(pl.col("split") == "test")
    assert figures["test.cases"] == figures["test.labelled"] == test.height
    assert figures["test.unseen_cases"] == test.filter(pl.col("user_id").str.contains("-")).height
    assert (figures["test.topics"], figures["test.topics_judged"]) == (TOPICS, TOPICS)
    assert figures["test.drawn"] == "topics"
    assert not any(key.startswith("valid") for key in figures)


def test_intervals_hold_their_figure_and_differences_are_paired(scored):
    figures, _ = scored
    for name in ("micro.accuracy", "micro.rouge_l", "micro.chrf", "micro.kappa"):
        value = figures[f"test.drawn.{name}"]
        assert figures[f"test.drawn.{name}_low"] <= value <= figures[f"test.drawn.{name}_high"]
    key = "test.drawn.vs_right.macro.jsd"
    assert figures[f"{key}.difference"] == pytest.approx(figures["test.drawn.macro.jsd"], abs=1e-6)
    assert 0 < figures[f"{key}.low"] <= figures[f"{key}.high"]
    assert figures[f"{key}.p"] == pytest.approx(2 / 61, abs=1e-6)
    assert "test.right.vs_drawn.macro.jsd.p" not in figures
    assert "test.right.vs_prior.macro.jsd.p" in figures
    assert "test.right.vs_prior.micro.rouge_l.p" not in figures


def test_same_inputs_same_figures_in_any_order(scored, world):
    shuffled = world.generated.with_columns(pl.Series("said", world.said)).sample(fraction=1, shuffle=True, seed=5)
    cases = world.cases.sample(fraction=1, shuffle=True, seed=6)
    figures, tables = score(
        cases, shuffled.select(list(GENERATED.columns)), world.labels, shuffled["said"].to_list(),
        world.topics.sample(fraction=1, shuffle=True, seed=7), None, FEW, 0, history_labels=world.history,
    )  # fmt: skip
    assert figures == scored[0]
    for name, table in tables.items():
        assert table.equals(scored[1][name]), name


def test_labels_and_texts_of_other_splits_change_nothing_but_prior_and_copy(scored, world):
    labels = {case: "negative" if case < "t06" else label for case, label in world.labels.items()}
    cases = world.cases.with_columns(
        pl.when(pl.col("split") == "train").then(pl.lit("别的")).otherwise("target_text").alias("target_text")
    )
    figures, _ = score(
        cases, world.generated, labels, world.said, world.topics, None, FEW, 0, history_labels=world.history
    )
    own = {key: value for key, value in figures.items() if "prior" not in key and "copy" not in key}
    assert own == {key: scored[0][key] for key in own}


def test_several_samples_weigh_as_one_case(scored):
    figures, _ = World(samples=3).score()
    for name in ("micro.rouge_l", "micro.accuracy", "macro.jsd", "macro.jsd_high", "micro.bleu_4_low"):
        assert figures[f"test.drawn.{name}"] == pytest.approx(scored[0][f"test.drawn.{name}"], abs=1e-6)
    assert figures["test.drawn.micro.answers"] == 3 * scored[0]["test.drawn.micro.answers"]


def test_fewer_topics_are_all_kept_and_their_cases_drawn():
    figures, _ = World(test=LEAST_CLUSTERS - 1).score()
    assert figures["test.drawn"] == "cases"
    wide = World(test=LEAST_CLUSTERS).score()[0]
    assert wide["test.drawn"] == "topics"
    spread = [one["test.drawn.macro.tv_high"] - one["test.drawn.macro.tv_low"] for one in (figures, wide)]
    assert spread[0] > 0


def test_too_few_cases_have_no_intervals():
    figures, _ = World(test=1, each=LEAST_POSTS - 1).score()
    assert figures["test.cases"] == LEAST_POSTS - 1
    assert figures["test.drawn"] is None
    assert figures["test.right.micro.accuracy"] == 1
    assert not any(key.endswith(("_low", "_high", ".p")) for key in figures)
    assert World().score(Judging(resamples=0, least_cases=EACH))[0]["test.drawn"] is None


def test_topics_with_few_labels_are_not_judged():
    world = World(each=EACH - 1)
    figures, tables = world.score()
    assert figures["test.topics_judged"] == 0
    assert figures["test.right.macro.jsd"] is None
    assert figures["test.noise_floor.macro.jsd"] is None
    assert figures["test.right.micro.accuracy"] == 1
    assert tables["topic_shares"].height == 0
    assert world.score(Judging(resamples=20, least_cases=EACH - 1))[0]["test.topics_judged"] == TOPICS


def test_counts_of_topics_take_the_place_of_labels(world):
    names = world.topics["topic_id"].to_list()
    counts = pl.DataFrame({"post_id": names[:-1], "counts": [[30.0, 0.0, 0.0]] * (len(names) - 1)})
    figures, tables = world.score(counts=counts)
    assert figures["test.topics_judged"] == TOPICS - 1  # one topic has no counts
    real = tables["topic_shares"].filter(pl.col("system") == "real")
    assert set(real["negative"]) == {1.0}
    assert figures["test.uniform.macro.tv"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["test.right.micro.accuracy"] == 1
    assert figures["test.right.macro.jsd"] > 0


def test_withheld_texts_leave_sentiment_and_unlabelled_ones_leave_overlap(world):
    cases = world.cases.with_columns(
        pl.when(pl.col("case_id") == "t06-000").then(None).otherwise("target_text").alias("target_text")
    )
    labels = world.labels | {"t06-001": None}
    figures, _ = score(cases, world.generated, labels, world.said, world.topics, None, FEW, 0)
    assert figures["test.cases"] == CASES
    assert figures["test.labelled"] == CASES - 1
    both = score(cases, world.generated, labels | {"t06-000": None}, world.said, world.topics, None, FEW, 0)[0]
    assert both["test.cases"] == CASES - 1
    assert not any("history" in key for key in figures)


def test_generated_texts_without_a_label_are_counted_not_guessed(world):
    said = [None if place % 3 == 0 else label for place, label in enumerate(world.said)]
    figures, _ = score(world.cases, world.generated, world.labels, said, world.topics, None, FEW, 0)
    assert figures["test.right.micro.unlabelled"] == CASES // 3
    assert figures["test.right.micro.accuracy"] == 1


def test_systems_that_predict_shares_are_scored_with_the_others(world):
    real = scored_cases(world.cases, world.labels, "test")
    shares = [np.bincount(real.labels[real.topics == code], minlength=3) / EACH for code in range(len(real.names))]
    table = pl.DataFrame({"post_id": real.names, "split": "test", "shares": [one.tolist() for one in shares]})
    figures, _ = world.score(shares={"told": table})
    assert figures["test.told.macro.jsd"] == pytest.approx(0, abs=1e-6)
    assert "test.told.micro.rouge_l" not in figures
    assert "test.right.vs_told.macro.jsd.p" in figures
    with pytest.raises(BadInput, match=f"{TOPICS} topics"):
        world.score(shares={"told": table.head(3)})


def test_against_names_what_systems_are_compared_with(world):
    figures, _ = world.score(Judging(resamples=20, least_cases=EACH, against=["copy", "right"]))
    pairs = {".".join(key.split(".")[1:3]) for key in figures if ".vs_" in key}
    assert pairs == {"right.vs_copy", "drawn.vs_copy", "drawn.vs_right"}


def test_a_copy_is_a_training_response_to_the_nearest_news(world):
    real = scored_cases(world.cases, world.labels, "test")
    frame, sources = reference_rows.copied(real, world.cases, world.topics, 0)
    training = world.cases.filter(pl.col("split") == "train")
    assert set(sources) <= set(training["case_id"])
    texts = dict(training.select("case_id", "target_text").iter_rows())
    assert frame["text"].to_list() == [texts[one] for one in sources]
    news = {"a": "大桥今日通车", "b": "球队夺冠", "c": "暴雨预警"}
    assert reference_rows._nearest(["球队昨夜夺冠", "明天有暴雨"], list(news.values())) == [1, 2]


def test_a_world_without_training_has_no_prior_and_no_copy():
    world = World()
    cases = world.cases.filter(pl.col("split") == "test")
    figures, _ = score(cases, world.generated, world.labels, world.said, world.topics, None, FEW, 0)
    assert not any(".prior." in key or ".copy." in key for key in figures)
    assert figures["test.unseen_cases"] == CASES


def test_tables_add_up(scored, world):
    _, tables = scored
    assert set(tables) == {"topic_shares", "topic_means", "over_time", "samples"}
    shares = tables["topic_shares"]
    assert np.allclose(shares.select(pl.sum_horizontal(*SENTIMENTS)).to_series(), 1)
    real = shares.filter(pl.col("system") == "real").sort("topic_id")
    drawn = shares.filter(pl.col("system") == "drawn").sort("topic_id")
    counts = [table.select(SENTIMENTS).to_numpy() * EACH for table in (real, drawn)]
    assert macro_metrics.across(*counts)["jsd"] == pytest.approx(scored[0]["test.drawn.macro.jsd"], abs=1e-6)
    times = tables["over_time"].filter(pl.col("system") == "real")
    assert times["n"].sum() == CASES
    samples = tables["samples"]
    assert samples["case_id"].n_unique() == FEW.shown
    assert set(samples["system"]) == {"real", "right", "drawn"}
    means = tables["topic_means"].filter(pl.col("system") == "drawn")
    assert means["rouge_l"].mean() == pytest.approx(scored[0]["test.drawn.micro.rouge_l"], abs=1e-6)


@pytest.mark.parametrize("name", ["prior", "copy", "noise_floor", "a.b"])
def test_a_system_may_not_be_named_like_a_reference_row(world, name):
    generated = world.generated.with_columns(pl.lit(name).alias("system"))
    with pytest.raises(BadInput, match="reference row"):
        score(world.cases, generated, world.labels, world.said, world.topics, None, FEW, 0)


def test_systems_answer_the_same_cases(world):
    kept = pl.Series(
        [
            case != "t07-003" or system != "drawn"
            for case, system in world.generated.select("case_id", "system").iter_rows()
        ]
    )
    said = [label for label, one in zip(world.said, kept, strict=True) if one]
    with pytest.raises(BadInput, match=f"drawn has no answer for 1 of {CASES}"):
        score(world.cases, world.generated.filter(kept), world.labels, said, world.topics, None, FEW, 0)
    with pytest.raises(BadInput, match="labels for"):
        score(world.cases, world.generated, world.labels, said, world.topics, None, FEW, 0)


def test_no_figure_is_nan(scored):
    assert all(value is None or isinstance(value, int | str) or np.isfinite(value) for value in scored[0].values())
    assert all(type(value) in (int, float, str, type(None)) for value in scored[0].values())


def test_valid_and_test_are_scored_apart_and_unlabelled_cases_not_at_all(world):
    def moved(table: pl.DataFrame) -> pl.DataFrame:
        late, last = pl.col("topic_id") >= "t26", pl.col("topic_id") == "t29"
        return table.with_columns(
            pl.when(last).then(pl.lit("unlabelled")).when(late).then(pl.lit("valid")).otherwise("split").alias("split")
        )

    cases, generated = moved(world.cases), moved(world.generated)
    figures, tables = score(cases, generated, world.labels, world.said, world.topics, None, FEW, 0)
    assert (figures["test.topics"], figures["valid.topics"]) == (20, 3)
    assert (figures["test.drawn"], figures["valid.drawn"]) == ("topics", "cases")
    assert {key.split(".")[0] for key in figures} == {"valid", "test"}
    kept = cases["split"].is_in(["train", "test"])
    alone = pl.Series(generated["split"] == "test")
    said = [label for label, one in zip(world.said, alone, strict=True) if one]
    own, _ = score(cases.filter(kept), generated.filter(alone), world.labels, said, world.topics, None, FEW, 0)
    assert own == {key: value for key, value in figures.items() if key.startswith("test.")}
    for table in tables.values():
        assert set(table["split"]) == {"valid", "test"}


def test_every_interval_holds_its_figure_and_every_difference_its_own(scored):
    """Distances of resamples are too large; without being moved their percentiles would miss the distance itself."""
    figures, _ = scored
    lows = [key.removesuffix("_low") for key in figures if key.endswith("_low") and figures[key] is not None]
    assert len(lows) > 40
    for key in lows:
        if "f1" not in key:  # of these the mean of resamples is a little off too
            assert figures[f"{key}_low"] - 1e-6 <= figures[key] <= figures[f"{key}_high"] + 1e-6, key
    for key in (key.removesuffix(".difference") for key in figures if key.endswith("macro.jsd.difference")):
        assert figures[f"{key}.low"] <= figures[f"{key}.difference"] <= figures[f"{key}.high"]


def test_centred_draws():
    found = response_intervals.centred(np.array([0.2, np.nan, 0.4]), 0.1)
    np.testing.assert_allclose(found, [0.0, np.nan, 0.2], atol=1e-12)
    assert np.isnan(response_intervals.centred(np.array([np.nan]), 0.1)).all()
