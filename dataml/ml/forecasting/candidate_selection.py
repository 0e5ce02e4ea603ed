"""Which candidates a forecast tries: what was asked for, or what suits the data and ends in reasonable time."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dataml.ml.forecasting.backtest.splits import Plan
from dataml.ml.forecasting.panel.covariates import Series

_BUDGET_S: Final = 60.0
"""What the fits of one statistical algorithm may take by the estimate, on one core. An estimate, and no clock: the same
data gets the same candidates on every machine."""
_LEAST_ROWS: Final = 60
"""A booster is not tried on fewer."""
_MOST_ROWS_OF_TWO: Final = 200_000
"""On more rows the second booster costs as much as the first and rarely tells anything else."""


@dataclass(frozen=True)
class Roster:
    """`names` are tried; `left_out` says why others are not."""

    names: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)


def roster(algorithm: str, data: Series, origins: Plan, season: int) -> Roster:
    """`auto` takes all that are worth their time; one name is taken at its word."""
    if algorithm != "auto":
        return Roster((algorithm,))
    names, left_out = ["SeasonalNaive"], {}
    for name in ("AutoETS", "Theta", "AutoARIMA"):
        seconds = _seconds(name, data, origins, season)
        if seconds <= _BUDGET_S:
            names.append(name)
        else:
            left_out[name] = f"its fits would take about {seconds / 60:,.0f} minutes"
    rows = len(data.y)
    if rows < _LEAST_ROWS:
        left_out |= dict.fromkeys(("LightGBM", "XGBoost"), f"{rows} values are too few to learn from")
    else:
        names.append("LightGBM")
        if rows <= _MOST_ROWS_OF_TWO:
            names.append("XGBoost")
        else:
            left_out["XGBoost"] = "LightGBM stands for both on so many rows"
    return Roster(tuple(names), left_out)


def _seconds(name: str, data: Series, origins: Plan, season: int) -> float:
    """Of all fits of a backtest and the last one, from what a fit of so many values takes."""
    lengths = np.minimum(data.lengths, _MOST_VALUES).astype(np.float64)
    # A long season is taken off first, which leaves fewer models to try.
    each_value = _PER_VALUE_S[name] * (_LONG_SHARE if name == "AutoETS" and not 1 < season <= _SHORT_SEASON else 1.0)
    return float((_FIXED_S[name] + each_value * lengths).sum()) * (origins.windows + 1)


_MOST_VALUES: Final = 2_000
_SHORT_SEASON: Final = 12
_LONG_SHARE: Final = 0.15
# Seconds a fit, as measured on one core: what every fit takes, and what each value adds.
_FIXED_S: Final = {"AutoETS": 0.02, "Theta": 0.003, "AutoARIMA": 0.15}
_PER_VALUE_S: Final = {"AutoETS": 0.0005, "Theta": 0.00015, "AutoARIMA": 0.0006}
