"""Statistical models, one for each series: fitted parameters that are applied to a history whenever a forecast is due.

Values are scaled by a power of two to a size around one, which loses no bit: statsforecast's own constants (least
steps, bounds, what counts as zero) suppose such values, and so the unit of a series does not change its model.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any, Final, Self

import numpy as np

from dataml.ml.forecasting.models import arima, ets, theta
from dataml.ml.forecasting.models.deseasonalize import LONGEST_SEASON, seasonal

ALGORITHMS: Final = ("SeasonalNaive", "AutoETS", "AutoARIMA", "Theta")
NAIVE: Final = "SeasonalNaive"
_FITTED: Final[Mapping[str, ModuleType]] = {"AutoETS": ets, "AutoARIMA": arima, "Theta": theta}
_FAILURES: Final = (ValueError, IndexError, ZeroDivisionError)
"""What the libraries raise for series that they cannot model: ValueError, of which LinAlgError is one; and, though no
series was found to do it, what else arithmetic on a few numbers raises."""
_TRIED_STEPS: Final = 24
_REACH: Final = 1_000.0
"""A forecast that leaves the range of the history by more than this many times its width is no forecast."""

FitJob = tuple[str, np.ndarray, int, np.ndarray | None]


@dataclass(frozen=True)
class LocalModel:
    """How one series is forecast; the history itself is not here.

    `season` is what the model uses, 1 for none. `parameters` are strict JSON. `fallback` says why another algorithm
    than this was wanted and not had.
    """

    algorithm: str
    description: str
    season: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        return cls(**record)


def history_needed(algorithm: str, season: int) -> int:
    """How many of the last values are worth fitting on; the same for all that depend on where their history begins."""
    if algorithm == NAIVE:
        return max(season, 1)
    return min(max(2_000, 10 * season), 10_000)


def fit(algorithm: str, y: np.ndarray, season: int, x: np.ndarray | None = None) -> LocalModel:
    """Of y (n,) float64, finite, n > 0. `x` (n, k) are regressors, finite; only AutoARIMA looks at them.

    With less than two seasons there is none. What cannot be fitted is forecast by SeasonalNaive, and says why.
    """
    if algorithm == NAIVE:
        return _naive_model(y, season, None if len(y) >= season else f"{NAIVE} needs {season} values for a season")
    fewest = _FITTED[algorithm].FEWEST
    if len(y) < fewest:
        return _naive_model(y, season, f"{algorithm} needs {fewest} values")
    if (y == y[0]).all():
        return _naive_model(y, season, f"{algorithm} needs values that differ")
    import statsforecast.arima  # noqa: F401  (its import sets filters of warnings, which would come before ours)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _fitted(algorithm, y, season, x)


def fit_many(jobs: Iterable[FitJob]) -> list[LocalModel]:
    """The fit of each job, in their order. One after the other: statsforecast holds the interpreter's lock while it
    computes, and two threads took as long as one."""
    return [fit(*job) for job in jobs]


def forecast(
    model: LocalModel, y: np.ndarray, steps: int, x: np.ndarray | None = None, x_future: np.ndarray | None = None
) -> np.ndarray:
    """(steps,) float64 after the end of y (n,), the values that the model was fitted on and those that came since.

    y begins where it began in the fit. `x` (n, k) and `x_future` (steps, k) are needed if the fit had x. Values that
    came since can break a model; where its forecast is not finite, or runs away, SeasonalNaive stands in.

    Raises:
    ValueError: y is shorter than the history of the fit, or regressors of the model are missing.
    """
    if model.algorithm == NAIVE:
        return _naive(y, steps, model.season)
    if len(y) < model.parameters["length"]:
        raise ValueError("a forecast continues the history of the fit: y may be longer, never shorter")
    if model.parameters.get("columns") and (
        x is None or x_future is None or (len(x), len(x_future)) != (len(y), steps)
    ):
        raise ValueError("the model has regressors: x needs a row for each value of y, x_future one for each step")
    found = _applied(model, y, steps, x, x_future)
    return found if found is not None and _is_sane(found, y) else _naive(y, steps, model.season)


def _fitted(algorithm: str, y: np.ndarray, season: int, x: np.ndarray | None) -> LocalModel:
    module = _FITTED[algorithm]
    used = season if 1 < season <= min(len(y) // 2, LONGEST_SEASON) else 1
    adjusted = used if used > module.LONGEST_SEASON else 1
    power = _power(y)
    try:
        with np.errstate(all="ignore"):
            scaled = np.ldexp(y, -power)
            scaled = scaled - seasonal(scaled, adjusted)
            description, own = module.fit(scaled, 1 if adjusted > 1 else used, x)
    except _FAILURES as error:
        return _naive_model(y, season, f"{algorithm} could not be fitted ({type(error).__name__})")
    if adjusted > 1:
        description = f"STL[{used}] + {description}"
    model = LocalModel(algorithm, description, used, {**own, "length": len(y), "power": power, "adjusted": adjusted})
    steps = max(_TRIED_STEPS, 2 * used)
    # What regressors will be is not known here; those of the end of the history stand for them.
    found = _applied(model, y, steps, x, None if x is None else np.resize(x[-steps:], (steps, x.shape[1])))
    if found is None or not np.isfinite(found).all():
        return _naive_model(y, season, f"{algorithm} has no finite forecast")
    return model if _is_sane(found, y) else _naive_model(y, season, f"the forecast of {algorithm} runs away")


def _applied(
    model: LocalModel, y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray | None:
    """None where the library gives up."""
    parameters = model.parameters
    try:
        # errstate belongs to the thread; filters of warnings belong to all, and a replica forecasts in several.
        with np.errstate(all="ignore"):
            scaled = np.ldexp(y, -parameters["power"])
            repeated = seasonal(scaled, parameters["adjusted"])
            found = _FITTED[model.algorithm].forecast(parameters, scaled - repeated, steps, x, x_future)
            found = found + np.resize(repeated[-parameters["adjusted"] :], steps)
            return np.ldexp(found, parameters["power"])
    except _FAILURES:
        return None


def _naive_model(y: np.ndarray, season: int, fallback: str | None) -> LocalModel:
    season = season if 1 < season <= len(y) else 1
    return LocalModel(NAIVE, f"{NAIVE}[{season}]" if season > 1 else "Naive", season, {}, fallback)


def _naive(y: np.ndarray, steps: int, season: int) -> np.ndarray:
    return np.resize(y[-season:], steps).astype(np.float64)


def _is_sane(found: np.ndarray, y: np.ndarray) -> bool:
    """Finite, and not beyond all that the history has seen."""
    low, high = float(y.min()), float(y.max())
    width = _REACH * (high - low)
    return bool(np.isfinite(found).all() and (found >= low - width).all() and (found <= high + width).all())


def _power(y: np.ndarray) -> int:
    """That of two nearest to the mean size of y; found beside the largest value, as a sum of sizes may be too large."""
    largest = int(math.frexp(float(np.abs(y).max()))[1])
    return largest + round(math.log2(float(np.abs(np.ldexp(y, -largest)).mean())))
