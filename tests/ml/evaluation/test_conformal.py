"""Intervals hold the truth as often as they say, and the report of a regression measures it."""

import json

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


def test_intervals_hold_new_values_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    inside = {level: [] for level in conformal.LEVELS}
    for _ in range(2_000):
        residuals, new = random.standard_t(3, 40), random.standard_t(3)
        for level, found in inside.items():
            width = half_width(residuals, level)
            found.append(width is not None and abs(new) <= width)
    for level, found in inside.items():
        assert level - 0.03 < np.mean(found) < level + 0.05


def test_coverage_is_measured_on_the_held_out_rows() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(50, 10, 1_000)
    predicted = truth + random.normal(0, 2, 1_000)
    residuals = random.normal(0, 2, 500)
    found = evaluate(Task(0), truth, predicted, residuals=residuals).details["intervals"]
    assert list(found) == ["0.5", "0.8", "0.9", "0.95"]
    for level, each in found.items():
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


def test_too_few_residuals_for_a_level_say_so() -> None:
    found = evaluate(Task(0), np.arange(5.0), np.arange(5.0) + 1, residuals=np.array([1.0, 2.0])).details["intervals"]
    assert found["0.5"]["coverage"] == 1
    assert found["0.95"] == {"half_width": None, "coverage": None, "coverage_low": None, "coverage_high": None}


def test_residuals_are_told_by_quantiles_histogram_and_a_sample() -> None:
    random = np.random.default_rng(3)
    truth = random.normal(0, 1, 3_000)
    predicted = truth - random.normal(1, 2, 3_000)
    found = evaluate(Task(0), truth, predicted).details
    assert found["residual_quantiles"]["0.5"] == pytest.approx(np.median(truth - predicted))
    assert found["residual_mean"] == pytest.approx(1, abs=0.15)
    bins = found["residual_histogram"]
    assert sum(bins["counts"]) + bins["below"] + bins["above"] == 3_000
    assert len(bins["edges"]) == len(bins["counts"]) + 1
    assert (bins["below"], bins["above"]) == (15, 15)
    assert len(found["predicted_vs_true"]["truth"]) == len(found["predicted_vs_true"]["predicted"]) == 500


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ([1.0, 2.0], [1.5, 1.5]),
        ([1.0], [1.5]),
        ([3.0, 3.0, 3.0], [3.0, 3.0, 3.0]),
        ([0.1] * 7, [0.2] * 7),
        ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]),
        ([1e300, -1e300, 0.0], [-1e300, 1e300, 1.0]),
        ([1e-300, 2e-300], [2e-300, 1e-300]),
        ([1e9, 1e9 + 1e-6], [1e9, 1e9]),
    ],
    ids=["2 rows", "1 row", "perfect constant", "constant", "perfect", "huge", "tiny", "far from zero"],
)
def test_whatever_the_numbers_are_the_details_are_strict_json(truth: list[float], predicted: list[float]) -> None:
    result = evaluate(Task(0), np.array(truth), np.array(predicted), residuals=np.array([0.5, -0.5, 1.0]))
    json.dumps([result.details, result.metrics], allow_nan=False)
    if len(set(truth)) == 1:
        assert result.metrics["r2"] is None
    if truth == predicted:
        assert result.metrics["rmse"] == 0
