"""Selection of the candidates that a training tries: the requested one, or all that suit the data and the time."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dataml.ml.forecasting.backtest.splits import BacktestSplits
from dataml.ml.forecasting.models.statistical import INTERMITTENT_ALGORITHMS, NAIVE
from dataml.ml.forecasting.panel.covariates import GroupedSeries

_MAX_FIT_SECONDS: Final = 60.0
"""Estimated seconds on one core that the fits of one statistical algorithm may take.

An estimate rather than a clock, so that the same data gets the same candidates on every machine.
"""
_MIN_BOOSTER_ROWS: Final = 60
_MAX_ROWS_FOR_TWO_BOOSTERS: Final = 200_000
"""Rows up to which both boosters are tried: with more, the second costs as much and rarely forecasts differently."""
_MAX_VALUES: Final = 2_000
_SHORT_SEASON: Final = 12
_LONG_SEASON_FACTOR: Final = 0.15
# Seconds of a fit, as measured on one core: a fixed part, and a part for each value.
_FIXED_S: Final = {"AutoETS": 0.02, "Theta": 0.003, "AutoARIMA": 0.15} | dict.fromkeys(INTERMITTENT_ALGORITHMS, 0.001)
_PER_VALUE_S: Final = {"AutoETS": 0.0005, "Theta": 0.00015, "AutoARIMA": 0.0006} | dict.fromkeys(
    INTERMITTENT_ALGORITHMS, 0.0000005
)
_STATISTICAL: Final = ("AutoETS", "Theta", "AutoARIMA")


@dataclass(frozen=True)
class CandidateSet:
    """The `names` of the algorithms to try; `left_out` gives the reason for each of the others."""

    names: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)


def select_candidates(
    algorithm: str, data: GroupedSeries, splits: BacktestSplits, season: int, is_small_count: np.ndarray
) -> CandidateSet:
    """Return the requested algorithm, or for `auto` all those that are worth their time on these series.

    Series of the mask `is_small_count` (series,) get models of intermittent demand as well. Where there are no others
    the seasonal naive is no candidate: it repeats the chance of one season.
    """
    if algorithm != "auto":
        return CandidateSet((algorithm,))
    names, left_out = [], {}
    if is_small_count.all():
        left_out[NAIVE] = "values of the last season of a small count are mostly chance"
    else:
        names.append(NAIVE)
    statistical = (*_STATISTICAL, *(INTERMITTENT_ALGORITHMS if is_small_count.any() else ()))
    for name in statistical:
        seconds = _estimate_seconds(name, data, splits, season)
        if seconds <= _MAX_FIT_SECONDS:
            names.append(name)
        else:
            left_out[name] = f"its fits would take about {seconds / 60:,.0f} minutes"
    rows = len(data.y)
    if rows < _MIN_BOOSTER_ROWS:
        left_out |= dict.fromkeys(("LightGBM", "XGBoost"), f"{rows} values are too few to learn from")
    else:
        names.append("LightGBM")
        if rows <= _MAX_ROWS_FOR_TWO_BOOSTERS:
            names.append("XGBoost")
        else:
            left_out["XGBoost"] = "LightGBM stands for both on so many rows"
    return CandidateSet(tuple(names), left_out)


def _estimate_seconds(name: str, data: GroupedSeries, splits: BacktestSplits, season: int) -> float:
    """Return the estimated seconds of all fits of a backtest and of the last fit."""
    lengths = np.minimum(data.lengths, _MAX_VALUES).astype(np.float64)
    per_value = _PER_VALUE_S[name]
    # A long season is removed before the fit, which leaves fewer models to try.
    if name == "AutoETS" and not 1 < season <= _SHORT_SEASON:
        per_value *= _LONG_SEASON_FACTOR
    return float((_FIXED_S[name] + per_value * lengths).sum()) * (splits.n_windows + 1)
