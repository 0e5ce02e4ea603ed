"""Statistics of one column for people to look at before a training: counts, spread, histogram, frequent values."""

import itertools
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.columns import MAX_DISPLAY_CHARACTERS, to_floats
from dataml.contract.types import DataType
from dataml.ml.profiling.accumulators import (
    DistinctCounter,
    Extremes,
    Floats,
    Histogram,
    Moments,
    UniformSample,
    finite_or_none,
)
from dataml.ml.profiling.association import MIN_LEAK_ASSOCIATION

TOP_VALUES: Final = 20
TOP_GAPS: Final = 5
HISTOGRAM_BINS: Final = 20


class ColumnStatistics:
    """All statistics of one column, from one pass over its values: in batches, or in parts that are merged.

    `extremes` of the whole column are known beforehand (Parquet keeps them) and give the histogram its edges; text and
    booleans need none. `before` is the number of values of the column that come before those of this part.
    """

    def __init__(self, data_type: DataType, extremes: Extremes | None = None, before: int = 0) -> None:
        self.count = 0
        self._data_type = data_type
        self._is_number = data_type in (DataType.INTEGER, DataType.FLOAT)
        self._is_ordered = self._is_number or data_type.is_temporal
        self._counter = DistinctCounter(is_ranked=not self._is_ordered)
        self._extremes, self._moments, self._sample = Extremes(), Moments(), UniformSample(before=before)
        edges = None if extremes is None or extremes.low is None else _edges(data_type, extremes)
        self._histogram = None if edges is None else Histogram(edges)

    def add(self, values: pa.Array) -> None:
        """Take values without nulls into account."""
        self.count += len(values)
        self._counter.add(values)
        if not self._is_ordered:
            return
        self._extremes.add(values)
        numbers = to_floats(values)
        if self._is_number:
            self._moments.add(numbers)
            self._sample.add(numbers)
        if self._histogram is not None:
            self._histogram.add(numbers)

    def merge(self, other: "ColumnStatistics") -> None:
        """Take another part of the same column, made with the same extremes, into account."""
        self.count += other.count
        self._counter.merge(other._counter)
        self._extremes.merge(other._extremes)
        self._moments.merge(other._moments)
        self._sample.merge(other._sample)
        if self._histogram is not None and other._histogram is not None:
            self._histogram.merge(other._histogram)

    def summary(self, rows: int) -> dict[str, Any]:
        """Return what `tasks.describe` reports of a column with `rows` rows, but for the chart."""
        summary: dict[str, Any] = {
            "data_type": self._data_type.value,
            "count": self.count,
            "missing": rows - self.count,
            "distinct": min(self._counter.distinct, self.count),
            "distinct_is_exact": self._counter.is_exact,
        }
        low, high = self._extremes.low, self._extremes.high
        if self._is_number:
            return summary | {"min": low, "max": high} | self._spread() | {"histogram": self._bins()}
        if self._is_ordered:
            extremes = {"min": to_iso_8601(low), "max": to_iso_8601(high)}
            return summary | extremes | {"gaps": _gaps(self._counter), "histogram": self._bins()}
        frequent = self._counter.most_frequent(TOP_VALUES)
        return summary | {"top_values": [{"value": _shorten(value), "count": count} for value, count in frequent]}

    def _spread(self) -> dict[str, Any]:
        """Sample standard deviation (n - 1); quartiles interpolated linearly, `approximate` when from a sample."""
        variance = self._moments.variance
        with np.errstate(over="ignore", invalid="ignore"):
            quartiles = np.quantile(self._sample.values, [0.25, 0.5, 0.75]).tolist() if self.count else [None] * 3
        return {
            "mean": finite_or_none(self._moments.mean) if self.count else None,
            "std": None if variance is None else finite_or_none(float(np.sqrt(variance))),
            "quartiles": [finite_or_none(value) for value in quartiles],
            "approximate": not self._sample.is_complete,
        }

    def _bins(self) -> dict[str, Any] | None:
        if self._histogram is None:
            return None
        edges, counts = self._histogram.edges, self._histogram.counts
        edge_values = edges.tolist() if self._is_number else _format_edges(self._data_type, edges)
        return {"edges": edge_values, "counts": counts.tolist()}


def _gaps(counter: DistinctCounter) -> dict[str, Any] | None:
    """Return the usual step between two consecutive dates, in days, and the largest steps longer than it by half.

    None when there are too many dates to know all of them, or fewer than three.
    """
    if not counter.is_exact or counter.distinct < 3:
        return None
    dates = sorted(counter.values)
    steps = [(later - earlier) / timedelta(days=1) for earlier, later in itertools.pairwise(dates)]
    usual = float(np.median(steps))
    longest = sorted(range(len(steps)), key=lambda index: -steps[index])[:TOP_GAPS]
    largest = [
        {"from": to_iso_8601(dates[index]), "to": to_iso_8601(dates[index + 1]), "days": steps[index]}
        for index in longest
        if steps[index] > 1.5 * usual
    ]
    return {"usual_days": usual, "largest": largest}


def _edges(data_type: DataType, extremes: Extremes) -> Floats | None:
    """Return the edges of equal bins from the smallest to the largest value; one bin for a constant.

    Bins of dates are whole days. None where floats cannot tell the edges apart.
    """
    # Parquet writes a smallest zero as -0.0.
    low, high = to_floats(pa.array([extremes.low, extremes.high], data_type.arrow)) + 0.0
    if data_type is DataType.DATE:
        step = -(-(high + 1 - low) // HISTOGRAM_BINS)
        return np.append(np.arange(low, high + 1, step), high + 1)
    if low == high:
        return np.array([low, high])
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
        return edges if np.isfinite(edges).all() and (np.diff(edges) > 0).all() else None


def _format_edges(data_type: DataType, edges: Floats) -> list[str]:
    if data_type is DataType.DATE:
        return np.datetime_as_string(edges.astype("datetime64[D]")).tolist()
    return [f"{edge}Z" for edge in np.datetime_as_string(edges.astype("datetime64[us]"))]


def to_iso_8601(value: date | datetime | None) -> str | None:
    """Return a date or UTC moment as ISO 8601."""
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _shorten(value: Any) -> Any:
    return value[:MAX_DISPLAY_CHARACTERS] if isinstance(value, str) else value


def find_column_warnings(name: str, data_type: DataType, rows: int, summary: dict[str, Any]) -> list[dict[str, str]]:
    """Return warnings about `constant`, `id_like` and `many_missing` columns."""
    warnings: list[tuple[str, str]] = []
    count, distinct = summary["count"], summary["distinct"]
    if rows and distinct <= 1:
        warnings.append(("constant", "It has the same value in every row." if count else "It is empty in every row."))
    if data_type in (DataType.STRING, DataType.INTEGER) and count >= 20 and distinct >= 0.95 * count:
        warnings.append(("id_like", "Nearly every row has its own value, as an identifier has."))
    if rows and summary["missing"] > 0.5 * rows:
        warnings.append(("many_missing", f"{summary['missing'] / rows:.0%} of the rows have no value."))
    return [{"column": name, "code": code, "message": f"{name}: {message}"} for code, message in warnings]


def find_target_warnings(
    target: str, columns: dict[str, dict[str, Any]], associations: dict[str, float]
) -> list[dict[str, str]]:
    """Return warnings about an `imbalanced` target, and about columns that are `leaking_target`."""
    warnings: list[tuple[str, str, str]] = []
    top, count = columns[target].get("top_values"), columns[target]["count"]
    if top and columns[target]["distinct_is_exact"] and 2 <= columns[target]["distinct"] <= TOP_VALUES:
        rarest = top[-1]
        if rarest["count"] < 0.05 * count:
            share = f"{rarest['count'] / count:.1%}"
            warnings.append((target, "imbalanced", f"Only {share} of the rows have the value {rarest['value']!r}."))
    for name, value in associations.items():
        if value >= MIN_LEAK_ASSOCIATION:
            message = f"It determines {target} almost completely ({value:.3f}); was its value known beforehand?"
            warnings.append((name, "leaking_target", message))
    return [{"column": name, "code": code, "message": f"{name}: {message}"} for name, code, message in warnings]
