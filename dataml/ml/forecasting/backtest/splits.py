"""Rolling origins: where the history is cut, again and again, to forecast what is known already."""

from dataclasses import dataclass

import numpy as np

from dataml.errors import Invalid
from dataml.ml.forecasting.panel.panel import Panel

LEAST = 3
"""Values that stand before an origin at least."""
_MOST_WINDOWS = 5
_LARGE_ROWS = 300_000
_WINDOWS_OF_LARGE = 3


@dataclass(frozen=True)
class Plan:
    """`cuts` int64 (windows, series): how many values of each series are before the origin of each window, oldest
    first; -1 where a series is too short for it. Windows are a horizon apart, and the last one ends with the series."""

    horizon: int
    cuts: np.ndarray

    @property
    def windows(self) -> int:
        return len(self.cuts)

    def truth(self, y: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """What came after each origin, (windows, series, horizon), NaN where there is no window."""
        places = starts[:-1] + np.maximum(self.cuts, 0)
        found = y[np.minimum(places[..., None] + np.arange(self.horizon), len(y) - 1)]
        return np.where((self.cuts >= 0)[..., None], found, np.nan)


def planned(panel: Panel, horizon: int | None, season: int | None, windows: int | None) -> Plan:
    """The plan for these series; what is None is as their frequency and lengths suggest.

    Raises Invalid: as `plan`.
    """
    horizon = horizon or horizon_for(panel.lengths, panel.frequency.default_horizon)
    return plan(panel.lengths, horizon, season or panel.frequency.season_length, windows)


def horizon_for(lengths: np.ndarray, default: int) -> int:
    """The usual horizon of a frequency, or a fifth of what short series have."""
    return max(1, min(default, int(np.median(lengths)) // 5))


def plan(lengths: np.ndarray, horizon: int, season: int, windows: int | None = None) -> Plan:
    """As many windows as series of the usual length have, when two seasons stay before the first one, but five at most,
    and three of large data.

    Raises Invalid: `series_too_short`: no series has `horizon` values and some more to learn from.
    """
    longest = int(lengths.max())
    if longest < horizon + LEAST:
        detail = (
            f"The longest series has {longest:,} values; a horizon of {horizon:,} needs {horizon + LEAST:,}. "
            "Ask for a shorter one (forecast.horizon)."
        )
        raise Invalid(detail, code="series_too_short")
    usual = int(np.median(lengths[lengths >= horizon + LEAST]))
    most = _MOST_WINDOWS if lengths.sum() <= _LARGE_ROWS else _WINDOWS_OF_LARGE
    needed = max(2 * season + 1, 2 * LEAST)
    count = windows or int(np.clip((usual - needed) // horizon, 1, most))
    count = max(1, min(count, (longest - LEAST) // horizon))
    cuts = lengths - horizon * np.arange(count, 0, -1)[:, None]
    return Plan(horizon, np.where(cuts >= LEAST, cuts, -1))
