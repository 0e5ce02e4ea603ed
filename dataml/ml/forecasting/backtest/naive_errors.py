"""In-sample errors of the seasonal naive, which the errors of a backtest are divided by."""

from dataclasses import dataclass

import numpy as np

from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.panel.covariates import GroupedSeries


@dataclass(frozen=True)
class NaiveErrors:
    """The mean `absolute` and the mean `squared` error of the seasonal naive before the first window, (series,) each.

    They are the scales of the MASE (Hyndman and Koehler 2006) and of the RMSSE (the M5 competition, Makridakis et al.
    2022). Where no season has passed twice they are those of the naive, and 0 for a series that
    repeats itself.
    """

    absolute: np.ndarray
    squared: np.ndarray


def seasonal_naive_errors(data: GroupedSeries, splits: BacktestSplits, season: int) -> NaiveErrors:
    """Return the errors of the seasonal naive of each series."""
    first_cutoff = np.where(splits.cutoffs >= 0, splits.cutoffs, np.iinfo(np.int64).max).min(axis=0)
    first_cutoff = np.minimum(first_cutoff, data.lengths)
    absolute, squared = np.zeros(len(first_cutoff)), np.zeros(len(first_cutoff))
    for lag in dict.fromkeys((1, season)):
        change = np.full(len(data.y), np.nan)
        change[lag:] = np.abs(data.y[lag:] - data.y[:-lag])
        compared = (data.position >= lag) & (data.position < first_cutoff[data.series_index])
        series, sizes = data.series_index[compared], change[compared]
        count = np.bincount(series, minlength=len(first_cutoff))
        absolute = np.where(count > 0, _means(sizes, series, count), absolute)
        squared = np.where(count > 0, _means(np.square(sizes), series, count), squared)
    return NaiveErrors(absolute, squared)


def _means(values: np.ndarray, series: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.bincount(series, weights=values, minlength=len(count)) / np.maximum(count, 1)
