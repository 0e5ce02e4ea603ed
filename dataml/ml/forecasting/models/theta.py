"""The theta method as a state-space model (Assimakopoulos and Nikolopoulos 2000; Fiorucci et al. 2016).

The best of its four variants is selected by squared error, after classical decomposition where a season is found.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

MIN_VALUES: Final = 4
MAX_SEASON: Final = 24


def fit(y: np.ndarray, season: int, x: np.ndarray | None) -> tuple[str, dict[str, Any]]:
    """Fit a model, and return a description such as Theta(DOTM, multiplicative season), and the parameters.

    x is not used.
    """
    from statsforecast.theta import auto_theta

    fitted: Any = auto_theta(y, season)
    kind = fitted["decomposition_type"] if fitted.get("decompose") else None
    parameters = {
        "kind": fitted["modeltype"],
        "initial": float(fitted["par"]["initial_smoothed"]),
        "alpha": float(fitted["par"]["alpha"]),
        "theta": float(fitted["par"]["theta"]),
        "decomposition": kind,
        "m": season,
    }
    return f"Theta({fitted['modeltype']}{f', {kind} season' if kind else ''})", parameters


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) after y (n,).

    Whether there is a season is decided by the fit and kept, unlike in the library's `forward_theta`, where a few new
    values can make it come and go.
    """
    from statsforecast.theta import forecast_theta, thetamodel

    season = parameters["m"]
    kind, component = _seasonal_component(y, season, parameters["decomposition"])
    if kind == "multiplicative":
        y = y / component
    elif kind == "additive":
        y = y - component
    fitted = thetamodel(
        y,
        season,
        parameters["kind"],
        initial_smoothed=parameters["initial"],
        alpha=parameters["alpha"],
        theta=parameters["theta"],
        nmse=3,
    )
    values = forecast_theta(fitted, steps)["mean"]
    ahead = np.resize(component[-season:], steps)
    if kind == "multiplicative":
        return values * ahead
    return values + ahead if kind == "additive" else values


def _seasonal_component(y: np.ndarray, season: int, kind: str | None) -> tuple[str | None, np.ndarray]:
    """Return the kind of the season and its component, by the library's rule.

    A multiplicative season becomes an additive one where values are not all positive.
    """
    if kind is None:
        return None, np.zeros(len(y))
    if kind == "multiplicative" and y.min() > 0:
        factors = _decompose(y, season, is_multiplicative=True)
        if (factors >= 0.01).all():
            return kind, factors
    return "additive", _decompose(y, season, is_multiplicative=False)


def _decompose(y: np.ndarray, season: int, *, is_multiplicative: bool) -> np.ndarray:
    """Return the seasonal component (n,) of the classical decomposition of y (n,), n >= 2 seasons.

    It is that of statsmodels' `seasonal_decompose`, without its data frames, which take ten times as long.
    """
    is_even = season % 2 == 0
    weights = np.concatenate(([0.5], np.ones(season - 1), [0.5])) if is_even else np.ones(season)
    trend = np.convolve(y, weights / season, "valid")
    first = len(weights) // 2
    known = y[first : first + len(trend)]
    rest = known / trend if is_multiplicative else known - trend
    phase = (first + np.arange(len(trend))) % season
    means = np.bincount(phase, weights=rest, minlength=season) / np.bincount(phase, minlength=season)
    means = means / means.mean() if is_multiplicative else means - means.mean()
    return np.resize(means, len(y))
