"""The combination of forecasts: selection of a rule by its score on other windows."""

from collections.abc import Sequence

import numpy as np
import pytest

from dataml.ml.forecasting.backtest.combination import ForecastCombination, select_combination
from tests.ml.forecasting.tables import make_naive_errors

NAMES = ("good", "fair", "bad")


def make_forecasts(errors: dict[str, np.ndarray], windows: int = 4, series: int = 6, horizon: int = 5) -> np.ndarray:
    """Return forecasts (candidates, windows, series, horizon) of a truth of 0, independent errors of these sizes."""
    random = np.random.default_rng(1)
    return np.stack([random.normal(0, 1, (windows, series, horizon)) * size for size in errors.values()])


def truth_of(forecasts: np.ndarray) -> np.ndarray:
    return np.zeros(forecasts.shape[1:])


def select(
    names: Sequence[str],
    forecasts: np.ndarray,
    truth: np.ndarray,
    scale: np.ndarray | None = None,
    is_small_count: bool = False,
) -> ForecastCombination:
    series = forecasts.shape[2]
    naive = make_naive_errors(np.ones(series) if scale is None else scale)
    return select_combination(names, forecasts, truth, naive, np.full(series, is_small_count))


def test_a_single_candidate_gets_all_the_weight() -> None:
    forecasts = make_forecasts({"only": np.array(1.0)})
    combination = select(["only"], forecasts, truth_of(forecasts))
    assert (combination.rule, combination.weights.tolist()) == ("only", [[1.0]] * 6)
    assert combination.reason == "It is the only candidate."
    assert np.array_equal(combination.blended, forecasts[0])


def test_a_candidate_with_a_large_error_gets_no_weight() -> None:
    forecasts = make_forecasts({"good": np.array(1.0), "fair": np.array(1.1), "bad": np.array(30.0)})
    combination = select(NAMES, forecasts, truth_of(forecasts))
    assert 2 not in combination.used
    assert combination.weights.sum(axis=1) == pytest.approx(1)


def test_a_blend_averages_out_independent_errors() -> None:
    forecasts = make_forecasts({name: np.array(1.0) for name in NAMES}, windows=6, series=20)
    combination = select(NAMES, forecasts, truth_of(forecasts))
    assert len(combination.used) == 3
    assert min(combination.scores[name] for name in combination.scores if name not in NAMES) < 0.75
    assert np.abs(combination.blended).mean() < 0.7 * np.abs(forecasts[0]).mean()


def test_series_get_weights_of_their_own_when_their_best_candidates_differ() -> None:
    size = np.array([0.1, 0.1, 0.1, 5, 5, 5])[None, :, None]
    forecasts = make_forecasts({"good": size, "fair": size[:, ::-1]})
    combination = select(NAMES[:2], forecasts, truth_of(forecasts))
    assert combination.rule.endswith("each series")
    assert (combination.weights[:3, 0] > 0.9).all()
    assert (combination.weights[3:, 1] > 0.9).all()


def test_a_rule_is_scored_on_windows_that_its_weights_were_not_made_from() -> None:
    # Each candidate is the better one in one window, so the best of one window is the worse one in the other.
    forecasts = np.array([[0.6, 1.0], [-1.0, -0.6]])[:, :, None, None] * np.ones((2, 2, 1, 3))
    combination = select(NAMES[:2], forecasts, truth_of(forecasts))
    assert combination.scores["best one"] == pytest.approx(1.0)
    assert combination.rule == "mean of the best 2"


def make_lucky_forecasts(last_window: float) -> np.ndarray:
    """Return forecasts of two candidates; the first is better in three of four windows, with this error in the last."""
    sizes = np.array([[0.7, 0.7, 0.7, last_window], [1.0, 1.0, 1.0, 1.0]])
    return sizes[:, :, None, None] * np.ones((2, 4, 1, 3))


def test_the_blend_of_all_stays_when_another_rule_is_not_significantly_better() -> None:
    forecasts = make_lucky_forecasts(last_window=1.4)
    combination = select(NAMES[:2], forecasts, truth_of(forecasts))
    assert combination.scores["best one"] < combination.scores["weighted by error"]
    assert combination.rule == "weighted by error"
    assert (combination.weights > 0).all()
    assert combination.reason.startswith("good had a smaller error, 0.875 against ")
    assert "over 4 windows that may be luck" in combination.reason


def test_a_candidate_that_is_better_in_every_window_is_taken_alone() -> None:
    forecasts = np.array([0.1, 1.5])[:, None, None, None] * np.array([1.0, 1.2, 0.9, 1.1])[None, :, None, None]
    forecasts = forecasts * np.ones((2, 4, 1, 3))
    combination = select(NAMES[:2], forecasts, truth_of(forecasts))
    assert combination.weights.tolist() == [[1.0, 0.0]]


def test_a_rule_that_is_better_in_every_window_replaces_the_blend_and_says_so() -> None:
    forecasts = np.array([0.5, 0.9])[:, None, None, None] * np.array([1.0, 1.02, 0.98, 1.0])[None, :, None, None]
    forecasts = forecasts * np.ones((2, 4, 1, 3))
    combination = select(NAMES[:2], forecasts, truth_of(forecasts))
    assert combination.rule == "best one"
    assert combination.reason.startswith("Over the 4 windows its error, 0.500, is significantly smaller")


def test_a_series_without_a_window_gets_the_weights_of_all_series() -> None:
    forecasts = make_forecasts({"good": np.array(0.1), "fair": np.array(4.0)})
    forecasts[:, :, 0] = np.nan
    truth = truth_of(forecasts)
    truth[:, 0] = np.nan
    combination = select(NAMES[:2], forecasts, truth)
    assert combination.weights[0, 0] == pytest.approx(1.0)
    assert np.isnan(combination.blended[:, 0]).all()
    assert np.isfinite(combination.blended[:, 1:]).all()


def test_a_candidate_without_any_forecast_gets_no_weight_and_no_score() -> None:
    forecasts = make_forecasts({"good": np.array(1.0), "fair": np.array(1.1), "none": np.array(np.nan)}, windows=1)
    combination = select(("good", "fair", "none"), forecasts, truth_of(forecasts))
    assert combination.weights[:, 2].tolist() == [0.0] * 6
    assert "none" not in combination.scores
    assert np.isfinite(combination.blended).all()
    assert np.array_equal(combination.blend(forecasts[combination.used]), combination.blended)


def test_with_a_single_window_the_best_three_get_equal_weights() -> None:
    forecasts = make_forecasts(
        {"good": np.array(1.0), "fair": np.array(1.2), "bad": np.array(1.4), "worst": np.array(1.9)}, 1
    )
    combination = select([*NAMES, "worst"], forecasts, truth_of(forecasts))
    assert combination.rule == "mean of the best 3"
    assert (combination.weights > 0).sum(axis=1).tolist() == [3] * 6


def test_a_series_without_a_scale_gets_finite_weights() -> None:
    forecasts = make_forecasts({"good": np.array(0.1), "fair": np.array(4.0)})
    scale = np.ones(6)
    scale[0] = 0.0
    combination = select(NAMES[:2], forecasts, truth_of(forecasts) + 7, scale)
    assert np.isfinite(combination.weights).all()
    assert np.isfinite(combination.blended).all()


def make_demand() -> tuple[np.ndarray, np.ndarray]:
    """Return three forecasts of sparse demand, its median, its mean and a value of the past, and the truth."""
    random = np.random.default_rng(4)
    truth = (random.random((5, 8, 14)) < 0.25).astype(float)
    past = (random.random((5, 8, 14)) < 0.25).astype(float)
    return np.stack([np.zeros(truth.shape), np.full(truth.shape, 0.25), past]), truth


def test_small_counts_are_forecast_by_their_mean_and_others_by_their_median() -> None:
    forecasts, truth = make_demand()
    names = ("median", "mean", "past")
    counts = select(names, forecasts, truth, is_small_count=True)
    assert counts.scores["mean"] < counts.scores["median"]
    assert counts.weights[:, 2].tolist() == [0.0] * 8
    assert counts.weights[:, 1].mean() > counts.weights[:, 0].mean()
    others = select(names, forecasts, truth)
    assert others.scores["median"] < others.scores["mean"]
