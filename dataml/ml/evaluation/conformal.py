"""Intervals around predicted numbers, from the errors of predictions on rows that the model did not learn from."""

import math
from typing import Any, Final

import numpy as np

from dataml.ml.json_numbers import finite_or_none

LEVELS: Final = (0.5, 0.8, 0.9, 0.95)
_Z_95: Final = 1.959963984540054


def half_width(residuals: np.ndarray, level: float) -> float | None:
    """Return the half-width of split conformal prediction, None when there are too few residuals for the level.

    It is the ceil((n + 1) level)-th smallest of |residuals| (Vovk et al. 2005; Lei et al. 2018): a new value lies this
    close to its prediction with at least the probability `level`, whatever the model, as long as rows come in no
    particular order.
    """
    rank = math.ceil(round((len(residuals) + 1) * level, 9))
    if not 0 < rank <= len(residuals):
        return None
    return finite_or_none(np.partition(np.abs(residuals), rank - 1)[rank - 1])


def conformal_intervals(residuals: np.ndarray, errors: np.ndarray) -> dict[str, Any]:
    """Return half-width and coverage by level, as text.

    Args:
        residuals: truth minus prediction on rows that the model did not learn from.
        errors: the same on the held-out rows.

    Returns:
        `half_width`, and `coverage`, the share of the held-out errors within it, with its own 95% interval
        `coverage_low` to `coverage_high`.
    """
    intervals: dict[str, Any] = {}
    for level in LEVELS:
        width = half_width(residuals, level)
        inside = None if width is None else int((np.abs(errors) <= width).sum())
        low, high = wilson_interval(inside, len(errors)) if inside is not None else (None, None)
        coverage = None if inside is None else inside / len(errors)
        intervals[str(level)] = {
            "half_width": width,
            "coverage": coverage,
            "coverage_low": low,
            "coverage_high": high,
        }
    return intervals


def wilson_interval(hits: int, rows: int) -> tuple[float, float]:
    """Return the 95% score interval of a share (Wilson 1927)."""
    share, z2 = hits / rows, _Z_95 * _Z_95
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    spread = _Z_95 / (1 + z2 / rows) * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows))
    return max(0.0, middle - spread), min(1.0, middle + spread)
