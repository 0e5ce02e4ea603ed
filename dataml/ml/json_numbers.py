"""Numbers as strict JSON has them: what is not finite is None."""

import math
from collections.abc import Iterable

import numpy as np


def strict(value: float | np.floating | np.ndarray) -> float | None:
    """The one number in `value`."""
    number = float(value)
    return number if math.isfinite(number) else None


def strict_list(values: Iterable[float | np.floating]) -> list[float | None]:
    """For tables and charts: six significant digits."""
    return [strict(float(f"{value:.6g}")) for value in values]


def ratio(part: float | np.floating | np.ndarray, whole: float | np.floating | np.ndarray) -> float | None:
    """None when there is nothing to divide by."""
    return strict(part / whole) if whole else None
