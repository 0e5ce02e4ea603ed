"""Series of small counts and intermittent series are found by their values."""

import numpy as np
import pytest

from dataml.ml.forecasting.panel.small_counts import find_small_counts


@pytest.mark.parametrize(
    ("values", "is_small_count"),
    [
        ([0, 0, 1, 0], True),
        ([2, 3, 1, 4], True),
        ([0, 0, 7.5, 0], True),
        ([0, 0, 5_000, 0], True),
        ([12, 10, 20, 14], False),
        ([1.5, 0.2, 2.5, 1.1], False),
        ([0, 0, -1, 0], False),
        ([0, 0, 0, 0], True),
    ],
)
def test_a_series_is_a_small_count_by_its_values(values: list[float], is_small_count: bool) -> None:
    assert find_small_counts(np.array(values, float), np.array([0, 4])).tolist() == [is_small_count]


def test_each_series_is_judged_by_itself() -> None:
    y = np.array([0.0, 1, 0, 50, 60, 70])
    assert find_small_counts(y, np.array([0, 3, 6])).tolist() == [True, False]
