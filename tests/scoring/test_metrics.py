"""popcast.scoring.metrics and popcast.scoring.bootstrap against hand-worked numbers and scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from popcast.scoring import bootstrap, metrics

Y = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
P = np.array([1.0, 1.0, 4.0, 3.0, 7.0])


def noisy(n=300, seed=0):
    generator = np.random.default_rng(seed)
    y = np.round(generator.normal(5, 2, n), 1)  # rounded: with ties
    return y, y + generator.normal(0, 1, n), generator.integers(0, 60, n)


def test_score_by_hand():
    found = metrics.score(Y, P)
    assert found["mae"] == pytest.approx((1 + 0 + 2 + 1 + 1) / 5)
    assert found["rmse"] == pytest.approx(np.sqrt(7 / 5))
    assert found["nmse"] == pytest.approx((7 / 5) / 8)  # population variance of 0 1 2 4 8 is 8
    assert found["mape"] == pytest.approx((0 + 1 + 0.25 + 0.125) / 4)  # the post with label 0 is not counted
    assert (found["posts"], found["mape_posts"], found["constant"]) == (5, 4, False)
    assert found["src"] == pytest.approx(spearmanr(Y, P)[0])


def test_constant_prediction_has_no_src():
    found = metrics.score(Y, np.full(5, 3.0))
    assert found["src"] is None
    assert found["constant"] is True
    assert metrics.score(np.full(3, 2.0), np.arange(3.0))["nmse"] is None
    assert metrics.score(np.zeros(3), np.arange(3.0))["mape"] is None


def test_score_refuses_arrays_that_do_not_match():
    with pytest.raises(ValueError, match="expected two arrays"):
        metrics.score(Y, P[:3])


def test_constant_shift_keeps_ranks_and_moves_errors():
    y, p, _ = noisy()
    before, after = metrics.score(y, p), metrics.score(y, p + 100)
    assert after["src"] == pytest.approx(before["src"])
    assert after["mae"] == pytest.approx(np.mean(p + 100 - y))


def test_weighted_spearman_is_that_of_the_repeated_posts():
    y, p, _ = noisy()
    counts = np.random.default_rng(1).poisson(1.0, (3, len(y))).astype(float)
    found = metrics.spearman(y, p, counts)
    for row, value in zip(counts.astype(int), found, strict=True):
        assert value == pytest.approx(spearmanr(np.repeat(y, row), np.repeat(p, row))[0], abs=1e-12)


def test_resamples_equal_scores_of_the_drawn_posts():
    y, p, codes = noisy()
    counts = next(bootstrap.draw_counts(60, 4, seed=5))
    draws = bootstrap.bootstrap(y, {"model": p}, codes, 4, seed=5)["model"]
    assert np.all(counts.sum(axis=1) == 60)
    for resample in range(4):
        rows = np.repeat(np.arange(len(y)), counts[resample].astype(int)[codes])
        expected = metrics.score(y[rows], p[rows])
        for metric in metrics.METRICS:
            assert draws[metric][resample] == pytest.approx(expected[metric], abs=1e-9), metric


def test_batches_count_the_same_however_short_the_last_one_is():
    y, p, _ = noisy(700)
    parts = [metrics.score(y[rows], p[rows]) for rows in (slice(256), slice(256, 512), slice(512, 700))]
    found = metrics.score_in("batch256", y, p)
    for name in metrics.METRICS:
        assert found[name] == pytest.approx(np.mean([of[name] for of in parts])), name
    assert (found["posts"], found["constant"]) == (700, False)
    assert found["nmse"] != metrics.score(y, p)["nmse"]
    assert metrics.score_in("full", y, p) == metrics.score(y, p)
    assert metrics.score_in("batch256", y[:256], p[:256]) == metrics.score(y[:256], p[:256])


def test_a_batch_that_does_not_define_a_metric_is_left_out():
    y, p, _ = noisy(257)
    found = metrics.score_in("batch256", y, p)
    assert found["src"] == metrics.score(y[:256], p[:256])["src"], "one post has no ranks"
    assert metrics.score_in("batch256", y, np.zeros(257))["src"] is None


def test_resamples_keep_the_batches():
    y, p, codes = noisy(600)
    counts = next(bootstrap.draw_counts(60, 3, seed=5))
    draws = bootstrap.bootstrap(y, {"model": p}, codes, 3, seed=5, mode="batch256")["model"]
    for resample in range(3):
        values = []
        for start in (0, 256, 512):
            batch = np.arange(start, min(start + 256, 600))
            rows = np.repeat(batch, counts[resample].astype(int)[codes[batch]])
            values.append(metrics.score(y[rows], p[rows]))
        for metric in metrics.METRICS:
            assert draws[metric][resample] == pytest.approx(np.mean([of[metric] for of in values]), abs=1e-9), metric


def test_authors_draw_together_and_unknown_authors_alone():
    codes = bootstrap.author_codes(["a", "b", "a", None, None], ["1", "2", "3", "4", "5"])
    assert codes[0] == codes[2]
    assert len(set(codes)) == 4


def test_clustered_interval_is_wider_where_an_authors_posts_err_alike():
    generator = np.random.default_rng(3)
    codes = np.repeat(np.arange(30), 20)
    y = np.zeros(600)
    p = generator.normal(0, 1, 30)[codes]
    by_author, by_post = (
        bootstrap.interval(bootstrap.bootstrap(y, {"m": p}, c, 500, seed=1)["m"]["mae"], 0.95)
        for c in (codes, np.arange(600))
    )
    assert by_author[1] - by_author[0] > 3 * (by_post[1] - by_post[0])


def test_seed_decides_the_draws_and_chunks_do_not(monkeypatch):
    whole = np.vstack(list(bootstrap.draw_counts(50, 20, seed=1)))
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 350)
    np.testing.assert_array_equal(whole, np.vstack(list(bootstrap.draw_counts(50, 20, seed=1))))
    assert not np.array_equal(whole, np.vstack(list(bootstrap.draw_counts(50, 20, seed=2))))


def test_paired_difference():
    y, p, codes = noisy()
    draws = bootstrap.bootstrap(y, {"a": p, "b": y + 1.5 * (p - y), "c": p}, codes, 400, seed=1)
    low, high, value = bootstrap.paired_difference(draws["a"]["mae"], draws["b"]["mae"], 0.95)
    assert low < high < 0
    assert value == pytest.approx(2 / 401)
    assert bootstrap.paired_difference(draws["a"]["mae"], draws["c"]["mae"], 0.95) == (0, 0, 1)
    assert len(draws["a"]["src"]) == bootstrap.SRC_RESAMPLES


def test_two_posts_have_ranks():
    """The least spread of ranks there is: one half, in weighted and in plain ranks."""
    two = np.array([1.0, 2.0])
    assert metrics.score(two, two)["src"] == pytest.approx(1)
    assert metrics.score(two, -two)["src"] == pytest.approx(-1)
    assert metrics.spearman(two, two, np.array([[0.25, 0.25]])) == pytest.approx([1])
