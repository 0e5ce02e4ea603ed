"""The theta method as a state-space model (Assimakopoulos and Nikolopoulos 2000; Fiorucci et al. 2016), the best of
its four kinds by squared error, after classical decomposition where the season shows."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

FEWEST: Final = 4
LONGEST_SEASON: Final = 24


def fit(y: np.ndarray, season: int, x: np.ndarray | None) -> tuple[str, dict[str, Any]]:
    """A description such as Theta(DOTM, multiplicative season), and the parameters; x is not used."""
    from statsforecast.theta import auto_theta

    found: Any = auto_theta(y, season)
    kind = found["decomposition_type"] if found.get("decompose") else None
    parameters = {
        "kind": found["modeltype"],
        "initial": float(found["par"]["initial_smoothed"]),
        "alpha": float(found["par"]["alpha"]),
        "theta": float(found["par"]["theta"]),
        "decomposition": kind,
        "m": season,
    }
    return f"Theta({found['modeltype']}{f', {kind} season' if kind else ''})", parameters


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """(steps,) after y (n,). Whether there is a season was found by the fit and stays, unlike in the library's
    `forward_theta`, where a few new values can make it come and go."""
    from statsforecast.theta import forecast_theta, thetamodel

    season = parameters["m"]
    kind, component = _component(y, season, parameters["decomposition"])
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
    found = forecast_theta(fitted, steps)["mean"]
    ahead = np.resize(component[-season:], steps)
    if kind == "multiplicative":
        return found * ahead
    return found + ahead if kind == "additive" else found


def _component(y: np.ndarray, season: int, kind: str | None) -> tuple[str | None, np.ndarray]:
    """The library's rule: a season that multiplies becomes one that adds where values are not all positive."""
    if kind is None:
        return None, np.zeros(len(y))
    from statsmodels.tsa.seasonal import seasonal_decompose

    if kind == "multiplicative" and y.min() > 0:
        factors = seasonal_decompose(y, model="multiplicative", period=season).seasonal
        if (factors >= 0.01).all():
            return kind, factors
    return "additive", seasonal_decompose(y, model="additive", period=season).seasonal
