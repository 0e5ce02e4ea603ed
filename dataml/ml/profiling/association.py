"""Correlation of numbers, and association of any column with a target."""

import math
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from dataml.contract.columns import to_floats
from dataml.contract.types import DataType

MAX_CORRELATED: Final = 60
MAX_SAMPLE_ROWS: Final = 50_000
_MAX_CLASSES: Final = 100
_BINS: Final = 10
MIN_LEAK_ASSOCIATION: Final = 0.99
"""From this association with the target on, a column is suspected of leaking it."""

_Floats = np.ndarray[Any, np.dtype[np.float64]]


class Correlation:
    """Pearson correlation of every pair of columns over the rows where both have a value, in batches or merged parts.

    Products are added up about a centre of each column, its mean in the first batch that has values of it, so that
    large numbers lose no digits: the first batch is part of the column, so the mean of all is not much further from the
    centre than the values spread (at most by the square root of the number of batches). The centre does not change the
    result.
    """

    def __init__(self, columns: int) -> None:
        self._centres = np.full(columns, np.nan)
        self._n, self._x, self._xx, self._xy = (np.zeros((columns, columns)) for _ in range(4))

    def add(self, values: _Floats) -> None:
        """Add a batch of rows: `values` is (rows, columns), NaN where missing."""
        is_present = ~np.isnan(values)
        is_first = np.isnan(self._centres) & is_present.any(axis=0)
        self._centres[is_first] = np.nanmean(values[:, is_first], axis=0)
        present = is_present.astype(float)
        z = np.nan_to_num(values - self._centres)
        self._n += present.T @ present
        self._x += z.T @ present
        self._xx += (z * z).T @ present
        self._xy += z.T @ z

    def merge(self, other: "Correlation") -> None:
        """Add the rows of another part of the same columns."""
        self._centres = np.where(np.isnan(self._centres), other._centres, self._centres)
        # The other's sums become sums about our centres: each value is further from these by `shift`.
        shift = np.nan_to_num(other._centres - self._centres)[:, None]
        self._n += other._n
        self._x += other._x + shift * other._n
        self._xx += other._xx + 2 * shift * other._x + shift * shift * other._n
        self._xy += other._xy + shift * other._x.T + other._x * shift.T + shift * shift.T * other._n

    def matrix(self) -> list[list[float | None]]:
        """Return correlations (columns, columns) between -1 and 1.

        They are None where a column does not vary, or fewer than three rows have both values.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            x, rows = self._x, self._n
            spread = self._xx - x * x / rows
            correlation = (self._xy - x * x.T / rows) / (np.sqrt(spread) * np.sqrt(spread.T))
        # The spread of a constant column is nothing but rounding.
        tiny = 1e-12 * self._xx
        correlation[(rows < 3) | (spread <= tiny) | (spread.T <= tiny.T)] = np.nan
        return [[_number(value) for value in row] for row in np.clip(correlation, -1, 1)]


def compute_association(values: pa.Array, data_type: DataType, target: pa.Array, target_type: DataType) -> float | None:
    """Return how strongly a column is associated with the target, 0 to 1; None where one of both does not vary.

    Rows without one of the values are left out. Of two numbers it is the absolute Spearman correlation. Otherwise it
    is Cramér's V with the bias correction of Bergsma (2013), for which numbers and dates are cut into ten bins of equal
    size, and text into its hundred most frequent values.
    """
    both: Any = pd.DataFrame({"x": _plain(values, data_type), "y": _plain(target, target_type)}).dropna()
    if len(both) < 3 or both["x"].nunique() < 2 or both["y"].nunique() < 2:
        return None
    if _is_ordered(data_type) and _is_ordered(target_type):
        return _number(abs(both["x"].rank().corr(both["y"].rank())))
    return _cramers_v(_to_classes(both["x"], data_type), _to_classes(both["y"], target_type))


def _cramers_v(x: Any, y: Any) -> float | None:
    table: Any = pd.crosstab(x, y).to_numpy(float)
    n = table.sum()
    expected = np.outer(table.sum(1), table.sum(0)) / n
    phi2 = float(((table - expected) ** 2 / expected).sum() / n)
    rows, columns = table.shape
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (n - 1))
    smaller = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return _number(min(1.0, math.sqrt(phi2 / smaller))) if smaller > 0 else None


def _to_classes(values: Any, data_type: DataType) -> Any:
    if _is_ordered(data_type):
        return pd.qcut(values.rank(method="first"), min(_BINS, values.nunique()), labels=False)
    frequent = values.value_counts().index[:_MAX_CLASSES]
    return values.where(values.isin(frequent), "\0other")


def _plain(values: pa.Array, data_type: DataType) -> Any:
    return to_floats(values) if _is_ordered(data_type) else values.cast(pa.string()).to_pandas()


def _is_ordered(data_type: DataType) -> bool:
    return data_type.is_temporal or data_type in (DataType.INTEGER, DataType.FLOAT)


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
