"""Exact statistics of a column that can be read twice: moments, extremes, the median, the number of distinct values."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.errors import Invalid
from dataml.ml.profiling.accumulators import (
    DistinctSketch,
    Extremes,
    Floats,
    Moments,
    UniformSample,
    finite_or_none,
    unify_zeros,
)

ColumnReader = Callable[[], Iterator[pa.Array]]
"""Gives the arrays of a column from the beginning, each time it is called."""

_MAX_BUFFERED_BYTES: Final = 160 << 20
_MAX_SAMPLE: Final = 65_536
_SAMPLE_STEP: Final = 32
_MAX_DISTINCT_BYTES: Final = 32 << 20
_MAX_DISTINCT: Final = 300_000
# Standard deviations of the median's rank in the sample: both bounds hold all but once in 10^6 columns.
_RANK_MARGIN: Final = 5.0


@dataclass(frozen=True)
class NumericStatistics:
    """Statistics of `count` numbers, nulls and NaN left out.

    `std_dev` is the sample's (n - 1) and None for fewer than two numbers. The others are None when there is no number,
    or when the result is not finite. Large integers are exact in `minimum` and `maximum` alone.
    """

    count: int
    mean: float | None
    std_dev: float | None
    minimum: float | int | None
    maximum: float | int | None
    median: float | None


@dataclass(frozen=True)
class DistinctEstimate:
    """The number of distinct values without null; an estimate (standard error 1.6%) unless `is_exact`."""

    distinct: int
    is_exact: bool


def compute_numeric_statistics(read: ColumnReader, check: Callable[[], None] = lambda: None) -> NumericStatistics:
    """Return the statistics of the arrays that `read` gives; `check` may raise between two of them.

    Up to _MAX_BUFFERED_BYTES the numbers stay in memory, eight bytes each; more are read a second time for the median.
    """
    first_pass = _FirstPass()
    for array in read():
        check()
        first_pass.add(array)
    moments, extremes, buffer = first_pass.moments, first_pass.extremes, first_pass.buffer
    if not moments.count:
        return NumericStatistics(0, None, None, None, None, None)

    def chunks() -> Iterator[Floats]:
        if buffer is not None:
            yield from buffer
            return
        for array in read():
            check()
            yield _to_numbers(array)

    variance = moments.variance
    return NumericStatistics(
        count=moments.count,
        mean=finite_or_none(moments.mean),
        std_dev=None if variance is None else finite_or_none(float(np.sqrt(variance))),
        minimum=extremes.low if isinstance(extremes.low, int) else finite_or_none(extremes.low),
        maximum=extremes.high if isinstance(extremes.high, int) else finite_or_none(extremes.high),
        median=finite_or_none(_select_median(chunks, moments.count, np.sort(first_pass.sample.values))),
    )


def count_distinct(read: ColumnReader, check: Callable[[], None] = lambda: None) -> DistinctEstimate:
    """Return the number of distinct values of the arrays that `read` gives; `check` may raise between two of them.

    It is exact until there are more than _MAX_DISTINCT values, or these take more than _MAX_DISTINCT_BYTES.

    Raises:
        Invalid: `unsupported_column_type`: values of the column cannot be compared.
    """
    seen: pa.Array = pa.nulls(0)
    pending: list[pa.Array] = []
    sketch: DistinctSketch | None = None
    for array in read():
        check()
        if pa.types.is_nested(array.type):
            detail = "Values of a nested column cannot be compared; choose another column."
            raise Invalid(detail, code="unsupported_column_type")
        values = unify_zeros(array.drop_null())
        if sketch is not None:
            sketch.add(values)
            continue
        pending.append(pc.unique(values))
        # Merged when there is as much to merge as there was: each value is looked at a few times only.
        if sum(map(len, pending)) > len(seen) + _MAX_SAMPLE:
            seen, pending = _merge_unique(seen, pending), []
            if len(seen) > _MAX_DISTINCT or seen.nbytes > _MAX_DISTINCT_BYTES:
                sketch, seen = _sketch(seen), pa.nulls(0)
    if sketch is not None:
        return DistinctEstimate(sketch.distinct, is_exact=False)
    return DistinctEstimate(len(_merge_unique(seen, pending)), is_exact=True)


class _FirstPass:
    """What one reading finds out: moments, extremes, a sample, and the numbers themselves while they are few."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.extremes = Extremes()
        self.sample = UniformSample(_MAX_SAMPLE)
        self.buffer: list[Floats] | None = []
        self._buffered_bytes = 0
        self._random = np.random.default_rng(0)

    def add(self, array: pa.Array) -> None:
        values = _to_numbers(array)
        if not len(values):
            return
        if pa.types.is_integer(array.type):
            self.extremes.add(array)
        else:
            self.extremes.merge(Extremes(float(values.min()), float(values.max())))
        self.moments.add(values)
        # A part of the values is enough for bounds of the median, and to draw a key for each would take a while.
        drawn = self._random.integers(0, len(values), max(1, len(values) // _SAMPLE_STEP))
        self.sample.add(values[drawn])
        self._buffered_bytes += values.nbytes
        if self.buffer is not None and self._buffered_bytes <= _MAX_BUFFERED_BYTES:
            self.buffer.append(values)
        else:
            self.buffer = None


def _to_numbers(array: pa.Array) -> Floats:
    """Return the numbers of an array as float64, without nulls and NaN."""
    if array.null_count:
        array = array.drop_null()
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    values = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    # A maximum shows a NaN faster than a look at each number.
    return values[~np.isnan(values)] if len(values) and np.isnan(values.max()) else values


def _select_median(chunks: Callable[[], Iterator[Floats]], count: int, sample: Floats) -> float:
    """Return the exact median of `count` numbers, whose sorted sample gives two bounds that the median lies between.

    Values below the lower bound are only counted, and those between the bounds sorted. Source: Floyd and Rivest 1975,
    "Expected time bounds for selection".
    """
    if count <= _MAX_SAMPLE:
        return float(np.median(np.concatenate(list(chunks()))))
    margin = _RANK_MARGIN * np.sqrt(len(sample)) / 2
    low = float(sample[max(int(len(sample) / 2 - margin), 0)])
    high = float(sample[min(int(len(sample) / 2 + margin), len(sample) - 1)])
    while True:
        below, at_low, between, at_high = _partition(chunks(), low, high)
        ranks = [rank - below for rank in ((count - 1) // 2, count // 2)]
        if ranks[0] < 0:
            low, high = -np.inf, low
        elif ranks[1] >= at_low + len(between) + at_high:
            low, high = high, np.inf
        else:
            middle = [_value_at_rank(rank, low, at_low, between, high) for rank in ranks]
            return middle[0] if middle[0] == middle[1] else middle[0] / 2 + middle[1] / 2


def _partition(chunks: Iterator[Floats], low: float, high: float) -> tuple[int, int, Floats, int]:
    """Return how many numbers lie below `low` and at it, those between the bounds, sorted, and how many at `high`."""
    below = at_low = at_high = 0
    between: list[Floats] = []
    for values in chunks:
        below += int(np.count_nonzero(values < low))
        near = values[(values >= low) & (values <= high)]
        is_low = near == low
        is_high = (near == high) & ~is_low
        at_low += int(np.count_nonzero(is_low))
        at_high += int(np.count_nonzero(is_high))
        between.append(near[~(is_low | is_high)])
    return below, at_low, np.sort(np.concatenate(between)), at_high


def _value_at_rank(rank: int, low: float, at_low: int, between: Floats, high: float) -> float:
    """Return the number with this rank among those that are not below `low`."""
    if rank < at_low:
        return low
    return float(between[rank - at_low]) if rank - at_low < len(between) else high


def _sketch(values: pa.Array) -> DistinctSketch:
    """Return a sketch of the values, added in slices since text becomes Python objects to be hashed."""
    sketch = DistinctSketch()
    for start in range(0, len(values), _MAX_SAMPLE):
        sketch.add(values.slice(start, _MAX_SAMPLE))
    return sketch


def _merge_unique(seen: pa.Array, pending: list[pa.Array]) -> pa.Array:
    parts = [*([seen] if len(seen) else []), *pending]
    return pc.unique(pa.concat_arrays(parts)) if parts else seen
