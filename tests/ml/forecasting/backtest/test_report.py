"""The evaluation of a backtest: metrics, held-out coverage and charts, as strict JSON."""

import json
from functools import partial

import numpy as np
import pytest

from dataml.ml.forecasting.backtest.error_trend import ErrorTrend
from dataml.ml.forecasting.backtest.report import BacktestReport, evaluate_backtest
from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.panel import Panel
from tests.ml.forecasting.tables import make_naive_errors

HORIZON = 5


def evaluate(
    windows: int, series: int, error: float = 1.0, first_error: float = 1.0, earlier: int = 0
) -> BacktestReport:
    """Evaluate forecasts with normal errors of this size, in the oldest window of another one."""
    random = np.random.default_rng(2)
    length = HORIZON * (windows + 4)
    y = random.normal(100, 5, (series, length))
    day = Frequency.parse("Day")
    times = np.tile(day.times_after(np.datetime64("2024-01-01"), length), series)
    starts = np.arange(series + 1) * length
    ids = tuple(f"series {number}" for number in range(series))
    panel = Panel(ids, starts, times, y.ravel(), day, np.arange(series * length))
    cutoffs = np.repeat(length - HORIZON * np.arange(windows, 0, -1)[:, None], series, axis=1)
    splits = BacktestSplits(HORIZON, cutoffs)
    truth = splits.truth(panel.y, starts)
    errors = random.normal(0, error, truth.shape)
    errors[0] *= first_error
    naive_errors = make_naive_errors(np.full(series, 2.0))
    clip = partial(np.clip, a_min=-np.inf, a_max=120.0)
    before = random.normal(0, error, (earlier, series, HORIZON))
    trend = ErrorTrend(np.ones((earlier + windows + 1, series)))
    return evaluate_backtest(panel, splits, truth, truth + errors, truth + 4, naive_errors, clip, before, trend, seed=0)


def test_a_report_has_metrics_confidence_coverage_and_charts() -> None:
    report = evaluate(windows=4, series=12)
    assert report.metrics["mase"] == pytest.approx(0.4, abs=0.05)
    assert report.metrics["naive_mase"] == pytest.approx(2.0)
    assert len(report.confidence) == HORIZON
    assert min(report.confidence) > 0.98
    assert (report.report["windows"], report.report["horizon"]) == (4, HORIZON)
    assert set(report.report["coverage"]) == {"0.5", "0.8", "0.9", "0.95", "0.99"}
    assert report.metrics["crps"] is not None
    assert report.metrics["scaled_crps"] == pytest.approx(report.metrics["crps"] / 2)
    assert set(report.report["charts"]) == {"backtest", "by_horizon", "coverage_by_horizon"}
    assert "metrics" not in report.report
    json.dumps(report.report, allow_nan=False)


def test_coverage_is_near_its_level() -> None:
    coverage = evaluate(windows=5, series=40).report["coverage"]
    assert coverage["0.8"]["coverage"] == pytest.approx(0.8, abs=0.05)
    assert coverage["0.95"]["coverage"] == pytest.approx(0.95, abs=0.03)
    assert coverage["0.8"]["values"] == 5 * 40 * HORIZON
    widths = [each["width"] for each in coverage.values()]
    assert widths == sorted(widths)
    assert widths[3] == pytest.approx(2 * 1.96 / 100, rel=0.1)
    assert coverage["0.95"]["pinball"] < coverage["0.5"]["pinball"]


def test_the_crps_is_that_of_the_distribution_of_the_errors() -> None:
    assert evaluate(windows=5, series=40).metrics["crps"] == pytest.approx(1 / np.sqrt(np.pi), rel=0.1)


def test_coverage_is_measured_by_intervals_of_other_windows() -> None:
    # Intervals that had been fitted on the oldest window too would hold many more of its errors.
    coverage = evaluate(windows=2, series=40, first_error=50.0).report["coverage"]
    assert coverage["0.95"]["coverage"] < 0.6


def test_coverage_of_a_single_window_is_measured_by_intervals_of_other_series() -> None:
    assert evaluate(windows=1, series=20).report["coverage"]["0.95"]["values"] == 20 * HORIZON
    assert evaluate(windows=1, series=9).report["coverage"]["0.95"] == {
        "coverage": None,
        "low": None,
        "high": None,
        "values": 0,
        "width": None,
        "pinball": None,
    }


def test_coverage_of_a_single_window_is_measured_by_intervals_of_earlier_ones() -> None:
    report = evaluate(windows=1, series=9, earlier=8).report
    assert report["earlier_windows"] == 8
    assert report["coverage"]["0.95"]["values"] == 9 * HORIZON
    assert report["coverage"]["0.95"]["coverage"] == pytest.approx(0.95, abs=0.06)


def test_bounds_are_cut_at_those_of_the_target() -> None:
    chart = json.dumps(evaluate(windows=4, series=1, error=20.0).report["charts"]["backtest"])
    highs = [float(part.split(",")[0]) for part in chart.split('"high": ')[1:]]
    assert max(highs) == 120


def test_coverage_of_a_window_is_that_of_intervals_for_errors_of_its_size() -> None:
    random = np.random.default_rng(1)
    sizes = np.array([1.0, 1.0, 1.0, 3.0, 3.0])[:, None]
    errors = random.normal(0, 1, (5, 60, HORIZON)) * sizes[..., None]
    frequency = Frequency.parse("Day")
    times = np.tile(frequency.times_after(np.array(["2024-01-01"], "datetime64[us]"), 40)[0], 60)
    starts = np.arange(61) * 40
    panel = Panel(tuple(map(str, range(60))), starts, times, np.full(2400, 100.0), frequency, np.arange(2400))
    splits = BacktestSplits(HORIZON, np.repeat(40 - HORIZON * np.arange(5, 0, -1)[:, None], 60, axis=1))
    truth = np.full(errors.shape, 100.0)
    arguments = (panel, splits, truth, truth + errors, truth + 4, make_naive_errors(np.ones(60)), lambda values: values)
    none = np.empty((0, 60, HORIZON))

    def by_window(trend: ErrorTrend) -> float:
        return float(evaluate_backtest(*arguments, none, trend, seed=0).report["coverage"]["0.95"]["coverage"])

    known = np.repeat(np.append(sizes, 3.0)[:, None], 60, axis=1)
    assert by_window(ErrorTrend(known)) == pytest.approx(0.95, abs=0.02)
    assert abs(by_window(ErrorTrend(np.ones((6, 60)))) - 0.95) > 0.03
