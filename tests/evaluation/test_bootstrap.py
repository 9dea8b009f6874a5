import numpy as np
import pytest

from liverlib.evaluation.bootstrap import bootstrap_interval, mean, quotient


def test_intervals_repeat_hold_the_mean_and_narrow_with_more_cases():
    few = [0.5, 0.6, 0.7, 0.9]
    low, high = bootstrap_interval(few)
    assert (low, high) == bootstrap_interval(few)
    assert min(few) <= low < np.mean(few) < high <= max(few)
    narrow = bootstrap_interval(few * 20)
    assert narrow[1] - narrow[0] < (high - low) / 2
    assert bootstrap_interval([0.8]) == (0.8, 0.8)
    assert np.isnan(bootstrap_interval([])).all()


def test_the_interval_is_that_of_the_normal_law_where_that_holds():
    values = np.random.default_rng(1).normal(0.5, 0.1, 400)
    expected = values.mean() + np.array([-1.96, 1.96]) * values.std() / 20
    np.testing.assert_allclose(bootstrap_interval(values), expected, atol=0.001)


def test_a_mean_leaves_out_what_is_unknown_and_counts_it():
    measure = mean("tumour", "ASSD", [1.0, np.nan, 3.0])
    assert (measure.of, measure.measure, measure.value) == ("tumour", "ASSD", 2)
    assert (measure.n, measure.left_out) == (2, 1)


def test_a_quotient_is_that_of_the_sums_and_resamples_whole_cases():
    measure = quotient("lesion", "recall", [1, 8], [2, 8], n=10)
    assert (measure.value, measure.n) == (pytest.approx(0.9), 10)
    assert (measure.low, measure.high) == (0.5, 1)
    nothing = quotient("lesion", "recall", [], [], n=0)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
