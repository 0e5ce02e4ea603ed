import numpy as np

from dataml.ml.forecasting.hierarchy import Hierarchy
from dataml.ml.forecasting.reconciliation import MAX_SERIES, fit_reconciliation

HIERARCHY = Hierarchy(("region",), ("Total", "A", "B"), np.array([[0, 0, 0, 0], [1, 1, 2, 2]]))


def forecasts_of(windows: int, sizes: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return truths that agree, and forecasts of all series with independent errors of these sizes."""
    random = np.random.default_rng(seed)
    truth = HIERARCHY.append_sums(random.normal(50, 10, (windows, 4, 6)))
    return truth, truth + random.normal(0, 1, truth.shape) * sizes[:, None]


def test_reconciled_forecasts_agree_and_keep_those_that_agree() -> None:
    truth, forecast = forecasts_of(8, np.ones(7))
    reconciliation = fit_reconciliation(truth - forecast, HIERARCHY)
    assert reconciliation.method == "MinT"
    np.testing.assert_allclose(reconciliation.reconcile(truth, HIERARCHY), truth[:, :4])
    assert np.abs(HIERARCHY.append_sums(reconciliation.reconcile(forecast, HIERARCHY)) - forecast).max() > 0.1


def test_precise_sums_make_forecasts_of_their_terms_better() -> None:
    sizes = np.array([4.0, 4.0, 4.0, 4.0, 0.2, 0.2, 0.2])
    truth, forecast = forecasts_of(10, sizes)
    reconciliation = fit_reconciliation(truth - forecast, HIERARCHY)
    fresh_truth, fresh = forecasts_of(50, sizes, seed=1)
    reconciled = HIERARCHY.append_sums(reconciliation.reconcile(fresh, HIERARCHY))

    def rmse(values: np.ndarray) -> np.ndarray:
        return np.sqrt(np.square(values - fresh_truth).mean(axis=(0, 2)))

    assert (rmse(reconciled)[:4] < 0.85 * rmse(fresh)[:4]).all()
    assert (rmse(reconciled)[4:] < 0.1 * rmse(HIERARCHY.append_sums(fresh[:, :4]))[4:]).all()


def test_correlations_of_a_single_window_are_not_used() -> None:
    errors = np.repeat(np.random.default_rng(0).normal(0, 1, (1, 1, 6)), 7, axis=1)
    weights = fit_reconciliation(errors, HIERARCHY).weights
    assert weights is not None
    summing = HIERARCHY.summing
    np.testing.assert_allclose(weights, np.linalg.solve(summing.T @ summing, summing.T))


def test_errors_without_a_common_step_leave_the_forecasts_of_the_series() -> None:
    errors = np.full((2, 7, 3), np.nan)
    reconciliation = fit_reconciliation(errors, HIERARCHY)
    assert reconciliation.method == "bottom-up"
    values = np.random.default_rng(0).normal(0, 1, (7, 3))
    np.testing.assert_array_equal(reconciliation.reconcile(values, HIERARCHY), values[:4])


def test_series_that_are_forecast_exactly_have_an_inverse() -> None:
    truth, forecast = forecasts_of(5, np.array([0.0, 1, 1, 1, 1, 1, 0]))
    assert fit_reconciliation(truth - forecast, HIERARCHY).method == "MinT"
    assert np.isfinite(fit_reconciliation(np.zeros((3, 7, 2)), HIERARCHY).reconcile(forecast, HIERARCHY)).all()


def test_many_series_are_summed_up() -> None:
    hierarchy = Hierarchy((), ("Total",), np.zeros((1, MAX_SERIES), np.int64))
    assert fit_reconciliation(np.zeros((1, MAX_SERIES + 1, 2)), hierarchy).method == "bottom-up"


def test_a_short_series_keeps_its_forecast_in_windows_that_others_lack() -> None:
    truth, forecast = forecasts_of(5, np.ones(7))
    values = forecast.copy()
    values[0, 2] = np.nan
    reconciled = fit_reconciliation(truth - forecast, HIERARCHY).reconcile(values, HIERARCHY)
    np.testing.assert_array_equal(reconciled[0], values[0, :4])
    assert np.isfinite(reconciled[1:]).all()
