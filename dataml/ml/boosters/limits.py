"""Limits of a fit, and the estimate of its time that they come from."""

from dataclasses import dataclass
from typing import Final

WIDE_COLUMNS: Final = 500
"""Columns above which numbers are sorted into fewer bins."""
WIDE_BINS: Final = 63

# Seconds of one round in one thread: per column and bin, and per cell. Measured on 60 to 5,000 rows and 20 to 10,000
# columns of random numbers; a fixed estimate, so that the same table gives the same model on any machine.
_PER_BIN_S: Final = {"LightGBM": 2.0e-7, "XGBoost": 2.7e-7, "CatBoost": 7.2e-7}
_PER_CELL_S: Final = {"LightGBM": 2.0e-8, "XGBoost": 2.2e-8, "CatBoost": 1.1e-8}
_DEFAULT_BINS: Final = 255
_PER_OUTPUT: Final = 0.6
"""A round of several classes, per class, in rounds of one output."""


@dataclass(frozen=True)
class FitLimits:
    """The most rounds of a fit, and the most columns that it looks at; None where there is no limit."""

    max_rounds: int | None = None
    max_columns: int | None = None


NO_LIMITS: Final = FitLimits()


def is_wide(columns: int) -> bool:
    """Return whether a matrix has so many columns that fewer bins are used."""
    return columns > WIDE_COLUMNS


def estimate_round_s(algorithm: str, rows: int, columns: int, classes: int, looked_at: int | None = None) -> float:
    """Return the seconds that one round takes in one thread.

    Args:
        algorithm: XGBoost, LightGBM or CatBoost.
        rows: that are learned from.
        columns: of the matrix.
        classes: of the target, 0 for a regression.
        looked_at: columns that the fit looks at; None for all.
    """
    bins = min(rows, WIDE_BINS if is_wide(columns) else _DEFAULT_BINS)
    outputs = max(1.0, _PER_OUTPUT * classes) if classes > 2 else 1.0
    a_column = bins * _PER_BIN_S[algorithm] + rows * _PER_CELL_S[algorithm]
    return outputs * a_column * min(columns, looked_at or columns)
