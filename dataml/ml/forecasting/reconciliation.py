"""Reconciliation of a hierarchy: forecasts of all series become such that each sum is that of its terms.

The forecasts of the series of the dataset are a weighted combination of the forecasts of all series, with the smallest
total variance of the errors (MinT: Wickramasuriya, Athanasopoulos and Hyndman 2019). The covariance of errors is shrunk
towards its diagonal (Schäfer and Strimmer 2005). The errors of one window depend on each other, so windows, not steps,
say how uncertain a correlation is; with a single window there are no correlations.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from dataml.ml.forecasting.hierarchy import Hierarchy

MAX_SERIES: Final = 1_000
"""Series and sums up to which covariances are estimated: the matrices have its square as their size."""
_MIN_VARIANCE: Final = 1e-8
"""Smallest variance over the mean one, which the matrix of a series that is forecast exactly can be inverted with."""

Method = Literal["MinT", "bottom-up"]


@dataclass(frozen=True, eq=False)
class Reconciliation:
    """How forecasts of all series become those of the series of the dataset.

    `weights` (series, all series) do that; with None, and the method bottom-up, they are the forecasts of these series,
    whatever those of the sums are.
    """

    weights: np.ndarray | None = None

    @property
    def method(self) -> Method:
        """The name of the method."""
        return "bottom-up" if self.weights is None else "MinT"

    def reconcile(self, values: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
        """Return values of the series of the dataset (..., series, steps), from those of all (..., all series, steps).

        Where one is NaN, in a window that a short series has not, its own value is kept.
        """
        own = values[..., : hierarchy.parents.shape[1], :]
        if self.weights is None:
            return own
        is_known = np.isfinite(values).all(axis=-2, keepdims=True)
        return np.where(is_known, self.weights @ np.where(is_known, values, 0.0), own)


def fit_reconciliation(errors: np.ndarray, hierarchy: Hierarchy) -> Reconciliation:
    """Fit the weights to the errors of forecasts, (windows, all series, horizon), NaN where there is none.

    It is bottom-up where there are too many series, no step with errors of all of them, or no inverse.
    """
    known = np.all(np.isfinite(errors), axis=1)
    if len(hierarchy.sizes) > MAX_SERIES or not known.any():
        return Reconciliation()
    windows = [own[:, known[window]] for window, own in enumerate(errors) if known[window].any()]
    covariance = _shrunk_covariance(windows)
    summing = hierarchy.summing
    try:
        precise = np.linalg.solve(covariance, summing)
        weights = np.linalg.solve(summing.T @ precise, precise.T)
    except np.linalg.LinAlgError:
        return Reconciliation()
    return Reconciliation(weights) if np.isfinite(weights).all() else Reconciliation()


def _shrunk_covariance(windows: list[np.ndarray]) -> np.ndarray:
    """Return the covariance of errors, from those of each window (series, steps)."""
    squares = np.mean([np.square(own).mean(axis=1) for own in windows], axis=0)
    floor = _MIN_VARIANCE * squares.mean() or 1.0
    deviations = np.sqrt(np.maximum(squares, floor))
    scaled = [own / deviations[:, None] for own in windows]
    total = np.zeros((len(deviations), len(deviations)))
    squared = np.zeros_like(total)
    for own in scaled:
        correlation = own @ own.T / own.shape[1]
        total += correlation
        squared += np.square(correlation)
    count = len(windows)
    mean = total / count
    np.fill_diagonal(mean, 0.0)
    shrinkage = 1.0
    if count > 1:
        # The variance of a mean over windows, of all pairs.
        noise = np.maximum(squared / count - np.square(total / count), 0.0) / (count - 1)
        np.fill_diagonal(noise, 0.0)
        signal = float(np.square(mean).sum())
        shrinkage = min(1.0, float(noise.sum()) / signal) if signal > 0 else 1.0
    correlation = (1 - shrinkage) * mean + np.eye(len(mean))
    return correlation * np.outer(deviations, deviations)
