"""Scores of forecasts equal their definitions in the literature, and have a bootstrap confidence."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from dataml.ml.forecasting.backtest.scores import ForecastScores, confidence_by_step, extend_confidence, score_forecasts
from tests.ml.forecasting.tables import make_naive_errors


def backtest(windows: int = 3, series: int = 8, horizon: int = 5, seed: int = 1) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    truth = random.gamma(9, 2, (windows, series, horizon)) + 2
    noise = random.normal(0, 1, (2, *truth.shape))
    return {
        "truth": truth,
        "forecast": truth + noise[0] + 0.3,
        "scale": make_naive_errors(random.uniform(0.5, 2, series)),
        "naive": truth + 2 * noise[1],
        "ids": [f"series {n}" for n in range(series)],
    }


def score_one(truth: list[float], forecast: list[float], scale: float = 1.0) -> ForecastScores:
    """Return the scores of one window of one series, whose naive forecast is exact."""
    true = np.array([[truth]])
    return score_forecasts(true, np.array([[forecast]]), make_naive_errors(np.array([scale])), true, [""])


def test_metrics_equal_their_definitions() -> None:
    data = backtest()
    truth, forecast, naive, scale = (data[name] for name in ("truth", "forecast", "naive", "scale"))
    metrics = score_forecasts(**data).metrics
    error = forecast - truth
    expected = {
        "mase": (np.abs(error) / scale.absolute[:, None]).mean(),
        "rmsse": np.sqrt((error**2 / scale.squared[:, None]).mean()),
        "smape": (200 * np.abs(error) / (np.abs(truth) + np.abs(forecast))).mean(),
        "rmse": reference.root_mean_squared_error(truth.ravel(), forecast.ravel()),
        "mae": reference.mean_absolute_error(truth.ravel(), forecast.ravel()),
        "wape": np.abs(error).sum() / truth.sum(),
        "bias": error.sum() / truth.sum(),
        "naive_mase": (np.abs(naive - truth) / scale.absolute[:, None]).mean(),
        "naive_rmse": reference.root_mean_squared_error(truth.ravel(), naive.ravel()),
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert metrics["relative_mase"] == pytest.approx(expected["mase"] / expected["naive_mase"])
    naive_rmsse = np.sqrt(((naive - truth) ** 2 / scale.squared[:, None]).mean())
    assert metrics["relative_rmsse"] == pytest.approx(expected["rmsse"] / naive_rmsse)
    assert "coverage" not in metrics


def test_smape_is_at_most_200_and_0_for_exact_zeros() -> None:
    assert score_one([1.0, -2.0], [-1.0, 2.0]).metrics["smape"] == 200
    assert score_one([0.0, 0.0], [0.0, 5.0]).metrics["smape"] == 100


def test_bias_is_above_0_when_forecasts_are_too_high() -> None:
    assert score_one([10.0, 10.0], [11.0, 12.0]).metrics["bias"] == pytest.approx(0.15)
    assert score_one([-10.0, -10.0], [-11.0, -12.0]).metrics["bias"] == pytest.approx(-0.15)


def test_intervals_are_scored_by_coverage_and_width() -> None:
    truth = np.array([[[1.0, 2.0, 3.0, np.nan]]])
    bounds = truth - np.array([0.5, 0.5, -0.1, 1]), truth + np.array([0.5, 0.0, 0.5, 1])
    scores = score_forecasts(truth, truth, make_naive_errors(np.ones(1)), truth, [""], bounds=bounds)
    assert scores.metrics["coverage"] == pytest.approx(2 / 3)
    assert scores.metrics["width"] == pytest.approx((1 + 0.5 + 0.4) / 6)
    assert scores.by_horizon["coverage"] == [1, 1, 0, None]


def test_each_step_has_scores_of_its_own() -> None:
    data = backtest()
    scores = score_forecasts(**data)
    assert scores.by_horizon["step"] == [1, 2, 3, 4, 5]
    assert scores.by_horizon["values"] == [24] * 5
    for at in range(5):
        step = {name: each[:, :, at : at + 1] if isinstance(each, np.ndarray) else each for name, each in data.items()}
        of_step = score_forecasts(**step).metrics
        for name, value in of_step.items():
            assert scores.by_horizon[name][at] == pytest.approx(value, rel=1e-5), name


def test_missing_values_do_not_count() -> None:
    data = backtest()
    whole = score_forecasts(**data)
    for name, fill in (("truth", np.nan), ("forecast", np.nan), ("naive", np.nan)):
        more = np.full((2, 8, 5), fill if name != "forecast" else 1e6)
        data[name] = np.concatenate([data[name], more])
    padded = score_forecasts(**data)
    assert padded.metrics == pytest.approx(whole.metrics)
    assert padded.values == whole.values == 120


def test_the_naive_is_compared_where_the_model_has_a_forecast() -> None:
    data = backtest()
    data["forecast"][0] = np.nan
    data["naive"][0] += 1_000
    fewer = score_forecasts(
        **{name: each[1:] if isinstance(each, np.ndarray) and each.ndim == 3 else each for name, each in data.items()}
    )
    assert score_forecasts(**data).metrics == pytest.approx(fewer.metrics)


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_a_series_without_a_scale_is_left_out_of_mase_and_counted(nothing: float) -> None:
    data = backtest()
    data["scale"].absolute[2] = nothing
    scores = score_forecasts(**data)
    assert scores.without_scale == 1
    kept = [n for n in range(8) if n != 2]
    error = np.abs(data["forecast"] - data["truth"])[:, kept] / data["scale"].absolute[kept, None]
    assert scores.metrics["mase"] == pytest.approx(error.mean())
    assert scores.by_series[2] is None
    data["scale"].absolute[:] = nothing
    assert (scores := score_forecasts(**data)).metrics["mase"] is None
    assert scores.metrics["relative_mase"] is None
    assert scores.metrics["rmsse"] is None
    assert scores.confidence["mase"] is None
    # Ranked by WAPE instead.
    assert scores.worst[0]["wape"] >= scores.best[0]["wape"]


def test_confidence_is_as_wide_as_the_variation_between_samples_of_series() -> None:
    def sample(seed: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        # Series differ, and the errors of one go together.
        level = np.exp(random.normal(0, 0.4, 60))[:, None]
        truth = random.gamma(9, 2, (2, 60, 4))
        forecast = truth + level * random.choice([-1, 1], (1, 60, 1)) * random.uniform(0.5, 1.5, truth.shape)
        return {
            "truth": truth,
            "forecast": forecast,
            "scale": make_naive_errors(np.ones(60)),
            "naive": truth,
            "ids": ["x"] * 60,
        }

    varies = np.std([score_forecasts(**sample(seed)).metrics["mase"] for seed in range(100, 180)])  # type: ignore[arg-type]
    interval = score_forecasts(**sample(1)).confidence["mase"]
    assert interval["level"] == 0.95
    assert interval["high"] - interval["low"] == pytest.approx(3.92 * varies, rel=0.35)


def test_the_bootstrap_draws_windows_of_one_series_and_nothing_of_one_window() -> None:
    several = score_forecasts(**backtest(windows=4, series=1))
    interval = several.confidence["mae"]
    assert interval["low"] < several.metrics["mae"] < interval["high"]  # type: ignore[operator]
    single = score_forecasts(**backtest(windows=1, series=1))
    assert set(single.confidence) == set(single.metrics)
    assert set(single.confidence.values()) == {None}


def test_the_same_seed_gives_the_same_confidence() -> None:
    data = backtest()
    assert score_forecasts(**data, seed=3) == score_forecasts(**data, seed=3)
    assert score_forecasts(**data, seed=3).confidence != score_forecasts(**data, seed=4).confidence


def test_the_best_and_the_worst_series_are_named() -> None:
    data = backtest(series=30)
    data["forecast"] = data["truth"] + data["scale"].absolute[:, None] * np.arange(30)[:, None] / 10
    scores = score_forecasts(**data)
    assert [each["id"] for each in scores.worst] == [f"series {n}" for n in range(29, 19, -1)]
    assert [each["id"] for each in scores.best] == [f"series {n}" for n in range(10)]
    assert scores.worst[0]["mase"] == pytest.approx(2.9)
    assert scores.worst[0]["values"] == 15
    few = score_forecasts(**backtest(series=3))
    assert len(few.best) + len(few.worst) == 3


@pytest.mark.parametrize("value", [0.0, 1e300, 1e-300, -5.0])
def test_scores_of_any_numbers_are_strict_json(value: float) -> None:
    truth = np.full((2, 2, 3), value)
    scores = score_forecasts(
        truth, -truth, make_naive_errors(np.array([value, 0.0])), truth * 0, ["a", "b"], bounds=(truth, truth)
    )
    json.dumps(scores.to_json(), allow_nan=False)
    if value == 0:
        assert (scores.metrics["wape"], scores.metrics["mae"]) == (None, 0)
    nothing = np.full((1, 1, 2), np.nan)
    empty = score_forecasts(nothing, nothing, make_naive_errors(np.ones(1)), nothing, ["a"])
    assert set(empty.metrics.values()) == {None}
    assert (empty.values, empty.best, empty.worst) == (0, [], [])


def test_confidence_by_step_is_1_minus_the_wape_of_the_step() -> None:
    truth = np.full((2, 20, 3), 10.0)
    forecast = truth + np.array([1.0, 3.0, 2.0])
    assert confidence_by_step(truth, forecast) == pytest.approx([0.9, 0.7, 0.8])
    assert confidence_by_step(truth, forecast, 2) == pytest.approx([0.9, 0.7])


def test_a_step_with_few_errors_is_pooled_with_its_neighbours() -> None:
    truth = np.full((4, 1, 12), 10.0)
    forecast = truth.copy()
    forecast[:, :, 6] += 5
    confidence = confidence_by_step(truth, forecast)
    # Twenty errors are five steps of four.
    assert confidence[4:9] == pytest.approx([0.9] * 5)
    assert confidence[0] == confidence[11] == 1


def test_confidence_falls_past_the_horizon_and_stays_between_0_and_1() -> None:
    confidence = extend_confidence([0.95, 0.9], 200)
    assert confidence[:2] == [0.95, 0.9]
    assert confidence[7] == pytest.approx(1 - 0.1 * 2)
    assert (np.diff(confidence) <= 0).all()
    assert 0 <= confidence[-1] < 1e-9
    assert extend_confidence([0.2], 2)[-1] == 0
    assert extend_confidence([0.5], 1) == [0.5]


@pytest.mark.parametrize(
    ("truth", "forecast", "confidence"),
    [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 9.0, 0.0), (np.nan, 1.0, 0.0), (1.0, np.nan, 0.0)],
)
def test_confidence_of_any_values_is_a_number(truth: float, forecast: float, confidence: float) -> None:
    shape = (2, 1, 3)
    assert confidence_by_step(np.full(shape, truth), np.full(shape, forecast), 5) == [confidence] * 5
