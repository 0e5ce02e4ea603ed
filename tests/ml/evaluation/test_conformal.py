"""Intervals hold the truth as often as their level says, and their coverage is measured."""

import numpy as np
import pytest
from scipy.stats import binomtest

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation import conformal
from dataml.ml.evaluation.conformal import half_width, wilson_interval
from dataml.ml.evaluation.evaluate import evaluate


def test_the_quantile_has_the_correction_for_few_residuals() -> None:
    residuals = np.array([-5.0, 1, -2, 3, 4, 6, -7, 8, 9])
    assert half_width(residuals, 0.5) == 5  # the ceil(10 * 0.5)-th
    assert half_width(residuals, 0.9) == 9  # the 9th of 9, and not the 8.1th
    assert half_width(residuals, 0.95) is None  # the 10th of 9
    assert half_width(np.array([]), 0.5) is None


def test_intervals_hold_new_values_as_often_as_their_level_says() -> None:
    random = np.random.default_rng(1)
    inside = {level: [] for level in conformal.LEVELS}
    for _ in range(2_000):
        residuals, new = random.standard_t(3, 40), random.standard_t(3)
        for level, hits in inside.items():
            width = half_width(residuals, level)
            hits.append(width is not None and abs(new) <= width)
    for level, hits in inside.items():
        assert level - 0.03 < np.mean(hits) < level + 0.05


def test_coverage_is_measured_on_the_held_out_rows() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(50, 10, 1_000)
    predicted = truth + random.normal(0, 2, 1_000)
    residuals = random.normal(0, 2, 500)
    intervals = evaluate(Task(0), truth, predicted, residuals=residuals).details["intervals"]
    assert list(intervals) == ["0.5", "0.8", "0.9", "0.95"]
    for level, each in intervals.items():
        assert each["half_width"] == half_width(residuals, float(level))
        assert each["coverage"] == np.mean(np.abs(truth - predicted) <= each["half_width"])
        low, high = binomtest(round(each["coverage"] * 1_000), 1_000).proportion_ci(method="wilson")
        assert (each["coverage_low"], each["coverage_high"]) == (pytest.approx(low), pytest.approx(high))
        assert each["coverage"] == pytest.approx(float(level), abs=0.06)
    assert evaluate(Task(0), truth, predicted).details["intervals"] == {}


@pytest.mark.parametrize(("hits", "rows"), [(0, 1), (1, 1), (0, 50), (50, 50), (7, 9)])
def test_the_confidence_of_a_share_is_wilsons(hits: int, rows: int) -> None:
    low, high = binomtest(hits, rows).proportion_ci(method="wilson")
    assert wilson_interval(hits, rows) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


def test_a_level_with_too_few_residuals_has_no_interval() -> None:
    intervals = evaluate(Task(0), np.arange(5.0), np.arange(5.0) + 1, residuals=np.array([1.0, 2.0])).details[
        "intervals"
    ]
    assert intervals["0.5"]["coverage"] == 1
    assert intervals["0.95"] == {"half_width": None, "coverage": None, "coverage_low": None, "coverage_high": None}
