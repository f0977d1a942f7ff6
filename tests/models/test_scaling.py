"""Centre and scale of columns: missing values take no part, and a column that stands still keeps its unit."""

from __future__ import annotations

import numpy as np

from popcast.models.inputs.scaling import center_and_scale, moments, standardised

VALUES = np.array([[1.0, 5.0, np.nan, np.nan], [3.0, 5.0, 2.0, np.nan], [np.nan, 5.0, 6.0, np.nan]], np.float32)


def test_missing_values_take_no_part():
    mean, deviation = moments(VALUES)
    assert mean.tolist() == [2.0, 5.0, 4.0, 0.0]
    assert deviation.tolist() == [1.0, 0.0, 2.0, 0.0]
    assert mean.dtype == np.float64


def test_without_missing_values_it_is_numpys_mean_and_deviation():
    values = np.random.default_rng(0).normal(3, 2, (50, 4))
    mean, deviation = moments(values)
    assert np.array_equal(mean, values.mean(axis=0))
    assert np.array_equal(deviation, values.std(axis=0))


def test_a_column_that_stands_still_keeps_its_unit_and_a_missing_value_lies_at_the_mean():
    center, scale = center_and_scale(VALUES)
    assert scale.tolist() == [1.0, 1.0, 2.0, 1.0]
    found = standardised(VALUES, center, scale)
    assert found.tolist() == [[-1.0, 0.0, 0.0, 0.0], [1.0, 0.0, -1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    assert center_and_scale(VALUES, still=1.5)[1].tolist() == [1.0, 1.0, 2.0, 1.0]
