"""Errors of candidates and rules, in units of the errors of the seasonal naive: what forecasts are selected by."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors

_MAX_RATIO: Final = 2.0
"""Error relative to the best candidate beyond which a candidate gets no weight."""
_MAX_SQUARED_RATIO: Final = 1.2
"""The same of root mean squared errors.

Of small counts most of the error is chance, whatever the forecast: where independent values are forecast by a value of
the past the ratio is the root of 2.
"""


@dataclass(frozen=True)
class ScaledErrors:
    """Errors by candidate, window and series, in the measure that suits each series.

    `values` (candidates, windows, series) are mean absolute scaled errors, and mean squared scaled errors of the series
    where `is_squared` (series,); NaN where there is no value. A mean of absolute errors is smallest for the median, and
    one of squared errors for the mean (Kolassa 2016, "Evaluating predictive count data distributions in retail sales
    forecasting"), which is what is summed up over steps. The root is taken after the mean over windows: that of a
    single step's squared error would be the absolute error again.
    """

    values: np.ndarray
    is_squared: np.ndarray

    @classmethod
    def measure(cls, forecasts: np.ndarray, truth: np.ndarray, naive: NaiveErrors, is_squared: np.ndarray) -> Self:
        """Return the errors of forecasts (candidates, windows, series, horizon) of a truth (windows, series, horizon).

        A series without a naive error (it has repeated itself exactly) is scaled by its mean size, or by 1.
        """
        known_truth = np.isfinite(truth)
        count = np.maximum(known_truth.sum(axis=(0, 2)), 1)
        size = np.where(known_truth, np.abs(truth), 0.0).sum(axis=(0, 2)) / count
        size = np.where(size > 0, size, 1.0)
        scale = np.where(naive.absolute > 0, naive.absolute, size)
        root = np.where(naive.squared > 0, np.sqrt(naive.squared), size)
        scaled = np.abs(forecasts - truth) / np.where(is_squared, root, scale)[:, None]
        scaled = np.where(is_squared[:, None], np.square(scaled), scaled)
        known = np.isfinite(scaled)
        steps = known.sum(axis=-1)
        total = np.where(known, scaled, 0.0).sum(axis=-1)
        return cls(np.where(steps > 0, total / np.maximum(steps, 1), np.nan), is_squared)

    def without(self, window: int) -> Self:
        """Return the errors of the other windows."""
        return replace(self, values=np.delete(self.values, window, axis=1))

    def by_candidate(self) -> np.ndarray:
        """Return the mean over all windows and series, (candidates,), of MASE or RMSSE; 0 where there is none."""
        known = np.isfinite(self.values)
        means = self._mean_over_windows(known)
        # A squared error counts as the root of the mean of its series.
        values = np.where(self.is_squared, np.sqrt(means)[:, None], self.values)
        count = known.sum(axis=(1, 2))
        return np.where(known, values, 0.0).sum(axis=(1, 2)) / np.maximum(count, 1)

    def by_series(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the MASE or RMSSE of each series (candidates, series), and its number of windows (series,).

        Only windows that all candidates forecast count; the error of a series without one is 0.
        """
        known = np.isfinite(self.values).all(axis=0)
        means = self._mean_over_windows(np.broadcast_to(known, self.values.shape))
        return np.where(self.is_squared, np.sqrt(means), means), known.sum(axis=0)

    @property
    def max_ratio(self) -> np.ndarray:
        """The error relative to the best candidate beyond which one gets no weight, (series,)."""
        return np.where(self.is_squared, _MAX_SQUARED_RATIO, _MAX_RATIO)

    def _mean_over_windows(self, known: np.ndarray) -> np.ndarray:
        """Return the mean of the known values, (candidates, series)."""
        return np.where(known, self.values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
