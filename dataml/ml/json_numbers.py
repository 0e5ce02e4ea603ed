"""Numbers as strict JSON has them: what is not finite is None."""

import math
from collections.abc import Iterable

import numpy as np


def finite_or_none(value: float | np.floating | np.ndarray) -> float | None:
    """Return the one number in `value`, None when it is infinite or NaN."""
    number = float(value)
    return number if math.isfinite(number) else None


def to_json_numbers(values: Iterable[float | np.floating], digits: int = 6) -> list[float | None]:
    """Return numbers for tables and charts: of so many significant digits, None where not finite."""
    return [finite_or_none(float(f"{value:.{digits}g}")) for value in values]


def ratio_or_none(part: float | np.floating | np.ndarray, whole: float | np.floating | np.ndarray) -> float | None:
    """Return `part / whole`, None when `whole` is 0 or the ratio is not finite."""
    return finite_or_none(part / whole) if whole else None
