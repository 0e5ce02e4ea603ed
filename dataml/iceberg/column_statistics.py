"""Figures over one column, read once or twice in batches: moments and the exact median, and how many values differ."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataml.errors import Invalid

if TYPE_CHECKING:
    from dataml.ml.profiling.statistics import DistinctCounter

Floats = npt.NDArray[np.float64]
Columns = Callable[[], Iterator[pa.Array]]

_KEPT_BYTES: Final = 160 << 20
_SAMPLE: Final = 65_536
_EXACT_BYTES: Final = 32 << 20
_EXACT_VALUES: Final = 300_000
# Standard deviations of the median's rank in the sample: both bounds hold all but once in 10^6 columns.
_MARGIN: Final = 5.0


@dataclass(frozen=True)
class NumericStatistics:
    """`count` numbers without nulls and NaN; `std_dev` is the sample's (n - 1), None for fewer than two numbers; the
    others are None when there is no number. Large integers are exact in `minimum` and `maximum` alone."""

    count: int
    mean: float | None
    std_dev: float | None
    minimum: float | int | None
    maximum: float | int | None
    median: float | None


def compute_numeric_statistics(columns: Columns, check: Callable[[], None] = lambda: None) -> NumericStatistics:
    """Figures of the arrays that `columns` gives, each time it is called; `check` may raise between two of them.

    Up to _KEPT_BYTES the numbers stay in memory, eight bytes each; more are read a second time for the median.
    """
    pass_one = _Moments()
    for array in columns():
        check()
        pass_one.add(array)
    if not pass_one.count:
        return NumericStatistics(0, None, None, None, None, None)
    kept = pass_one.kept

    def chunks() -> Iterator[Floats]:
        if kept is not None:
            yield from kept
            return
        for array in columns():
            check()
            yield _numbers(array)

    variance = pass_one.squares / (pass_one.count - 1) if pass_one.count > 1 else None
    return NumericStatistics(
        count=pass_one.count,
        mean=_finite(pass_one.mean),
        std_dev=_finite(float(np.sqrt(variance))) if variance is not None else None,
        minimum=pass_one.low if isinstance(pass_one.low, int) else _finite(pass_one.low),
        maximum=pass_one.high if isinstance(pass_one.high, int) else _finite(pass_one.high),
        median=_finite(_median(chunks, pass_one.count, pass_one.sample())),
    )


class _Moments:
    """Count, mean and squared deviations, merged batch by batch (Chan, Golub and LeVeque 1983), extremes, a random
    sample, and the numbers themselves while they are few."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = 0.0
        self.low: float | int | None = None
        self.high: float | int | None = None
        self.kept: list[Floats] | None = []
        self._kept_bytes = 0
        self._rate = 1 / 32
        self._sample: list[Floats] = []
        self._sampled = 0
        self._random = np.random.default_rng(0)

    def add(self, array: pa.Array) -> None:
        values = _numbers(array)
        if not len(values):
            return
        low, high = float(values.min()), float(values.max())
        self._widen(*_exact_extremes(array, low, high))
        total = self.count + (count := len(values))
        with np.errstate(all="ignore"):  # infinities come out as such, and are answered as null
            mean = float(values.mean())
            # No dot product: its threads wait for each other when the cores are shared.
            deviations = values - mean
            squares = float(np.square(deviations, out=deviations).sum())
            shift = mean - self.mean
            self.squares += squares + shift**2 * self.count * count / total
            self.mean += shift * count / total
        self.count = total
        self._keep(values)
        self._take_sample(values)

    def sample(self) -> Floats:
        return np.sort(np.concatenate(self._sample))

    def _widen(self, low: float | int, high: float | int) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def _keep(self, values: Floats) -> None:
        self._kept_bytes += values.nbytes
        if self.kept is not None and self._kept_bytes <= _KEPT_BYTES:
            self.kept.append(values)
        else:
            self.kept = None

    def _take_sample(self, values: Floats) -> None:
        wanted = max(1, int(len(values) * self._rate))
        self._sample.append(values[self._random.integers(0, len(values), wanted)])
        self._sampled += wanted
        while self._sampled > 2 * _SAMPLE:
            everything = np.concatenate(self._sample)
            self._sample = [self._random.permutation(everything)[: len(everything) // 2]]
            self._sampled = len(self._sample[0])
            self._rate /= 2


def _numbers(array: pa.Array) -> Floats:
    """The numbers of an array as float64: no nulls, no NaN."""
    if array.null_count:
        array = array.drop_null()
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    values = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    # A maximum tells of NaN faster than a look at each number.
    return values[~np.isnan(values)] if len(values) and np.isnan(values.max()) else values


def _exact_extremes(array: pa.Array, low: float, high: float) -> tuple[float | int, float | int]:
    if not pa.types.is_integer(array.type):
        return low, high
    found = pc.min_max(array)
    return found["min"].as_py(), found["max"].as_py()


def _median(chunks: Callable[[], Iterator[Floats]], count: int, sample: Floats) -> float:
    """The exact median by selection between two sampled bounds (Floyd and Rivest 1975): what is below the lower one is
    only counted, and what lies between them sorted."""
    if count <= _SAMPLE:
        return float(np.median(np.concatenate(list(chunks()))))
    margin = _MARGIN * np.sqrt(len(sample)) / 2
    low = float(sample[max(int(len(sample) / 2 - margin), 0)])
    high = float(sample[min(int(len(sample) / 2 + margin), len(sample) - 1)])
    ranks = ((count - 1) // 2, count // 2)
    while True:
        below, at_low, between, at_high = _divide(chunks(), low, high)
        places = [rank - below for rank in ranks]
        if places[0] < 0:
            low, high = -np.inf, low
        elif places[1] >= at_low + len(between) + at_high:
            low, high = high, np.inf
        else:
            inside = [_place(place, low, at_low, between, high) for place in places]
            return inside[0] if inside[0] == inside[1] else inside[0] / 2 + inside[1] / 2


def _divide(chunks: Iterator[Floats], low: float, high: float) -> tuple[int, int, Floats, int]:
    """How many numbers are below `low` and equal to it, those between the bounds, sorted, and how many equal `high`."""
    below = at_low = at_high = 0
    between: list[Floats] = []
    for values in chunks:
        below += int(np.count_nonzero(values < low))
        near = values[(values >= low) & (values <= high)]
        lows = near == low
        highs = (near == high) & ~lows
        at_low += int(np.count_nonzero(lows))
        at_high += int(np.count_nonzero(highs))
        between.append(near[~(lows | highs)])
    return below, at_low, np.sort(np.concatenate(between)), at_high


def _place(place: int, low: float, at_low: int, between: Floats, high: float) -> float:
    if place < at_low:
        return low
    return float(between[place - at_low]) if place - at_low < len(between) else high


def _finite(value: float | int | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


@dataclass(frozen=True)
class DistinctEstimate:
    """How many different values there are, nulls aside; an estimate (standard error 1.6%) when not `is_exact`."""

    distinct: int
    is_exact: bool


def count_distinct(columns: Columns, check: Callable[[], None] = lambda: None) -> DistinctEstimate:
    """Exact until there are more than _EXACT_VALUES different ones, or these take _EXACT_BYTES; then estimated.

    Raises:
        Invalid: `unsupported_column_type`: values of the column cannot be compared.
    """
    seen: pa.Array = pa.nulls(0)
    pending: list[pa.Array] = []
    estimate: DistinctCounter | None = None
    for array in columns():
        check()
        if pa.types.is_nested(array.type):
            detail = "Values of a nested column are not compared; choose another column."
            raise Invalid(detail, code="unsupported_column_type")
        values = array.drop_null()
        if estimate is not None:
            estimate.add(values)
            continue
        pending.append(pc.unique(_comparable(values)))
        # Merged when there is as much to merge as there was: each value is looked at a few times only.
        if sum(map(len, pending)) > len(seen) + _SAMPLE:
            seen, pending = _united(seen, pending), []
            if len(seen) > _EXACT_VALUES or seen.nbytes > _EXACT_BYTES:
                estimate = _estimate_of(seen)
    if estimate is not None:
        return DistinctEstimate(estimate.distinct, is_exact=False)
    return DistinctEstimate(len(_united(seen, pending)), is_exact=True)


def _estimate_of(values: pa.Array) -> "DistinctCounter":
    """In parts: the first of them makes the counter give up exactness, and with it what takes memory."""
    from dataml.ml.profiling.statistics import DistinctCounter  # pandas comes with it

    estimate = DistinctCounter(ranked=False)
    for start in range(0, len(values), _SAMPLE):
        estimate.add(values.slice(start, _SAMPLE))
    return estimate


def _united(seen: pa.Array, pending: list[pa.Array]) -> pa.Array:
    parts = [*([seen] if len(seen) else []), *pending]
    return pc.unique(pa.concat_arrays(parts)) if parts else seen


def _comparable(array: pa.Array) -> pa.Array:
    # Zero has two signs, which Arrow counts apart.
    return pc.add(array, 0.0) if pa.types.is_floating(array.type) else array
