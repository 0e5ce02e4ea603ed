"""Statistical models: stored ones forecast the same, odd series have a forecast, and regular ones a good one."""

import json
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataml.ml.forecasting.models.statistical import (
    INTERMITTENT_ALGORITHMS,
    STATISTICAL_ALGORITHMS,
    LocalModel,
    fit,
    fit_many,
    forecast,
    required_history,
)

FITTED = STATISTICAL_ALGORITHMS[1:]
SEASONAL = tuple(name for name in FITTED if name not in INTERMITTENT_ALGORITHMS)
STEPS = 12


@cache
def series(name: str) -> tuple[np.ndarray, int]:
    """Return a real series that comes with the libraries, and the length of its season."""
    from statsforecast.utils import AirPassengers
    from statsmodels.datasets import co2, elec_equip, nile

    if name == "air passengers":
        return AirPassengers.astype(np.float64), 12
    data: dict[str, Any] = {"electrical equipment": elec_equip, "co2 by the week": co2, "nile": nile}
    frame = data[name].load().data
    if name == "electrical equipment":
        return frame.to_numpy(np.float64).ravel(), 12
    if name == "co2 by the week":
        return frame["co2"].interpolate().to_numpy(np.float64)[-500:], 52
    return frame["volume"].to_numpy(np.float64), 1


SERIES = ("air passengers", "electrical equipment", "co2 by the week", "nile")


@cache
def fitted(algorithm: str, name: str) -> LocalModel:
    return fit(algorithm, *series(name))


def reloaded(model: LocalModel) -> LocalModel:
    return LocalModel.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("algorithm", STATISTICAL_ALGORITHMS)
def test_a_stored_model_forecasts_the_same_to_the_bit(algorithm: str, name: str) -> None:
    y, _ = series(name)
    model = fitted(algorithm, name)
    assert model.algorithm == algorithm
    assert model.fallback is None
    assert reloaded(model) == model
    np.testing.assert_array_equal(forecast(reloaded(model), y, STEPS), forecast(model, y, STEPS))


@pytest.mark.parametrize("name", ["air passengers", "electrical equipment", "nile"])
@pytest.mark.parametrize("algorithm", SEASONAL)
def test_a_forecast_is_the_librarys_own_for_values_of_size_one(algorithm: str, name: str) -> None:
    from statsforecast.arima import auto_arima_f, forecast_arima
    from statsforecast.ets import ets_f, forecast_ets
    from statsforecast.theta import auto_theta, forecast_theta

    from dataml.ml.forecasting.models.arima import SEARCH

    y, season = series(name)
    model = fitted(algorithm, name)
    scale = 2.0 ** model.parameters["power"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if algorithm == "AutoETS":
            own = forecast_ets(ets_f(y / scale, season), STEPS)
        elif algorithm == "AutoARIMA":
            own = forecast_arima(auto_arima_f(y / scale, period=season, **SEARCH), STEPS)
        else:
            own = forecast_theta(auto_theta(y / scale, season), STEPS)
    # The decomposition of Theta adds up in another order than the library's, which moves the last digit.
    np.testing.assert_allclose(forecast(model, y, STEPS), own["mean"] * scale, rtol=1e-14)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("algorithm", STATISTICAL_ALGORITHMS)
def test_new_observations_change_the_forecast_but_not_the_model(algorithm: str, name: str) -> None:
    y, _ = series(name)
    model = fitted(algorithm, name)
    before = json.dumps(model.to_json())
    longer = np.append(y, y[-3:] * 1.05)
    moved = forecast(model, longer, STEPS)
    assert not np.array_equal(moved, forecast(model, y, STEPS))
    np.testing.assert_array_equal(moved, forecast(reloaded(model), longer, STEPS))
    assert json.dumps(model.to_json()) == before


@pytest.mark.parametrize("algorithm", SEASONAL)
def test_new_observations_keep_the_phase_of_the_season(algorithm: str) -> None:
    y, season = series("air passengers")
    cutoff = len(y) - season - 5
    model = fit(algorithm, y[:cutoff], season)
    # Five months after the fit the forecast still knows which month is next.
    error = np.abs(forecast(model, y[: cutoff + 5], season) - y[cutoff + 5 :]).mean()
    naive = np.abs(np.resize(y[cutoff + 5 - season : cutoff + 5], season) - y[cutoff + 5 :]).mean()
    assert error < naive


@pytest.mark.parametrize("algorithm", SEASONAL)
@pytest.mark.parametrize("name", ["air passengers", "electrical equipment", "co2 by the week"])
def test_a_seasonal_series_is_forecast_better_than_by_its_last_value(algorithm: str, name: str) -> None:
    y, season = series(name)
    past, truth = y[:-season], y[-season:]
    error = np.abs(forecast(fit(algorithm, past, season), past, season) - truth).mean()
    assert error < 0.7 * np.abs(past[-1] - truth).mean()


@pytest.mark.parametrize("season", [24, 48, 96, 168])
@pytest.mark.parametrize("algorithm", ["AutoETS", "Theta"])
def test_long_seasons_are_modelled(algorithm: str, season: int) -> None:
    random = np.random.default_rng(3)
    shape = random.normal(size=season)
    y = 50 + np.resize(shape, 6 * season) + 0.1 * random.normal(size=6 * season)
    past, truth = y[:-season], y[-season:]
    model = fit(algorithm, past, season)
    assert model.season == season
    assert np.abs(forecast(model, past, season) - truth).mean() < 0.3


ODD = {
    "one value": [4.0],
    "three values": [3.0, 1.0, 2.0],
    "five values": [3.0, 1.0, 2.0, 5.0, 4.0],
    "ten values": [3.0, 1.0, 2.0, 5.0, 4.0, 4.0, 6.0, 5.0, 7.0, 9.0],
    "constant": [7.3] * 28,
    "all zeros": [0.0] * 28,
    "one that is not zero": [0.0] * 14 + [5.0] + [0.0] * 13,
    "intermittent": ([0.0] * 6 + [2.0, 0.0, 1.0]) * 3,
    "huge": [1e12 * (2 + np.sin(t)) for t in range(28)],
    "tiny": [1e-9 * (2 + np.sin(t)) for t in range(28)],
    "nearly the largest number": [1e300 * (2 + np.sin(t)) for t in range(28)],
    "negative": [-5.0 - t % 7 for t in range(28)],
    "both signs": [np.sin(t) for t in range(28)],
    "a line": [float(t) for t in range(28)],
    "nothing but a season": [float(t % 7) for t in range(28)],
    "a small ripple far from zero": [1e9 + 1e-6 * (t % 5) for t in range(28)],
    "growing fast": [2.0**t for t in range(28)],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("algorithm", STATISTICAL_ALGORITHMS)
def test_an_odd_series_has_a_finite_forecast(algorithm: str, name: str) -> None:
    y = np.array(ODD[name])
    model = fit(algorithm, y, 7)
    values = forecast(reloaded(model), y, 30)
    assert values.shape == (30,)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    assert (model.algorithm == algorithm) or model.fallback


@pytest.mark.parametrize("algorithm", FITTED)
def test_a_constant_series_is_forecast_by_its_value(algorithm: str) -> None:
    y = np.full(40, 7.3)
    model = fit(algorithm, y, 12)
    assert model.fallback == f"{algorithm} needs values that differ"
    np.testing.assert_array_equal(forecast(model, y, 5), np.full(5, 7.3))


@pytest.mark.parametrize(("algorithm", "fewest"), [("AutoETS", 7), ("AutoARIMA", 4), ("Theta", 4)])
def test_a_fallback_is_named(algorithm: str, fewest: int) -> None:
    y = np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 5.5, 8.0])
    model = fit(algorithm, y[: fewest - 1], 2)
    assert (model.algorithm, model.description, model.season) == ("SeasonalNaive", "SeasonalNaive[2]", 2)
    assert model.fallback == f"{algorithm} needs {fewest} values"
    assert fit(algorithm, y[:fewest], 1).fallback is None


def test_the_seasonal_naive_forecast_repeats_the_last_season_or_the_last_value() -> None:
    y = np.arange(1.0, 11.0)
    model = fit("SeasonalNaive", y, 4)
    np.testing.assert_array_equal(forecast(model, y, 6), [7, 8, 9, 10, 7, 8])
    short = fit("SeasonalNaive", y[:3], 4)
    assert short.fallback == "SeasonalNaive needs 4 values for a season"
    np.testing.assert_array_equal(forecast(short, y[:3], 2), [3, 3])


@pytest.mark.parametrize("algorithm", FITTED)
def test_a_season_needs_two_seasons_of_values(algorithm: str) -> None:
    y, _ = series("air passengers")
    assert fit(algorithm, y[:23], 12).season == 1
    assert fit(algorithm, y[:24], 12).season == 12


@pytest.mark.parametrize("algorithm", FITTED)
def test_the_unit_of_a_series_does_not_change_its_model(algorithm: str) -> None:
    y, season, power = *series("air passengers"), 40
    model, other = fitted(algorithm, "air passengers"), fit(algorithm, np.ldexp(y, power), season)
    assert other.description == model.description
    np.testing.assert_array_equal(
        forecast(other, np.ldexp(y, power), STEPS), np.ldexp(forecast(model, y, STEPS), power)
    )


@pytest.mark.parametrize("algorithm", FITTED)
def test_values_that_break_a_model_leave_a_finite_forecast(algorithm: str) -> None:
    y, _ = series("air passengers")
    for value in (0.0, -1e6, 1e300):
        assert np.isfinite(forecast(fitted(algorithm, "air passengers"), np.append(y, value), STEPS)).all()


def test_a_history_shorter_than_that_of_the_fit_is_refused() -> None:
    y, _ = series("air passengers")
    with pytest.raises(ValueError, match="never shorter"):
        forecast(fitted("AutoETS", "air passengers"), y[1:], STEPS)


def test_many_fits_are_returned_in_the_order_of_their_arguments() -> None:
    y, season = series("air passengers")
    jobs = [("Theta", y, season, None), ("SeasonalNaive", y, season, None), ("AutoETS", y, season, None)]
    assert fit_many(jobs) == [fit(*job) for job in jobs]


def test_fits_and_forecasts_warn_of_nothing() -> None:
    y = np.array(ODD["intermittent"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for algorithm in FITTED:
            forecast(fit(algorithm, y, 7), y, STEPS)


def test_fitted_algorithms_need_the_same_history() -> None:
    assert required_history("SeasonalNaive", 12) == 12
    for season, needed in ((1, 2_000), (12, 2_000), (365, 3_650), (8_766, 10_000)):
        assert {required_history(algorithm, season) for algorithm in FITTED} == {needed}


@settings(max_examples=20, deadline=None)
@given(
    y=arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e15, 1e15)),
    season=st.integers(1, 30),
    algorithm=st.sampled_from(["SeasonalNaive", "AutoETS", "Theta"]),
    new=st.lists(st.floats(-1e15, 1e15), max_size=3),
)
def test_any_series_has_a_finite_forecast(y: np.ndarray, season: int, algorithm: str, new: list[float]) -> None:
    model = reloaded(fit(algorithm, y, season))
    values = forecast(model, np.append(y, new), 15)
    assert values.shape == (15,)
    assert np.isfinite(values).all()
