"""Tables behind the pictures at their edges: when days become weeks, which bin a number of older posts is in."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.scoring import adversarial, adversarial_plots, plot_data

START = datetime(2020, 1, 1, tzinfo=UTC)  # a Wednesday


def scored(**columns) -> pl.DataFrame:
    return pl.DataFrame(columns).with_columns(error=pl.col("prediction") - pl.col("popularity"))


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        (45, "2020-01-01", "2020-02-15"),
        (46, "2019-12-30", "2020-02-10"),
        (420, "2019-12-30", "2021-02-22"),
        (421, "2020-01-01", "2021-02-01"),
    ],
)
def test_periods_are_days_then_weeks_then_months(days, first, last):
    table = scored(
        posted_at=[START, START + timedelta(days=days)], split=["valid", "test"], prediction=[3.0, 1.0],
        popularity=[1.0, 4.0],
    )  # fmt: skip
    found = plot_data.residual_by_time(table)
    assert found["period"].cast(pl.String).to_list() == [first, last]
    assert found["mean_error"].to_list() == [2.0, -3.0], "predicted minus real"
    assert found["mae"].to_list() == [2.0, 3.0]


def test_calibration_shows_the_middle_four_fifths_of_each_tenth():
    values = np.arange(100.0)
    table = plot_data.calibration(scored(prediction=values, popularity=values * 2))
    assert table["predicted"].to_list() == [4.5 + 10 * i for i in range(10)]
    assert table["real_low"].to_list() == pytest.approx([1.8 + 20 * i for i in range(10)])
    assert table["real_high"].to_list() == pytest.approx([16.2 + 20 * i for i in range(10)])


def test_every_number_of_older_posts_has_its_bin():
    older = {
        0: "0",
        1: "1",
        2: "2-3",
        3: "2-3",
        4: "4-7",
        7: "4-7",
        8: "8-15",
        16: "16-31",
        31: "16-31",
        32: "32+",
        99: "32+",
    }
    for count, name in older.items():
        table = scored(prediction=[2.0], popularity=[5.0], history_length=[count])
        found = plot_data.error_by_history_length({"m": table})
        assert found.rows() == [("m", name, 3.0, 1)], count


def test_scored_posts_err_by_predicted_minus_real():
    posts = pl.DataFrame({"post_id": ["b", "a"], "split": ["test"] * 2, "popularity": [1.0, 2.0]})
    table = pl.DataFrame({"post_id": ["a", "b"], "split": ["test"] * 2, "prediction": [5.0, 0.0]})
    assert plot_data._scored(posts, table)["error"].to_list() == [3.0, -1.0]


def adversarial_result() -> adversarial.Result:
    columns = {
        "column": ["a.vector", "a.far", "a.used", "a.plain"],
        "share": [0.1, 0.0, 0.6, 0.3],
        "shift": [None, 0.9, 0.2, 0.1],
    }
    posts = pl.DataFrame({"post_id": list("abcde"), "against": [False, False, False, True, True]})
    probability = np.array([0.0, 0.05, 1.0, 0.99, 0.5])
    steps = [
        adversarial.Step([], 0.9, 0.95, {"a.used": 0.7, "a.plain": 0.3}, probability),
        adversarial.Step(["a.used"], 0.6, 0.7, {"a.plain": 1.0}, probability),
    ]
    return adversarial.Result(posts, pl.DataFrame(columns), steps, 1, True)


def test_adversarial_tables_are_in_order_and_add_up():
    found = adversarial_plots.tables_of(adversarial_result())
    assert found["drifting"]["column"].to_list() == ["a.far", "a.used", "a.plain", "a.vector"]
    ladder = found["ladder"]
    assert ladder["columns"].to_list() == [2, 1]
    assert ladder["base"].to_list() == [False, True]
    assert ladder["auc_by_post"].to_list() == [0.95, 0.7]
    bars = found["probability"]
    assert bars["from"].to_list() == pytest.approx(np.arange(25) / 25)
    assert bars["to"].to_list() == pytest.approx(np.arange(1, 26) / 25)
    assert bars["train"].to_list() == pytest.approx([1 / 3, 1 / 3, *[0.0] * 22, 1 / 3])
    assert bars["against"].to_list() == pytest.approx([*[0.0] * 12, 0.5, *[0.0] * 11, 0.5])
