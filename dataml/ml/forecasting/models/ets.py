"""Exponential smoothing in state-space form (Hyndman et al. 2008): errors, trend and season selected by AICc."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from dataml.ml.json_numbers import finite_or_none

MIN_VALUES: Final = 7
MAX_SEASON: Final = 12
"""Longest season in steps.

Up to 24 is possible, but with so many states the search ends early: for hourly series it chose models without a season.
With the season removed beforehand errors were little more than half as large, and a fit ten times as fast.
"""
_BOUNDS: Final = ((1e-4, 1e-4, 1e-4, 0.8), (0.9999, 0.9999, 0.9999, 0.98))
"""Lower and upper bounds of alpha, beta, gamma and phi, as in statsforecast."""


def fit(y: np.ndarray, season: int, x: np.ndarray | None) -> tuple[str, dict[str, Any]]:
    """Fit a model, and return a description such as ETS(M,Ad,M), and the parameters; x is not used.

    The parameters hold the states before the first value. The model is the one that statsforecast's `ets_f` selects.
    Its search is repeated here, because `ets_f` raises a bare Exception when no model fits, and takes a perfect fit (an
    AICc of minus infinity) for none.

    Raises:
        ValueError: no model can be fitted.
    """
    from statsforecast.ets import etsmodel

    # One pair for all models: the library narrows the bounds as it goes, and so depends on the order of the models.
    lower, upper = (np.array(bounds) for bounds in _BOUNDS)
    free = dict.fromkeys(("alpha", "beta", "gamma", "phi"), np.nan)
    best: dict[str, Any] | None = None
    for error, trend, seasonality, damped in _candidates(bool(y.min() > 0), season):
        candidate: dict[str, Any] = etsmodel(
            y,
            season,
            error,
            trend,
            seasonality,
            damped,
            **free,
            lower=lower,
            upper=upper,
            opt_crit="lik",
            nmse=3,
            bounds="both",
        )
        if candidate["aicc"] < (np.inf if best is None else best["aicc"]):
            best = candidate
    if best is None:
        raise ValueError("no exponential smoothing model fits the series")
    parameters = {
        "components": best["components"],
        "m": int(best["m"]),
        "par": [finite_or_none(value) for value in best["par"][:4]],
        "states": [float(value) for value in best["par"][4:]],
    }
    return _description(best["components"]), parameters


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) from the states after y (n,)."""
    from statsforecast.ets import forecast_ets, forward_ets

    par = [np.nan if value is None else value for value in parameters["par"]]
    fitted = {
        "m": parameters["m"],
        "components": parameters["components"],
        "par": np.array([*par, *parameters["states"]]),
        "fit": None,
        "n_params": 0,
    }
    return forecast_ets(forward_ets(fitted, y), steps)["mean"]


def _candidates(is_positive: bool, season: int) -> Iterator[tuple[str, str, str, bool]]:
    """Yield error, trend, season and damping in the library's order, without unstable combinations."""
    for error in ("A", "M") if is_positive else ("A",):
        for trend in ("N", "A"):
            for seasonality in ("N", "A", "M") if season > 1 else ("N",):
                if seasonality == "M" and (error == "A" or not is_positive):
                    continue
                for damped in (True, False) if trend == "A" else (False,):
                    yield error, trend, seasonality, damped


def _description(components: str) -> str:
    error, trend, seasonality, damped = components
    return f"ETS({error},{trend}{'d' if damped == 'D' else ''},{seasonality})"
