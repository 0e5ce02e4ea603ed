"""ARIMA, with regressors if there are any: orders by the stepwise search of Hyndman and Khandakar (2008)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

MIN_VALUES: Final = 4
MAX_SEASON: Final = 12
"""Longest season in steps: the Kalman filter has as many states, and with more a fit takes minutes."""
SEARCH: Final = {"approximation": True, "max_p": 3, "max_q": 3, "max_P": 1, "max_Q": 1, "nmodels": 30}
"""Arguments of the search for orders.

Orders are compared by conditional sums of squares; the best is fitted by maximum likelihood. On real series wider
searches took half as long again, and forecast no better.
"""
_MIN_RESIDUAL: Final = 1e-3
"""Share of a regressor's standard deviation that must be left after a line and the regressors before it are removed."""


def fit(y: np.ndarray, season: int, x: np.ndarray | None) -> tuple[str, dict[str, Any]]:
    """Fit a model, and return a description such as ARIMA(1,1,1)(0,1,1)[12] with drift, and the parameters.

    Regressors x (n, k) that are constant, a line, or a linear combination of others before them are left out;
    `columns` are those used.

    Raises:
        ValueError: no model can be fitted.
    """
    from statsforecast.arima import auto_arima_f

    columns, centres, widths = _independent_columns(x, len(y))
    regressors = _standardised(x, columns, centres, widths)
    fitted = auto_arima_f(y, period=season, xreg=regressors, **SEARCH)
    if not any(
        name.startswith("ex_") for name in fitted["coef"]
    ):  # a series that is constant but for its season needs none
        columns, centres, widths = [], [], []
    p, q, seasonal_p, seasonal_q, m, d, seasonal_d = (int(order) for order in fitted["arma"])
    parameters = {
        "order": [p, d, q],
        "seasonal": [seasonal_p, seasonal_d, seasonal_q],
        "m": m,
        "names": list(fitted["coef"]),
        "values": [float(value) for value in fitted["coef"].values()],
        "columns": columns,
        "centres": centres,
        "widths": widths,
    }
    return _description(parameters), parameters


def forecast(
    parameters: Mapping[str, Any], y: np.ndarray, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> np.ndarray:
    """Return the forecast (steps,) after y (n,): the regression, plus the Kalman filter's forecast of its residuals.

    The filter begins diffuse. This is the library's `forward_arima`, except that the library estimates the drift again
    by a regression.
    """
    from statsforecast.arima import Arima, predict_arima

    split = sum(parameters["order"][::2]) + sum(parameters["seasonal"][::2])
    values = np.array(parameters["values"], np.float64)
    past, ahead = _design_matrices(parameters, len(y), steps, x, x_future)
    residuals = Arima(
        y - past @ values[split:],
        order=tuple(parameters["order"]),
        seasonal={"order": tuple(parameters["seasonal"]), "period": parameters["m"]},
        include_mean=False,
        method="CSS-ML",
        fixed=values[:split],
    )
    return np.asarray(predict_arima(residuals, steps, se_fit=False)) + ahead @ values[split:]


def _design_matrices(
    parameters: Mapping[str, Any], rows: int, steps: int, x: np.ndarray | None, x_future: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the regression in the order of their coefficients, of the history and of the future."""
    keys = ("columns", "centres", "widths")
    parts = [
        part
        for values in (x, x_future)
        if (part := _standardised(values, *(parameters[key] for key in keys))) is not None
    ]
    times = np.arange(1.0, rows + steps + 1)
    constants = {"drift": times, "intercept": np.ones(rows + steps)}
    columns = [constants[name][:, None] for name in parameters["names"] if name in constants]
    if parts:
        columns.append(np.vstack(parts))
    design = np.hstack(columns) if columns else np.empty((rows + steps, 0))
    return design[:rows], design[rows:]


def _independent_columns(x: np.ndarray | None, rows: int) -> tuple[list[int], list[float], list[float]]:
    """Return linearly independent columns of x, their means and their standard deviations.

    At most a quarter as many as there are rows, as each costs a coefficient. They are found by Gram-Schmidt from the
    first column on, so that the same x gives the same columns.
    """
    columns: list[int] = []
    centres, widths = [], []
    if x is None:
        return columns, centres, widths
    basis = np.linalg.qr(np.column_stack((np.ones(rows), np.arange(rows))))[0]
    for column in range(x.shape[1]):
        values = x[:, column]
        centre, width = float(values.mean()), float(values.std())
        if not np.isfinite(width) or width <= 1e-9 * np.abs(values).max() or len(columns) >= rows // 4:
            continue
        rest = (values - centre) / width
        for _ in range(2):  # a single pass leaves rounding errors
            rest = rest - basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest))
        if size < _MIN_RESIDUAL * np.sqrt(rows):
            continue
        basis = np.column_stack((basis, rest / size))
        columns.append(column)
        centres.append(centre)
        widths.append(width)
    return columns, centres, widths


def _standardised(
    x: np.ndarray | None, columns: list[int], centres: list[float], widths: list[float]
) -> np.ndarray | None:
    """Return the columns in standard deviations: the optimiser takes steps of one size for all coefficients."""
    if x is None or not columns:
        return None
    return (x[:, columns] - np.array(centres)) / np.array(widths)


def _description(parameters: Mapping[str, Any]) -> str:
    text = f"ARIMA({','.join(map(str, parameters['order']))})"
    if any(parameters["seasonal"]):
        text += f"({','.join(map(str, parameters['seasonal']))})[{parameters['m']}]"
    names = parameters["names"]
    text += " with drift" if "drift" in names else " with mean" if "intercept" in names else ""
    count = len(parameters["columns"])
    return text + (f" and {count} regressor{'s' if count > 1 else ''}" if count else "")
