"""Statistical models, one for each series: fitted parameters, applied to a history at each forecast.

Values are scaled by a power of two to a size around one, which loses no bit: statsforecast's own constants (smallest
steps, bounds, what counts as zero) assume such values, and so the unit of a series does not change its model.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any, Final, Self

import numpy as np

from dataml.ml.forecasting.models import adida, arima, croston, ets, historic_mean, theta, tsb
from dataml.ml.forecasting.models.deseasonalize import MAX_SEASON, seasonal_component

INTERMITTENT_ALGORITHMS: Final = ("HistoricMean", "CrostonSBA", "TSB", "ADIDA")
"""Algorithms that forecast the mean of a series of many zeros."""
STATISTICAL_ALGORITHMS: Final = ("SeasonalNaive", "AutoETS", "AutoARIMA", "Theta", *INTERMITTENT_ALGORITHMS)
NAIVE: Final = "SeasonalNaive"
_MODULES: Final[Mapping[str, ModuleType]] = {
    "AutoETS": ets,
    "AutoARIMA": arima,
    "Theta": theta,
    "HistoricMean": historic_mean,
    "CrostonSBA": croston,
    "TSB": tsb,
    "ADIDA": adida,
}
_FAILURES: Final = (ValueError, IndexError, ZeroDivisionError)
"""Exceptions of the libraries for series that they cannot model.

ValueError includes LinAlgError. The others are precautions: no series was found that raises them.
"""
_MIN_TRIAL_STEPS: Final = 24
"""Steps of the trial forecast that a fitted model has to make."""
_MAX_RANGE_FACTOR: Final = 1_000.0
"""Distance from the range of the history, in widths of the range, beyond which a forecast is refused."""

FitArguments = tuple[str, np.ndarray, int, np.ndarray | None]


@dataclass(frozen=True)
class LocalModel:
    """The fitted model of one series, without the history.

    `season` is the one that the model uses, 1 for none. `parameters` are strict JSON. `fallback` says why the requested
    algorithm was replaced by this one.
    """

    algorithm: str
    description: str
    season: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the model that `to_json` wrote."""
        return cls(**record)


def required_history(algorithm: str, season: int) -> int:
    """Return how many of the last values a fit uses, the same for all models that depend on its beginning."""
    if algorithm == NAIVE:
        return max(season, 1)
    return min(max(2_000, 10 * season), 10_000)


def fit(algorithm: str, y: np.ndarray, season: int, x: np.ndarray | None = None) -> LocalModel:
    """Fit a model of y (n,) float64, finite, n > 0. `x` (n, k) are finite regressors, which only AutoARIMA uses.

    With less than two seasons of values the model has no season. A series that the algorithm cannot be fitted to gets a
    SeasonalNaive model with the reason as its `fallback`.
    """
    if algorithm == NAIVE:
        return _naive_model(y, season, None if len(y) >= season else f"{NAIVE} needs {season} values for a season")
    min_values = _MODULES[algorithm].MIN_VALUES
    if len(y) < min_values:
        return _naive_model(y, season, f"{algorithm} needs {min_values} values")
    if (y == y[0]).all():
        return _naive_model(y, season, f"{algorithm} needs values that differ")
    import statsforecast.arima  # noqa: F401  (its import sets filters of warnings, which would override ours)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _fit(algorithm, y, season, x)


def fit_many(arguments: Iterable[FitArguments]) -> list[LocalModel]:
    """Fit a model for each set of arguments, and return the models in that order.

    They are fitted one after the other: statsforecast holds the interpreter's lock while it computes, and two threads
    took as long as one.
    """
    return [fit(*each) for each in arguments]


def forecast(
    model: LocalModel, y: np.ndarray, steps: int, x: np.ndarray | None = None, x_future: np.ndarray | None = None
) -> np.ndarray:
    """Return the forecast (steps,) float64 after y (n,): the values that the model was fitted on, and later ones.

    y begins where it began in the fit. `x` (n, k) and `x_future` (steps, k) are needed if the fit had x. Later values
    can break a model: a forecast that is not finite, or runs away, is replaced by that of SeasonalNaive.

    Raises:
        ValueError: y is shorter than the history of the fit, or regressors of the model are missing.
    """
    if model.algorithm == NAIVE:
        return _naive_forecast(y, steps, model.season)
    if len(y) < model.parameters["length"]:
        raise ValueError("a forecast continues the history of the fit: y may be longer, never shorter")
    if model.parameters.get("columns") and (
        x is None or x_future is None or (len(x), len(x_future)) != (len(y), steps)
    ):
        raise ValueError("the model has regressors: x needs a row for each value of y, x_future one for each step")
    values = _apply(model, y, steps, x, x_future)
    return values if values is not None and _is_plausible(values, y) else _naive_forecast(y, steps, model.season)


def _fit(algorithm: str, y: np.ndarray, season: int, x: np.ndarray | None) -> LocalModel:
    module = _MODULES[algorithm]
    used = season if 1 < season <= min(len(y) // 2, MAX_SEASON) else 1
    adjusted = used if used > module.MAX_SEASON else 1
    power = _power(y)
    try:
        with np.errstate(all="ignore"):
            scaled = np.ldexp(y, -power)
            scaled = scaled - seasonal_component(scaled, adjusted)
            description, own = module.fit(scaled, 1 if adjusted > 1 else used, x)
    except _FAILURES as error:
        return _naive_model(y, season, f"{algorithm} could not be fitted ({type(error).__name__})")
    if adjusted > 1:
        description = f"STL[{used}] + {description}"
    model = LocalModel(algorithm, description, used, {**own, "length": len(y), "power": power, "adjusted": adjusted})
    steps = max(_MIN_TRIAL_STEPS, 2 * used)
    # The future regressors are unknown here; those of the end of the history stand for them.
    trial = _apply(model, y, steps, x, None if x is None else np.resize(x[-steps:], (steps, x.shape[1])))
    if trial is None or not np.isfinite(trial).all():
        return _naive_model(y, season, f"{algorithm} has no finite forecast")
    return model if _is_plausible(trial, y) else _naive_model(y, season, f"the forecast of {algorithm} runs away")


def _apply(
    model: LocalModel, y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray | None:
    """Return the forecast, or None where the library fails."""
    parameters = model.parameters
    try:
        # errstate is per thread; filters of warnings are per process, and a replica forecasts in several threads.
        with np.errstate(all="ignore"):
            scaled = np.ldexp(y, -parameters["power"])
            component = seasonal_component(scaled, parameters["adjusted"])
            values = _MODULES[model.algorithm].forecast(parameters, scaled - component, steps, x, x_future)
            values = values + np.resize(component[-parameters["adjusted"] :], steps)
            return np.ldexp(values, parameters["power"])
    except _FAILURES:
        return None


def _naive_model(y: np.ndarray, season: int, fallback: str | None) -> LocalModel:
    season = season if 1 < season <= len(y) else 1
    return LocalModel(NAIVE, f"{NAIVE}[{season}]" if season > 1 else "Naive", season, {}, fallback)


def _naive_forecast(y: np.ndarray, steps: int, season: int) -> np.ndarray:
    return np.resize(y[-season:], steps).astype(np.float64)


def _is_plausible(values: np.ndarray, y: np.ndarray) -> bool:
    """Return whether a forecast is finite and not far outside the range of the history."""
    low, high = float(y.min()), float(y.max())
    width = _MAX_RANGE_FACTOR * (high - low)
    return bool(np.isfinite(values).all() and (values >= low - width).all() and (values <= high + width).all())


def _power(y: np.ndarray) -> int:
    """Return the power of two nearest to the mean size of y.

    Sizes are taken relative to the largest value, as their sum may overflow.
    """
    largest = int(math.frexp(float(np.abs(y).max()))[1])
    return largest + round(math.log2(float(np.abs(np.ldexp(y, -largest)).mean())))
