"""Intervals of differences, against published figures and against SciPy."""

import numpy as np
import pytest
from scipy import stats

from dataml.inference.differences import difference_of_means, difference_of_shares, mean_of_differences


def test_difference_of_means_is_that_of_welch() -> None:
    random = np.random.default_rng(7)
    values, baseline = random.normal(1, 3, 12).tolist(), random.normal(0, 1, 40).tolist()
    found = difference_of_means(values, baseline)
    expected = stats.ttest_ind(values, baseline, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert found.value == pytest.approx(np.mean(values) - np.mean(baseline))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_mean_of_differences_is_that_of_student() -> None:
    differences = [1.0, 0.0, -1.0, 1.0, 1.0, 0.0, 3.0]
    found = mean_of_differences(differences)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((expected.low, 5 / 7, expected.high))


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe 1998, Table II, method 10: the first five columns.
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 10), 0.6075, 1.0),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((5, 56, 0, 29), -0.0381, 0.1926),
    ],
    ids=str,
)
def test_difference_of_shares_is_the_published_one(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = difference_of_shares(*counts)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_too_few_rows_have_no_interval() -> None:
    assert difference_of_means([1.0], [1.0, 2.0]) is None
    assert mean_of_differences([1.0]) is None
    assert difference_of_shares(0, 0, 1, 2) is None
    equal = difference_of_means([2.0, 2.0], [1.0, 1.0])
    assert equal is not None
    assert (equal.low, equal.value, equal.high) == (1, 1, 1)
