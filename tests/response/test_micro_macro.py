"""Micro metrics against scikit-learn, macro metrics against scipy and by hand, and the noise floor."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics

from popcast.response.judging import macro_metrics, micro_metrics
from popcast.response.judging.macro_metrics import ACROSS, PER_TOPIC, across, correlation, noise_floor, of_shares, trend
from popcast.response.judging.share_distances import jsd


def labels(n: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, classes, n), generator.integers(0, classes, n)


@pytest.mark.parametrize("seed", range(8))
def test_sentiment_metrics_are_scikit_learns(seed):
    real, made = labels(40, seed, classes=2 if seed % 3 == 0 else 3)
    found = micro_metrics.from_confusion(micro_metrics.confusion(real, made))
    both = {"labels": [0, 1, 2], "zero_division": 0}
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(real, made))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(real, made, average="macro", **both))
    assert found["weighted_f1"] == pytest.approx(metrics.f1_score(real, made, average="weighted", **both))
    assert found["kappa"] == pytest.approx(metrics.cohen_kappa_score(real, made))
    assert found["polarity_mae"] == pytest.approx(metrics.mean_absolute_error(real, made))


def test_an_absent_class_counts_as_zero():
    found = micro_metrics.from_confusion(micro_metrics.confusion(np.array([0, 0, 2]), np.array([0, 0, 2])))
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["weighted_f1"] == found["accuracy"] == found["kappa"] == 1


def test_undefined_sentiment_metrics_are_nan_never_zero():
    empty = micro_metrics.from_confusion(np.zeros((3, 3)))
    assert all(np.isnan(value) for value in empty.values())
    one_class = micro_metrics.from_confusion(micro_metrics.confusion(np.zeros(5, int), np.zeros(5, int)))
    assert np.isnan(one_class["kappa"])
    assert one_class["accuracy"] == 1


def test_cases_without_a_label_are_left_out():
    real, made = np.array([0, -1, 2, 1]), np.array([0, 1, -1, 1])
    assert micro_metrics.confusion(real, made).sum() == 2


def test_confusions_of_leading_axes_are_scored_one_by_one():
    table = np.random.default_rng(0).integers(0, 9, (4, 5, 3, 3)).astype(float)
    found = micro_metrics.from_confusion(table)
    for name, values in found.items():
        assert values.shape == (4, 5)
        assert values[2, 3] == micro_metrics.from_confusion(table[2, 3])[name]


def test_means_leave_out_what_is_undefined():
    values = np.array([1.0, np.nan, 4.0])
    assert micro_metrics.mean_over_cases(values) == 2.5
    assert micro_metrics.mean_over_cases(values, np.array([3, 5, 1])) == pytest.approx(7 / 4)
    assert np.isnan(micro_metrics.mean_over_cases(np.array([np.nan])))


def test_means_per_topic():
    cells = np.zeros((3, 9))
    cells[0, 0] = cells[1, 1] = cells[2, 8] = 1
    found = micro_metrics.per_topic(
        pl.Series(["b", "b", "a"]), {"rouge_l": np.array([0.2, 0.4, np.nan])}, np.array([0, 0, 2]), cells
    )
    assert found["topic_id"].to_list() == ["a", "b"]
    assert found["rouge_l"].to_list() == [None, pytest.approx(0.3)]
    assert found["accuracy"].to_list() == [1, 0.5]
    assert found["cases"].to_list() == [1, 2]


def test_distances_of_topics_by_scipy_and_by_hand():
    real, made = np.array([[6.0, 2.0, 2.0], [1.0, 0.0, 9.0]]), np.array([[2.0, 2.0, 6.0], [0.0, 10.0, 0.0]])
    found = macro_metrics.per_topic(real, made)
    assert tuple(found) == PER_TOPIC
    for place in range(2):
        p, q = real[place] / 10, made[place] / 10
        assert found["jsd"][place] == pytest.approx(jensenshannon(p, q, base=2) ** 2)
        assert found["tv"][place] == pytest.approx(np.abs(p - q).sum() / 2)
        smooth = (real[place] + 0.5) / 11.5, (made[place] + 0.5) / 11.5
        assert found["kl"][place] == pytest.approx(stats.entropy(*smooth))
        assert found["wasserstein"][place] == pytest.approx(
            stats.wasserstein_distance([-1, 0, 1], [-1, 0, 1], p, q) / 2
        )
        assert found["rmse"][place] == pytest.approx(np.sqrt(((p - q) ** 2).mean()))
    assert found["dominant_hit"].tolist() == [0, 0]
    assert found["net_error"].tolist() == pytest.approx([0.8, 0.8])


def test_equal_shares_are_no_distance_apart_whatever_their_counts():
    real = np.array([[6.0, 2.0, 2.0]])
    found = macro_metrics.per_topic(real, of_shares(np.array([[0.6, 0.2, 0.2]]), real))
    assert [float(found[name][0]) for name in PER_TOPIC] == pytest.approx([0, 0, 0, 0, 0, 1, 0], abs=1e-12)
    assert macro_metrics.per_topic(real, real * 7)["jsd"] == pytest.approx(0, abs=1e-12)


def test_means_over_topics_weigh_alike_or_by_responses():
    real, made = np.array([[10.0, 0, 0], [0, 0, 30.0]]), np.array([[0, 0, 5.0], [0, 0, 5.0]])
    found = across(real, made)
    assert tuple(found) == ACROSS
    assert found["jsd"] == pytest.approx(0.5)
    assert found["jsd_weighted"] == pytest.approx(0.25)
    assert found["dominant_hit_weighted"] == pytest.approx(0.75)
    assert np.isnan(found["net_pearson"])  # two topics


def test_topics_without_one_side_are_left_out():
    real, made = np.array([[10.0, 0, 0], [0, 0, 0], [5.0, 5, 5]]), np.array([[10.0, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert across(real, made)["jsd"] == 0
    assert np.isnan(across(real[1:2], made[1:2])["jsd"])


def test_correlations_of_net_by_scipy():
    generator = np.random.default_rng(0)
    real, made = (generator.integers(1, 9, (12, 3)).astype(float) for _ in range(2))
    nets = [(side[:, 2] - side[:, 0]) / side.sum(1) for side in (real, made)]
    found = across(real, made)
    assert found["net_pearson"] == pytest.approx(stats.pearsonr(*nets)[0])
    assert found["net_spearman"] == pytest.approx(stats.spearmanr(*nets)[0])
    real[3] = 0  # one topic is not judged
    kept = np.arange(12) != 3
    found = across(real, made)
    assert found["net_pearson"] == pytest.approx(stats.pearsonr(nets[0][kept], nets[1][kept])[0])
    assert found["net_spearman"] == pytest.approx(stats.spearmanr(nets[0][kept], nets[1][kept])[0])


def test_a_constant_side_has_no_correlation():
    real = np.random.default_rng(0).integers(1, 9, (5, 3)).astype(float)
    found = across(real, of_shares(np.tile([0.2, 0.3, 0.5], (5, 1)), real))
    assert np.isnan(found["net_pearson"])
    assert np.isnan(found["net_spearman"])
    assert np.isnan(correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))


def test_leading_axes_are_scored_one_by_one():
    generator = np.random.default_rng(1)
    real, made = (generator.integers(0, 5, (6, 4, 3)).astype(float) for _ in range(2))
    found = across(real, made)
    for name, values in found.items():
        assert values.shape == (6,)
        for place in range(6):
            np.testing.assert_allclose(values[place], across(real[place], made[place])[name], atol=1e-12)


def test_two_halves_of_many_responses_differ_little_and_of_few_more():
    shares = np.array([0.5, 0.2, 0.3])
    few, many = (noise_floor(np.array([shares * n]), ["t"], 200, 0)["jsd"] for n in (20, 2000))
    assert 0 < many < 0.01 < few < 0.2
    assert many == pytest.approx(2 / (2 * np.log(2) * 2000), rel=0.3)  # (classes-1)/(2 ln2 n) for two halves of n/2


def test_the_noise_floor_of_a_topic_depends_on_no_other():
    counts = np.array([[5.0, 9, 8], [20, 1, 1]])
    both = noise_floor(counts, ["a", "b"], 50, 3)
    alone = [noise_floor(counts[[place]], [name], 50, 3)["jsd"] for place, name in enumerate("ab")]
    assert both["jsd"] == pytest.approx(np.mean(alone))
    assert noise_floor(counts[::-1], ["b", "a"], 50, 3)["jsd"] == pytest.approx(both["jsd"])
    assert noise_floor(np.array([[1.0, 0, 0]]), ["a"], 50, 3)["jsd"] is None
    assert noise_floor(np.array([[30.0, 0, 0]]), ["a"], 50, 3)["jsd"] == 0


def test_trend_follows_net_over_buckets():
    real = np.eye(3)[np.array([0] * 5 + [1] * 5 + [2] * 5)]
    codes, buckets = np.zeros(15, int), np.repeat([3, 4, 9], 5)
    assert trend(real, real, codes, buckets, 5) == pytest.approx(1)
    assert trend(real, real[::-1], codes, buckets, 5) == pytest.approx(-1)
    assert trend(real, real, codes, buckets, 6) is None
    assert trend(real, np.full((15, 3), 1 / 3), codes, buckets, 5) is None
    assert trend(real[:10], real[:10], codes[:10], buckets[:10], 5) is None


def test_shares_that_are_equal_up_to_rounding_are_at_distance_zero_not_undefined():
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 20_000)
    assert (jsd(shares, shares) == 0).all()
    near = shares * (1 + np.random.default_rng(1).normal(0, 1e-16, shares.shape))
    found = jsd(shares, near)
    assert not np.isnan(found).any()
    assert ((found >= 0) & (found < 1e-12)).all()
    assert np.isnan(jsd(np.full(3, np.nan), shares[0]))
