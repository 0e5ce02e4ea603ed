"""Statistics of one column accumulated batch by batch: extremes, moments, a sample, distinct values, a histogram.

Each class takes batches (`add`) and instances of itself that were fed other parts of the same column (`merge`). Merged
parts give the result of one instance that was fed all batches. Two results may differ: mean and standard deviation by
rounding, and counts of frequent values where there are more than `MAX_EXACT_DISTINCT` distinct ones.

The sketches are not those of the PyPI package `datasketches` (Apache DataSketches), measured with version 5:
- Its HyperLogLog, CPC and theta sketches take one Python object a call: 300 ns a value, where hashing an array and
  keeping the smallest hashes takes 20 ns.
- Its KLL quantiles take arrays (30 ns a value), but have a rank error of 0.1% and random compaction: the same column
  would have another median at each reading, and `exact_statistics` promises the exact one.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MAX_EXACT_DISTINCT: Final = 10_000
MAX_SAMPLE: Final = 200_000
_MAX_HASHES: Final = 4_096

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]


class Extremes:
    """The smallest and the largest value, in the column's own type; None before there is a value."""

    def __init__(self, low: Any = None, high: Any = None) -> None:
        self.low, self.high = low, high

    def add(self, values: pa.Array) -> None:
        """Take values without nulls into account."""
        extremes = pc.min_max(values)
        self.merge(Extremes(extremes["min"].as_py(), extremes["max"].as_py()))

    def merge(self, other: "Extremes") -> None:
        """Take the extremes of another part of the same column into account."""
        if other.low is not None:
            self.low = other.low if self.low is None else min(self.low, other.low)
            self.high = other.high if self.high is None else max(self.high, other.high)


class Moments:
    """Count, mean and sum of squared deviations from the mean.

    Source of the merging formula: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance". Sums
    that overflow make the mean or the variance infinite or NaN.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, values: Floats) -> None:
        """Take numbers other than NaN into account."""
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            # No dot product: its threads wait for each other when the cores are shared.
            deviations = values - mean
            squares = float(np.square(deviations, out=deviations).sum())
        self._merge(len(values), mean, squares)

    def merge(self, other: "Moments") -> None:
        """Take the moments of another part of the same column into account."""
        if other.count:
            self._merge(other.count, other.mean, other._squares)

    @property
    def variance(self) -> float | None:
        """The sample variance (n - 1); None for fewer than two numbers."""
        return self._squares / (self.count - 1) if self.count > 1 else None

    def _merge(self, count: int, mean: float, squares: float) -> None:
        if not self.count:
            self.count, self.mean, self._squares = count, mean, squares
            return
        total = self.count + count
        shift = mean - self.mean
        # A product, since `shift**2` of a Python float raises OverflowError instead of becoming infinite.
        self._squares += squares + shift * shift * self.count * count / total
        self.mean += shift * count / total
        self.count = total


class UniformSample:
    """A uniform sample of at most `max_values` values of a column.

    The sample has the values with the smallest random keys, and a value's key comes from its position in the column: so
    it is the same sample however the values were cut into batches and parts. A part that is merged with others needs
    `before`, the number of values of the column that come before its first.
    """

    def __init__(self, max_values: int | None = None, before: int = 0, seed: int = 0) -> None:
        self._max_values = MAX_SAMPLE if max_values is None else max_values
        # PCG64 can start anywhere in its one sequence of numbers, and each key takes one of them.
        self._random = np.random.Generator(np.random.PCG64(seed).advance(before))
        self._count = 0
        # Up to twice as many as belong to the sample, since to select the smallest keys takes a while.
        self._values: list[Floats] = []
        self._keys: list[Floats] = []
        self._max_key = np.inf

    @property
    def is_complete(self) -> bool:
        """Whether the sample holds every value of the column."""
        return self._count <= self._max_values

    @property
    def values(self) -> Floats:
        """The sample, in no particular order."""
        return self._select()[0]

    def add(self, values: Floats) -> None:
        """Take values into account that follow the ones added before."""
        self._merge(len(values), values, self._random.random(len(values)))

    def merge(self, other: "UniformSample") -> None:
        """Take the sample of another part of the same column into account."""
        self._merge(other._count, *other._select())

    def _merge(self, count: int, values: Floats, keys: Floats) -> None:
        self._count += count
        if self._max_key < np.inf:
            is_lower = keys < self._max_key
            values, keys = values[is_lower], keys[is_lower]
        self._values.append(values)
        self._keys.append(keys)
        if sum(map(len, self._keys)) > 2 * self._max_values:
            self._select()

    def _select(self) -> tuple[Floats, Floats]:
        """Return the values with the smallest keys, and these, and forget the others."""
        values, keys = np.concatenate([np.empty(0), *self._values]), np.concatenate([np.empty(0), *self._keys])
        if len(keys) > self._max_values:
            smallest = np.argpartition(keys, self._max_values)[: self._max_values]
            values, keys = values[smallest], keys[smallest]
            self._max_key = float(keys.max())
        self._values, self._keys = [values], [keys]
        return values, keys


class DistinctSketch:
    """An estimate of the number of distinct values, from the k = 4,096 smallest hashes.

    Source: Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"; the standard error is about
    1/sqrt(k) = 1.6%. The hashes are the same however the values were cut into batches and parts.
    """

    def __init__(self) -> None:
        self._hashes: _Hashes = np.empty(0, np.uint64)

    def add(self, values: pa.Array) -> None:
        """Take values without nulls into account."""
        # Replicas import this module, and never call this: pandas would cost each of them 50 MB.
        import pandas as pd

        hashes = pd.util.hash_array(values.to_numpy(zero_copy_only=False), categorize=False)
        if len(self._hashes) == _MAX_HASHES:
            hashes = hashes[hashes < self._hashes[-1]]
        self._merge(hashes)

    def merge(self, other: "DistinctSketch") -> None:
        """Take the sketch of another part of the same column into account."""
        self._merge(other._hashes)

    @property
    def distinct(self) -> int:
        """The estimate; exact while there are fewer hashes than the sketch holds."""
        if len(self._hashes) < _MAX_HASHES:
            return len(self._hashes)
        # (k - 1) / the k-th smallest hash as a fraction of its range
        return round((len(self._hashes) - 1) / ((int(self._hashes[-1]) + 1) / 2**64))

    def _merge(self, hashes: _Hashes) -> None:
        # numpy's `unique` goes through a hash table, which takes ten times as long as a sort of such numbers.
        merged = np.sort(np.append(self._hashes, hashes))
        is_first = np.append(True, merged[1:] != merged[:-1])
        self._hashes = merged[is_first[: len(merged)]][:_MAX_HASHES]


class DistinctCounter:
    """The number of occurrences of each value: exact up to `MAX_EXACT_DISTINCT` values, estimated beyond.

    Beyond, the number of distinct values comes from a `DistinctSketch`. With `is_ranked`, the `MAX_EXACT_DISTINCT`
    values that have come most often so far are counted on. Occurrences of a value before it was among them are lost, so
    that its count is a lower bound.
    """

    def __init__(self, is_ranked: bool = True) -> None:
        self.is_exact = True
        self._is_ranked = is_ranked
        self._sketch = DistinctSketch()
        self._values: pa.Array | None = None
        self._counts: Integers = np.empty(0, np.int64)

    def add(self, values: pa.Array) -> None:
        """Count values without nulls."""
        if not len(values):
            return
        values = unify_zeros(values)
        if not self.is_exact and not self._is_ranked:
            self._sketch.add(values)
            return
        counted = pc.value_counts(values)
        self._sketch.add(counted.field("values"))
        self._merge_counts(counted.field("values"), counted.field("counts").to_numpy())

    def merge(self, other: "DistinctCounter") -> None:
        """Add the counts of another part of the same column."""
        self.is_exact = self.is_exact and other.is_exact
        self._sketch.merge(other._sketch)
        if other._values is not None:
            self._merge_counts(other._values, other._counts)

    @property
    def distinct(self) -> int:
        """The number of distinct values, an estimate unless `is_exact`."""
        return len(self._counts) if self.is_exact else self._sketch.distinct

    @property
    def values(self) -> list[Any]:
        """The values that are counted, as Python objects, in no particular order."""
        return [] if self._values is None else self._values.to_pylist()

    def most_frequent(self, count: int) -> list[tuple[Any, int]]:
        """Return at most `count` values with their counts, the most frequent first, ties in the order of the values."""
        counted = zip(self.values, self._counts.tolist(), strict=True)
        return sorted(counted, key=lambda item: (-item[1], item[0]))[:count]

    def _merge_counts(self, values: pa.Array, counts: Integers) -> None:
        """Add up the counts of different values, and drop the rarest when there are too many."""
        if self._values is not None:
            both = {"value": pa.concat_arrays([self._values, values]), "count": np.append(self._counts, counts)}
            # One thread, which keeps the values in the order in which they came.
            summed = pa.table(both).group_by("value", use_threads=False).aggregate([("count", "sum")])
            values, counts = summed["value"].combine_chunks(), summed["count_sum"].to_numpy()
        self.is_exact = self.is_exact and len(values) <= MAX_EXACT_DISTINCT
        if not self.is_exact and not self._is_ranked:
            values, counts = values.slice(0, 0), counts[:0]
        elif len(values) > MAX_EXACT_DISTINCT:
            most = np.argsort(-counts, kind="stable")[:MAX_EXACT_DISTINCT]
            values, counts = values.take(pa.array(most)), counts[most]
        self._values, self._counts = values, counts


class Histogram:
    """The number of values from edge to edge, each bin without its upper edge but the last.

    `edges` are one more than the bins and enclose all values to come; two equal ones make the one bin of a constant.
    """

    def __init__(self, edges: Floats) -> None:
        self.edges = edges
        self.counts = np.zeros(len(edges) - 1, np.int64)

    def add(self, values: Floats) -> None:
        """Count values between the first and the last edge."""
        self.counts += np.histogram(values, self.edges)[0]

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another part of the same column.

        Raises:
            ValueError: its edges are different.
        """
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("histograms with different edges have no sum")
        self.counts += other.counts


def unify_zeros(values: pa.Array) -> pa.Array:
    """Return the values with -0.0 as 0.0: Arrow counts the two signs of a floating zero apart."""
    return pc.add(values, 0.0) if pa.types.is_floating(values.type) else values


def finite_or_none(value: float | None) -> float | None:
    """Return the value, or None where JSON has no number for it."""
    return value if value is not None and np.isfinite(value) else None
