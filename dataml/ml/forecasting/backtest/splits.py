"""Rolling-origin splits: the cutoffs at which the history is cut to forecast values that are known."""

import math
from dataclasses import dataclass

import numpy as np

from dataml.errors import Invalid
from dataml.ml.forecasting.panel.panel import Panel

MIN_TRAINING_VALUES = 3
"""Values of a series before a cutoff."""
_MAX_WINDOWS = 5
_MAX_EARLIER_WINDOWS = 10
_MAX_EARLIER_FORECASTS = 1_000
"""Series times windows before those of the backtest."""
_MIN_SHARE_BEFORE = 1 / 3
"""Share of the values of a usual series that stay before the first of these windows."""
_LARGE_ROWS = 300_000
_MAX_WINDOWS_OF_LARGE = 3


@dataclass(frozen=True)
class BacktestSplits:
    """The windows of a backtest, a horizon apart; the last one ends with each series.

    `cutoffs` int64 (windows, series) are the numbers of values of each series before each window, the oldest window
    first; -1 where a series is too short for the window.
    """

    horizon: int
    cutoffs: np.ndarray

    @property
    def n_windows(self) -> int:
        """The number of windows."""
        return len(self.cutoffs)

    def truth(self, y: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return the values of each window, (windows, series, horizon), NaN where there is no window."""
        begins = starts[:-1] + np.maximum(self.cutoffs, 0)
        values = y[np.minimum(begins[..., None] + np.arange(self.horizon), len(y) - 1)]
        return np.where((self.cutoffs >= 0)[..., None], values, np.nan)


def split_panel(panel: Panel, horizon: int | None, season: int | None, n_windows: int | None) -> BacktestSplits:
    """Return the splits for these series; what is None is as their frequency and lengths suggest.

    Raises:
        Invalid: `series_too_short`, as `rolling_origin_splits`.
    """
    horizon = horizon or default_horizon(panel.lengths, panel.frequency.default_horizon)
    return rolling_origin_splits(panel.lengths, horizon, season or panel.frequency.season_length, n_windows)


def default_horizon(lengths: np.ndarray, default: int) -> int:
    """Return the usual horizon of a frequency, or a fifth of the length of short series."""
    return max(1, min(default, int(np.median(lengths)) // 5))


def rolling_origin_splits(
    lengths: np.ndarray, horizon: int, season: int, n_windows: int | None = None
) -> BacktestSplits:
    """Return `n_windows` splits, or as many as suit the series.

    Those are as many as a series of median length has with two seasons before the first one, at most five, and at most
    three for large data.

    Raises:
        Invalid: `series_too_short`: no series has `horizon` values and some more to learn from.
    """
    longest = int(lengths.max())
    if longest < horizon + MIN_TRAINING_VALUES:
        detail = (
            f"The longest series has {longest:,} values; a horizon of {horizon:,} needs "
            f"{horizon + MIN_TRAINING_VALUES:,}. Set a shorter one (forecast.horizon)."
        )
        raise Invalid(detail, code="series_too_short")
    usual = int(np.median(lengths[lengths >= horizon + MIN_TRAINING_VALUES]))
    max_windows = _MAX_WINDOWS if lengths.sum() <= _LARGE_ROWS else _MAX_WINDOWS_OF_LARGE
    needed = max(2 * season + 1, 2 * MIN_TRAINING_VALUES)
    count = n_windows or int(np.clip((usual - needed) // horizon, 1, max_windows))
    count = max(1, min(count, (longest - MIN_TRAINING_VALUES) // horizon))
    cutoffs = lengths - horizon * np.arange(count, 0, -1)[:, None]
    return BacktestSplits(horizon, np.where(cutoffs >= MIN_TRAINING_VALUES, cutoffs, -1))


def earlier_splits(splits: BacktestSplits, lengths: np.ndarray, season: int) -> BacktestSplits | None:
    """Return the windows that lie before those of a backtest, a horizon apart, or None where there are none.

    They are at most ten, and leave two seasons and a third of the values of a series of median length before the first
    one. With many series they are fewer: their errors are then many without them.
    """
    horizon, usual = splits.horizon, int(np.median(lengths[lengths >= splits.horizon + MIN_TRAINING_VALUES]))
    needed = max(2 * season + 1, 2 * MIN_TRAINING_VALUES, math.ceil(usual * _MIN_SHARE_BEFORE))
    room = (usual - needed) // horizon - splits.n_windows
    count = min(room, _MAX_EARLIER_WINDOWS, _MAX_EARLIER_FORECASTS // len(lengths))
    if count < 1:
        return None
    cutoffs = lengths - horizon * np.arange(splits.n_windows + count, splits.n_windows, -1)[:, None]
    return BacktestSplits(horizon, np.where(cutoffs >= MIN_TRAINING_VALUES, cutoffs, -1))
