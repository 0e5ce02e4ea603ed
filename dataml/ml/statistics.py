"""What one column looks like, from a stream of its batches: counts, spread, histogram, frequent values."""

import itertools
import math
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dataml.ml.association import LEAK
from dataml.ml.columns import SHOWN_CHARACTERS
from dataml.ml.values import DataType

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

MAX_EXACT_DISTINCT: Final = 10_000
MAX_SAMPLE: Final = 200_000
TOP_VALUES: Final = 20
TOP_GAPS: Final = 5
HISTOGRAM_BINS: Final = 20
_SMALLEST_HASHES: Final = 4_096

_Floats = np.ndarray[Any, np.dtype[np.float64]]


class DistinctCounter:
    """How often each value occurs: exact up to MAX_EXACT_DISTINCT values, estimated beyond.

    Beyond, the number of values comes from the k smallest hashes (Bar-Yossef et al. 2002, "Counting distinct elements
    in a data stream"; standard error about 1/sqrt(k) = 1.6%), and only the values already known are counted on.
    """

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._hashes = np.empty(0, np.uint64)
        self.is_exact = True

    def add(self, values: pa.Array) -> None:
        """Count values without nulls."""
        found = pc.value_counts(values)
        distinct, counts = found.field("values"), found.field("counts")
        self._add_hashes(distinct)
        if not self.is_exact:
            known = pc.is_in(distinct, value_set=pa.array(list(self._counts), values.type))
            distinct, counts = distinct.filter(known), counts.filter(known)
        elif len(distinct) > 2 * MAX_EXACT_DISTINCT:
            # Too many already: only the most frequent would be left below, and most have come once.
            self.is_exact = False
            most = np.argsort(-counts.to_numpy(), kind="stable")[:MAX_EXACT_DISTINCT]
            distinct, counts = distinct.take(pa.array(most)), counts.take(pa.array(most))
        self._counts.update(dict(zip(distinct.to_pylist(), counts.to_pylist(), strict=True)))
        if len(self._counts) > MAX_EXACT_DISTINCT:
            self.is_exact = False
            self._counts = Counter(dict(self._counts.most_common(MAX_EXACT_DISTINCT)))

    @property
    def distinct(self) -> int:
        if self.is_exact:
            return len(self._counts)
        # (k - 1) / the k-th smallest hash as a fraction of its range
        return round((len(self._hashes) - 1) / ((int(self._hashes[-1]) + 1) / 2**64))

    def top(self) -> list[dict[str, Any]]:
        """The most frequent values, ties in the order of the values."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [{"value": _shown(value), "count": count} for value, count in ranked[:TOP_VALUES]]

    def gaps(self) -> dict[str, Any] | None:
        """Of dates or moments: the usual step between two that follow each other, in days, and the largest steps that
        are longer than it by half; None when there are too many values to know all of them, or too few."""
        if not self.is_exact or len(self._counts) < 3:
            return None
        known = sorted(self._counts)
        steps = [(later - earlier) / timedelta(days=1) for earlier, later in itertools.pairwise(known)]
        usual = float(np.median(steps))
        longest = sorted(range(len(steps)), key=lambda place: -steps[place])[:TOP_GAPS]
        largest = [
            {"from": written(known[place]), "to": written(known[place + 1]), "days": steps[place]}
            for place in longest
            if steps[place] > 1.5 * usual
        ]
        return {"usual_days": usual, "largest": largest}

    def _add_hashes(self, distinct: pa.Array) -> None:
        values = distinct.to_numpy(zero_copy_only=False)
        hashes = pd.util.hash_array(values, categorize=False)
        if len(self._hashes) == _SMALLEST_HASHES:
            hashes = hashes[hashes < self._hashes[-1]]
        merged = np.concatenate([self._hashes, hashes])
        # No hash is there more than twice, once from before and once from now: among so many are as many as are kept.
        if len(merged) > 2 * _SMALLEST_HASHES:
            merged = np.partition(merged, 2 * _SMALLEST_HASHES)[: 2 * _SMALLEST_HASHES]
        self._hashes = np.unique(merged)[:_SMALLEST_HASHES]


class Spread:
    """Smallest, largest, mean and standard deviation, and a uniform sample of at most MAX_SAMPLE values."""

    def __init__(self, seed: int = 0) -> None:
        self.count = 0
        self.low, self.high = math.inf, -math.inf
        self._mean = self._squares = 0.0
        self._random = np.random.default_rng(seed)
        self._sample = np.empty(0)
        self._keys = np.empty(0)

    def add(self, values: _Floats) -> None:
        """Take finite numbers into account."""
        if not len(values):
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self._merge_moments(values)
        # The values with the smallest random keys are a uniform sample, whatever the batches were.
        keys = np.concatenate([self._keys, self._random.random(len(values))])
        sample = np.concatenate([self._sample, values])
        if len(keys) > MAX_SAMPLE:
            chosen = np.argpartition(keys, MAX_SAMPLE)[:MAX_SAMPLE]
            keys, sample = keys[chosen], sample[chosen]
        self._keys, self._sample = keys, sample

    def summary(self) -> dict[str, Any]:
        """Sample standard deviation (n - 1); quartiles interpolated linearly, `approximate` when from a sample."""
        deviation = math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else None
        with np.errstate(over="ignore", invalid="ignore"):
            quartiles = np.quantile(self._sample, [0.25, 0.5, 0.75]).tolist() if self.count else [None] * 3
        return {
            "min": self.low if self.count else None,
            "max": self.high if self.count else None,
            "mean": finite(self._mean) if self.count else None,
            "std": finite(deviation),
            "quartiles": [finite(value) for value in quartiles],
            "approximate": self.count > MAX_SAMPLE,
        }

    def edges(self) -> _Floats | None:
        """Equal bins from the smallest to the largest value; None when floats cannot tell their edges apart."""
        if not self.count or not math.isfinite(self.high - self.low):
            return None
        edges = np.linspace(self.low, self.high, HISTOGRAM_BINS + 1)
        return edges if (np.diff(edges) > 0).all() else None

    def _merge_moments(self, values: _Floats) -> None:
        """Chan, Golub and LeVeque 1979: moments of two parts into moments of the whole."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            squares = float(((values - mean) ** 2).sum())
            total = self.count + len(values)
            shift = mean - self._mean
            self._squares += squares + shift * shift * self.count * len(values) / total
            self._mean += shift * len(values) / total
        self.count = total


def finite(value: float | None) -> float | None:
    """`value`, or None where JSON has no number for it."""
    return value if value is not None and math.isfinite(value) else None


def written(value: date | datetime | None) -> str | None:
    """A date or UTC moment as ISO 8601."""
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _shown(value: Any) -> Any:
    return value[:SHOWN_CHARACTERS] if isinstance(value, str) else value


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
