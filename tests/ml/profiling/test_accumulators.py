"""Accumulators give the same result however a column was cut into parts, and into batches within them."""

from collections import Counter
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataml.contract.types import DataType
from dataml.ml.profiling import accumulators
from dataml.ml.profiling.accumulators import (
    DistinctCounter,
    DistinctSketch,
    Extremes,
    Histogram,
    Moments,
    UniformSample,
)
from tests.ml.profiling.columns import REPRODUCIBLE, columns, join_parts


def test_extremes_keep_the_type_of_the_column() -> None:
    extremes = Extremes()
    extremes.merge(Extremes())
    assert (extremes.low, extremes.high) == (None, None)
    extremes.add(pa.array([2**62 + 1, 5]))
    extremes.merge(Extremes(-3, 4))
    assert (extremes.low, extremes.high) == (-3, 2**62 + 1)


def test_moments_are_numpys() -> None:
    values = np.random.default_rng(1).normal(1e6, 2.0, 10_000)
    moments = Moments()
    for part in np.split(values, [1, 1, 700]):
        of_part = Moments()
        of_part.add(part)
        moments.merge(of_part)
    assert moments.count == 10_000
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)
    assert moments.variance == pytest.approx(values.var(ddof=1), rel=1e-9)


def test_one_number_has_no_variance() -> None:
    moments = Moments()
    moments.add(np.array([3.0]))
    assert (moments.mean, moments.variance) == (3.0, None)


def test_moments_of_numbers_whose_squares_overflow_are_not_finite() -> None:
    moments = Moments()
    for value in (1e200, -1e200):
        moments.add(np.array([value]))
    assert moments.mean == 0.0
    assert moments.variance == np.inf


def test_a_sample_holds_every_value_equally_likely() -> None:
    with mock.patch.object(accumulators, "MAX_SAMPLE", 1_000):
        merged = UniformSample()
        for start in range(0, 100_000, 25_000):
            part = UniformSample(before=start)
            part.add(np.arange(start, start + 25_000, dtype=float))
            merged.merge(part)
    assert not merged.is_complete
    assert np.quantile(merged.values, [0.25, 0.5, 0.75]) == pytest.approx([25_000, 50_000, 75_000], rel=0.1)


def test_a_sample_of_few_values_has_all_of_them() -> None:
    sample = UniformSample(3)
    sample.add(np.array([1.0, 2.0, 3.0]))
    assert sample.is_complete
    assert sorted(sample.values.tolist()) == [1.0, 2.0, 3.0]


def test_a_sketch_is_near_and_the_same_for_any_parts() -> None:
    values = pa.array(np.arange(400_000))
    at_once, merged = DistinctSketch(), DistinctSketch()
    at_once.add(values)
    for start in range(0, 400_000, 70_000):
        part = DistinctSketch()
        part.add(values.slice(max(start - 1_000, 0), 71_000))
        merged.merge(part)
    assert at_once.distinct == pytest.approx(400_000, rel=0.08)
    assert merged.distinct == at_once.distinct


def test_a_sketch_of_few_values_is_exact() -> None:
    sketch = DistinctSketch()
    for _ in range(2):
        sketch.add(pa.array(["a", "b", "c", "b"]))
    assert sketch.distinct == 3


@REPRODUCIBLE
@given(columns(), st.booleans())
def test_distinct_values_do_not_depend_on_the_parts(
    column: tuple[DataType, list[list[pa.Array]]], is_ranked: bool
) -> None:
    data_type, parts = column
    values = join_parts(data_type, parts)
    with mock.patch.multiple(accumulators, MAX_EXACT_DISTINCT=8, _MAX_HASHES=4):
        at_once, merged = DistinctCounter(is_ranked), DistinctCounter(is_ranked)
        at_once.add(values)
        for part in parts:
            counter = DistinctCounter(is_ranked)
            for batch in part:
                counter.add(batch)
            merged.merge(counter)
    assert (merged.is_exact, merged.distinct) == (at_once.is_exact, at_once.distinct)
    occurrences = Counter(values.to_pylist())
    assert merged.is_exact == (len(occurrences) <= 8)
    if merged.is_exact:
        assert merged.distinct == len(occurrences)
        assert merged.most_frequent(20) == at_once.most_frequent(20)
    if is_ranked:
        assert all(count <= occurrences[value] for value, count in merged.most_frequent(20))


def test_a_value_that_becomes_frequent_late_is_among_the_most_frequent() -> None:
    counter = DistinctCounter()
    counter.add(pa.array([f"early {n}" for n in range(30_000)]))
    counter.add(pa.array(["late"] * 50 + [f"later {n}" for n in range(30_000)]))
    assert counter.most_frequent(1) == [("late", 50)]
    assert counter.distinct == pytest.approx(60_001, rel=0.08)


def test_zero_has_one_sign() -> None:
    counter = DistinctCounter()
    counter.add(pa.array([0.0, -0.0, -0.0]))
    assert (counter.distinct, counter.most_frequent(5)) == (1, [(0.0, 3)])


def test_histograms_with_different_edges_are_not_added_up() -> None:
    with pytest.raises(ValueError, match="different edges"):
        Histogram(np.array([0.0, 1.0])).merge(Histogram(np.array([0.0, 2.0])))
