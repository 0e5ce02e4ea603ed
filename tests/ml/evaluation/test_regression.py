"""Scores of numbers agree with scikit-learn, and are strict JSON whatever the numbers are."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from dataml.ml.boosters.native_model import Task
from dataml.ml.evaluation.evaluate import evaluate


def test_numbers_are_scored_by_their_distance() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(10, 1, 100)
    predicted = truth + random.normal(0, 0.3, 100)
    result = evaluate(Task(0), truth, predicted)
    assert result.metrics == pytest.approx(
        {
            "rmse": reference.root_mean_squared_error(truth, predicted),
            "mae": reference.mean_absolute_error(truth, predicted),
            "r2": reference.r2_score(truth, predicted),
            "mape": reference.mean_absolute_percentage_error(truth, predicted),
        }
    )
    assert result.accuracy is None
    assert result.confusion_matrix is None


def test_residuals_have_quantiles_a_histogram_and_a_sample() -> None:
    random = np.random.default_rng(3)
    truth = random.normal(0, 1, 3_000)
    predicted = truth - random.normal(1, 2, 3_000)
    details = evaluate(Task(0), truth, predicted).details
    assert details["residual_quantiles"]["0.5"] == pytest.approx(np.median(truth - predicted))
    assert details["residual_mean"] == pytest.approx(1, abs=0.15)
    bins = details["residual_histogram"]
    assert sum(bins["counts"]) + bins["below"] + bins["above"] == 3_000
    assert len(bins["edges"]) == len(bins["counts"]) + 1
    assert (bins["below"], bins["above"]) == (15, 15)
    assert len(details["predicted_vs_true"]["truth"]) == len(details["predicted_vs_true"]["predicted"]) == 500


@pytest.mark.parametrize("unit", [1e300, 1e-300, 2.0**900, 1.0])
def test_scores_are_right_in_every_unit(unit: float) -> None:
    random = np.random.default_rng(2)
    truth = random.normal(10, 1, 100)
    predicted = truth + random.normal(0, 0.3, 100)
    result, scaled = evaluate(Task(0), truth, predicted), evaluate(Task(0), unit * truth, unit * predicted)
    for name, value in result.metrics.items():
        factor = unit if name in ("rmse", "mae") else 1.0
        interval, unscaled = scaled.details["confidence"][name], result.details["confidence"][name]
        assert scaled.metrics[name] == pytest.approx((value or 0) * factor, rel=1e-9)
        assert interval["low"] == pytest.approx(unscaled["low"] * factor, rel=1e-9)
        assert interval["high"] == pytest.approx(unscaled["high"] * factor, rel=1e-9)
    assert scaled.details["residual_mean"] == pytest.approx(unit * result.details["residual_mean"], rel=1e-9)


def test_a_sample_far_from_zero_has_the_digits_that_tell_its_values_apart() -> None:
    truth = 1.7e9 + np.linspace(-60, 60, 100)
    sample = evaluate(Task(0), truth, truth + 1).details["predicted_vs_true"]
    assert len(set(sample["truth"])) == len(set(sample["predicted"])) == 100
    assert evaluate(Task(0), np.array([1 / 3, 2 / 3]), np.array([1 / 3, 2 / 3])).details["predicted_vs_true"] == {
        "truth": [0.333333, 0.666667],
        "predicted": [0.333333, 0.666667],
    }


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
