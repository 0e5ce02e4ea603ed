"""What one column looks like, from a stream of its batches: counts, spread, histogram, frequent values.

Each of the classes takes batches (`add`) and the same class fed with another part of the column (`merge`). The parts
of a column, merged, say what all batches added to one say: the same but for rounding in mean and standard deviation,
and for the counts of frequent values where there are more than MAX_EXACT_DISTINCT different ones.
"""

import itertools
import math
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import MAX_DISPLAY_CHARACTERS, to_floats
from dataml.contract.types import DataType
from dataml.ml.profiling.association import LEAK

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

MAX_EXACT_DISTINCT: Final = 10_000
MAX_SAMPLE: Final = 200_000
TOP_VALUES: Final = 20
TOP_GAPS: Final = 5
HISTOGRAM_BINS: Final = 20
_SMALLEST_HASHES: Final = 4_096

_Floats = np.ndarray[Any, np.dtype[np.float64]]
_Integers = np.ndarray[Any, np.dtype[np.int64]]
_Hashes = np.ndarray[Any, np.dtype[np.uint64]]


class Extremes:
    """The smallest and the largest value, in the column's own type; None before there is a value."""

    def __init__(self, low: Any = None, high: Any = None) -> None:
        self.low, self.high = low, high

    def add(self, values: pa.Array) -> None:
        """Take values without nulls into account."""
        found = pc.min_max(values)
        self.merge(Extremes(found["min"].as_py(), found["max"].as_py()))

    def merge(self, other: "Extremes") -> None:
        if other.low is not None:
            self.low = other.low if self.low is None else min(self.low, other.low)
            self.high = other.high if self.high is None else max(self.high, other.high)


class DistinctCounter:
    """How often each value occurs: exact up to MAX_EXACT_DISTINCT values, estimated beyond.

    Beyond, the number of values comes from the k smallest hashes (Bar-Yossef et al. 2002, "Counting distinct elements
    in a data stream"; standard error about 1/sqrt(k) = 1.6%), which are the same however the values were cut into
    batches and parts. With `ranked`, the MAX_EXACT_DISTINCT values that have come most often so far are counted on;
    what had come of a value before it was among them is lost, so that its count is the least that it can be.
    """

    def __init__(self, ranked: bool = True) -> None:
        self.is_exact = True
        self._ranked = ranked
        self._values: pa.Array | None = None
        self._counts = np.empty(0, np.int64)
        self._hashes = np.empty(0, np.uint64)

    def add(self, values: pa.Array) -> None:
        """Count values without nulls."""
        if not len(values):
            return
        if pa.types.is_floating(values.type):
            # Zero has two signs, which Arrow counts apart.
            values = pc.add(values, 0.0)
        if not self.is_exact and not self._ranked:
            self._merge_hashes(self._hashes_of(values))
            return
        found = pc.value_counts(values)
        self._merge_hashes(self._hashes_of(found.field("values")))
        self._merge_counts(found.field("values"), found.field("counts").to_numpy())

    def merge(self, other: "DistinctCounter") -> None:
        """Count on with what another part of the same column has counted."""
        self.is_exact = self.is_exact and other.is_exact
        self._merge_hashes(other._hashes)
        if other._values is not None:
            self._merge_counts(other._values, other._counts)

    @property
    def distinct(self) -> int:
        if self.is_exact:
            return len(self._counts)
        # (k - 1) / the k-th smallest hash as a fraction of its range
        return round((len(self._hashes) - 1) / ((int(self._hashes[-1]) + 1) / 2**64))

    def top(self) -> list[dict[str, Any]]:
        """The most frequent values, ties in the order of the values."""
        known = [] if self._values is None else self._values.to_pylist()
        ranked = sorted(zip(known, self._counts.tolist(), strict=True), key=lambda item: (-item[1], item[0]))
        return [{"value": _shown(value), "count": count} for value, count in ranked[:TOP_VALUES]]

    def gaps(self) -> dict[str, Any] | None:
        """Of dates or moments: the usual step between two that follow each other, in days, and the largest steps that
        are longer than it by half; None when there are too many values to know all of them, or too few."""
        if not self.is_exact or self._values is None or len(self._values) < 3:
            return None
        known = sorted(self._values.to_pylist())
        steps = [(later - earlier) / timedelta(days=1) for earlier, later in itertools.pairwise(known)]
        usual = float(np.median(steps))
        longest = sorted(range(len(steps)), key=lambda place: -steps[place])[:TOP_GAPS]
        largest = [
            {"from": written(known[place]), "to": written(known[place + 1]), "days": steps[place]}
            for place in longest
            if steps[place] > 1.5 * usual
        ]
        return {"usual_days": usual, "largest": largest}

    def _merge_counts(self, values: pa.Array, counts: _Integers) -> None:
        """Add up the counts of different values, and drop the rarest when there are too many."""
        if self._values is not None:
            both = {"value": pa.concat_arrays([self._values, values]), "count": np.append(self._counts, counts)}
            # One thread, which keeps the values in the order in which they came.
            found = pa.table(both).group_by("value", use_threads=False).aggregate([("count", "sum")])
            values, counts = found["value"].combine_chunks(), found["count_sum"].to_numpy()
        self.is_exact = self.is_exact and len(values) <= MAX_EXACT_DISTINCT
        if not self.is_exact and not self._ranked:
            values, counts = values.slice(0, 0), counts[:0]
        elif len(values) > MAX_EXACT_DISTINCT:
            most = np.argsort(-counts, kind="stable")[:MAX_EXACT_DISTINCT]
            values, counts = values.take(pa.array(most)), counts[most]
        self._values, self._counts = values, counts

    def _hashes_of(self, values: pa.Array) -> _Hashes:
        """Those that may be among the smallest, in any order."""
        hashes = pd.util.hash_array(values.to_numpy(zero_copy_only=False), categorize=False)
        if len(self._hashes) == _SMALLEST_HASHES:
            hashes = hashes[hashes < self._hashes[-1]]
        return hashes

    def _merge_hashes(self, hashes: _Hashes) -> None:
        # numpy's `unique` goes through a hash table, which takes ten times as long as a sort of such numbers.
        both = np.sort(np.append(self._hashes, hashes))
        is_first = np.append(True, both[1:] != both[:-1])
        self._hashes = both[is_first[: len(both)]][:_SMALLEST_HASHES]


class Spread:
    """Mean and standard deviation, and a uniform sample of at most MAX_SAMPLE values.

    The sample has the values with the smallest random keys, and a value's key comes from its place in the column: so
    it is the same sample however the values were cut into batches and parts. A part that is merged with others needs
    `before`, how many values of the column come before its first.
    """

    def __init__(self, before: int = 0, seed: int = 0) -> None:
        self.count = 0
        self._mean = self._squares = 0.0
        # PCG64 can start anywhere in its one sequence of numbers, and each key takes one of them.
        self._random = np.random.Generator(np.random.PCG64(seed).advance(before))
        self._sample = np.empty(0)
        self._keys = np.empty(0)

    def add(self, values: _Floats) -> None:
        """Take finite numbers into account."""
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            squares = float(((values - mean) ** 2).sum())
        self._merge_moments(len(values), mean, squares)
        self._merge_sample(values, self._random.random(len(values)))

    def merge(self, other: "Spread") -> None:
        """Take another part of the same column into account."""
        if other.count:
            self._merge_moments(other.count, other._mean, other._squares)
            self._merge_sample(other._sample, other._keys)

    def summary(self) -> dict[str, Any]:
        """Sample standard deviation (n - 1); quartiles interpolated linearly, `approximate` when from a sample."""
        deviation = math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else None
        with np.errstate(over="ignore", invalid="ignore"):
            quartiles = np.quantile(self._sample, [0.25, 0.5, 0.75]).tolist() if self.count else [None] * 3
        return {
            "mean": finite(self._mean) if self.count else None,
            "std": finite(deviation),
            "quartiles": [finite(value) for value in quartiles],
            "approximate": self.count > MAX_SAMPLE,
        }

    def _merge_moments(self, count: int, mean: float, squares: float) -> None:
        """Chan, Golub and LeVeque 1979: moments of two parts into moments of the whole."""
        total = self.count + count
        shift = mean - self._mean
        self._squares += squares + shift * shift * self.count * count / total
        self._mean += shift * count / total
        self.count = total

    def _merge_sample(self, values: _Floats, keys: _Floats) -> None:
        if len(self._keys) == MAX_SAMPLE:
            lower = keys < self._keys.max()
            values, keys = values[lower], keys[lower]
        sample, keys = np.concatenate([self._sample, values]), np.concatenate([self._keys, keys])
        if len(keys) > MAX_SAMPLE:
            chosen = np.argpartition(keys, MAX_SAMPLE)[:MAX_SAMPLE]
            sample, keys = sample[chosen], keys[chosen]
        self._sample, self._keys = sample, keys


class Histogram:
    """How many values lie from edge to edge, each bin without its upper edge but the last.

    `edges` are one more than the bins and enclose all values to come; two equal ones make the one bin of a constant.
    """

    def __init__(self, edges: _Floats) -> None:
        self.edges = edges
        self.counts = np.zeros(len(edges) - 1, np.int64)

    def add(self, values: _Floats) -> None:
        self.counts += np.histogram(values, self.edges)[0]

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another part; ValueError when its edges are others."""
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("histograms with different edges have no sum")
        self.counts += other.counts


class ColumnStatistics:
    """All statistics of one column, from one pass over its values: in batches, or in parts that are merged.

    `extremes` of the whole column are known beforehand (Parquet keeps them) and give the histogram its edges; text and
    booleans need none. `before` is how many values of the column come before those of this part.
    """

    def __init__(self, data_type: DataType, extremes: Extremes | None = None, before: int = 0) -> None:
        self.count = 0
        self._data_type = data_type
        self._is_number = data_type in (DataType.INTEGER, DataType.FLOAT)
        self._is_ordered = self._is_number or data_type.is_temporal
        self._counter = DistinctCounter(ranked=not self._is_ordered)
        self._extremes, self._spread = Extremes(), Spread(before)
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
            self._spread.add(numbers)
        if self._histogram is not None:
            self._histogram.add(numbers)

    def merge(self, other: "ColumnStatistics") -> None:
        """Take another part of the same column, made with the same extremes, into account."""
        self.count += other.count
        self._counter.merge(other._counter)
        self._extremes.merge(other._extremes)
        self._spread.merge(other._spread)
        if self._histogram is not None and other._histogram is not None:
            self._histogram.merge(other._histogram)

    def summary(self, rows: int) -> dict[str, Any]:
        """What `tasks.describe` says of a column with `rows` rows, but for the chart."""
        summary: dict[str, Any] = {
            "data_type": self._data_type.value,
            "count": self.count,
            "missing": rows - self.count,
            "distinct": min(self._counter.distinct, self.count),
            "distinct_is_exact": self._counter.is_exact,
        }
        low, high = self._extremes.low, self._extremes.high
        if self._is_number:
            return summary | {"min": low, "max": high} | self._spread.summary() | {"histogram": self._bins()}
        if self._is_ordered:
            extremes = {"min": written(low), "max": written(high)}
            return summary | extremes | {"gaps": self._counter.gaps(), "histogram": self._bins()}
        return summary | {"top_values": self._counter.top()}

    def _bins(self) -> dict[str, Any] | None:
        if self._histogram is None:
            return None
        edges, counts = self._histogram.edges, self._histogram.counts
        written_edges = edges.tolist() if self._is_number else _moments(self._data_type, edges)
        return {"edges": written_edges, "counts": counts.tolist()}


def _edges(data_type: DataType, extremes: Extremes) -> _Floats | None:
    """Equal bins from the smallest to the largest value, for dates of whole days; one bin for a constant; None where
    floats cannot tell the edges apart."""
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


def _moments(data_type: DataType, edges: _Floats) -> list[str]:
    if data_type is DataType.DATE:
        return np.datetime_as_string(edges.astype("datetime64[D]")).tolist()
    return [f"{edge}Z" for edge in np.datetime_as_string(edges.astype("datetime64[us]"))]


def finite(value: float | None) -> float | None:
    """`value`, or None where JSON has no number for it."""
    return value if value is not None and math.isfinite(value) else None


def written(value: date | datetime | None) -> str | None:
    """A date or UTC moment as ISO 8601."""
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _shown(value: Any) -> Any:
    return value[:MAX_DISPLAY_CHARACTERS] if isinstance(value, str) else value


def warnings(name: str, data_type: DataType, rows: int, summary: dict[str, Any]) -> list[dict[str, str]]:
    """What to look at before training: `constant`, `id_like` and `many_missing` columns."""
    found: list[tuple[str, str]] = []
    count, distinct = summary["count"], summary["distinct"]
    if rows and distinct <= 1:
        found.append(("constant", "It has the same value in every row." if count else "It is empty in every row."))
    if data_type in (DataType.STRING, DataType.INTEGER) and count >= 20 and distinct >= 0.95 * count:
        found.append(("id_like", "Nearly every row has its own value, as an identifier has."))
    if rows and summary["missing"] > 0.5 * rows:
        found.append(("many_missing", f"{summary['missing'] / rows:.0%} of the rows have no value."))
    return [{"column": name, "code": code, "message": f"{name}: {message}"} for code, message in found]


def target_warnings(
    target: str, columns: dict[str, dict[str, Any]], associations: dict[str, float]
) -> list[dict[str, str]]:
    """What to look at before training for a target: an `imbalanced` one, and columns that are `leaking_target`."""
    found: list[tuple[str, str, str]] = []
    top, count = columns[target].get("top_values"), columns[target]["count"]
    if top and columns[target]["distinct_is_exact"] and 2 <= columns[target]["distinct"] <= TOP_VALUES:
        rarest = top[-1]
        if rarest["count"] < 0.05 * count:
            share = f"{rarest['count'] / count:.1%}"
            found.append((target, "imbalanced", f"Only {share} of the rows have the value {rarest['value']!r}."))
    for name, value in associations.items():
        if value >= LEAK:
            message = f"It tells {target} almost completely ({value:.3f}), as something known only afterwards does."
            found.append((name, "leaking_target", message))
    return [{"column": name, "code": code, "message": f"{name}: {message}"} for name, code, message in found]
