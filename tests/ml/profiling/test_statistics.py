"""Statistics of a column are the same however it was cut into parts, and into batches within them."""

import itertools
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataml.contract.types import DataType
from dataml.ml.profiling import statistics
from dataml.ml.profiling.association import Correlation
from dataml.ml.profiling.statistics import ColumnStatistics, DistinctCounter, Extremes, Histogram, Spread

# Few different values are likely to come twice, many go beyond what is counted exactly.
VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.STRING: st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3),
    DataType.INTEGER: st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1),
    DataType.FLOAT: st.sampled_from([0.0, -0.0, 1.5]) | st.floats(-1e150, 1e150),
    DataType.BOOLEAN: st.booleans(),
    DataType.DATE: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    DataType.TIMESTAMP: st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
}
# Parts of a column, each in batches.
PARTS = st.lists(st.lists(st.integers(0, 12), max_size=4), min_size=1, max_size=4)
# The same examples every time: a failure that comes and goes helps nobody.
UNHURRIED = settings(deadline=None, derandomize=True, database=None, max_examples=150)


@st.composite
def columns(draw: st.DrawFn) -> tuple[DataType, list[list[pa.Array]]]:
    """A type, and values of it: parts of batches, of which any may be empty."""
    data_type = draw(st.sampled_from(list(DataType)))
    sizes = draw(PARTS)
    total = sum(map(sum, sizes))
    values = pa.array(draw(st.lists(VALUES[data_type], min_size=total, max_size=total)), data_type.arrow)
    parts, start = [], 0
    for part in sizes:
        places = start + np.cumsum([0, *part])
        parts.append([values.slice(place, size) for place, size in zip(places.tolist(), part, strict=False)])
        start = int(places[-1])
    return data_type, parts


def whole(data_type: DataType, parts: list[list[pa.Array]]) -> pa.Array:
    return pa.concat_arrays([pa.array([], data_type.arrow), *itertools.chain.from_iterable(parts)])


def in_parts(data_type: DataType, parts: list[list[pa.Array]]) -> ColumnStatistics:
    """Each part by itself, and merged."""
    extremes = Extremes()
    if data_type not in (DataType.STRING, DataType.BOOLEAN):
        extremes.add(whole(data_type, parts))
    found = ColumnStatistics(data_type, extremes)
    for part in parts:
        of_part = ColumnStatistics(data_type, extremes, before=found.count)
        for batch in part:
            of_part.add(batch)
        found.merge(of_part)
    return found


@UNHURRIED
@given(columns())
def test_merged_parts_say_what_the_whole_column_says(column: tuple[DataType, list[list[pa.Array]]]) -> None:
    data_type, parts = column
    values = whole(data_type, parts)
    # A sample of fewer values than there are has to be the same one.
    with mock.patch.object(statistics, "MAX_SAMPLE", 10):
        at_once = in_parts(data_type, [[values]]).summary(100)
        merged = in_parts(data_type, parts).summary(100)
    for name in ("mean", "std"):
        expected, found = at_once.pop(name, None), merged.pop(name, None)
        # Both are sums of values as large as the largest.
        size = max((abs(float(value)) for value in values.to_pylist()), default=0) if expected is not None else 0
        assert found == (expected if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12 * size))
    assert merged == at_once


@UNHURRIED
@given(columns())
def test_the_histogram_holds_every_value_once(column: tuple[DataType, list[list[pa.Array]]]) -> None:
    data_type, parts = column
    summary = in_parts(data_type, parts).summary(100)
    if summary.get("histogram"):
        assert sum(summary["histogram"]["counts"]) == summary["count"]
        assert len(summary["histogram"]["edges"]) == len(summary["histogram"]["counts"]) + 1


@UNHURRIED
@given(columns(), st.booleans())
def test_distinct_values_do_not_depend_on_the_parts(
    column: tuple[DataType, list[list[pa.Array]]], ranked: bool
) -> None:
    data_type, parts = column
    values = whole(data_type, parts)
    with mock.patch.multiple(statistics, MAX_EXACT_DISTINCT=8, _SMALLEST_HASHES=4):
        at_once, merged = DistinctCounter(ranked), DistinctCounter(ranked)
        at_once.add(values)
        for part in parts:
            counter = DistinctCounter(ranked)
            for batch in part:
                counter.add(batch)
            merged.merge(counter)
    assert (merged.is_exact, merged.distinct) == (at_once.is_exact, at_once.distinct)
    occurrences = Counter(values.to_pylist())
    assert merged.is_exact == (len(occurrences) <= 8)
    if merged.is_exact:
        assert merged.distinct == len(occurrences)
        assert merged.top() == at_once.top()
    if ranked:
        assert all(each["count"] <= occurrences[each["value"]] for each in merged.top())


def test_a_value_that_becomes_frequent_late_is_among_the_most_frequent() -> None:
    counter = DistinctCounter()
    counter.add(pa.array([f"early {n}" for n in range(30_000)]))
    counter.add(pa.array(["late"] * 50 + [f"later {n}" for n in range(30_000)]))
    assert counter.top()[0] == {"value": "late", "count": 50}
    assert counter.distinct == pytest.approx(60_001, rel=0.08)


def test_zero_has_one_sign() -> None:
    counter = DistinctCounter()
    counter.add(pa.array([0.0, -0.0, -0.0]))
    assert (counter.distinct, counter.top()) == (1, [{"value": 0.0, "count": 3}])


def test_a_sample_holds_every_value_equally_likely() -> None:
    with mock.patch.object(statistics, "MAX_SAMPLE", 1_000):
        merged = Spread()
        for start in range(0, 100_000, 25_000):
            part = Spread(before=start)
            part.add(np.arange(start, start + 25_000, dtype=float))
            merged.merge(part)
    assert merged.summary()["quartiles"] == pytest.approx([25_000, 50_000, 75_000], rel=0.1)


def test_histograms_with_different_edges_are_not_added_up() -> None:
    with pytest.raises(ValueError, match="different edges"):
        Histogram(np.array([0.0, 1.0])).merge(Histogram(np.array([0.0, 2.0])))


def test_bins_of_dates_are_whole_days() -> None:
    days = pa.array([date.fromordinal(738_000 + n) for n in range(30)])
    bins = in_parts(DataType.DATE, [[days]]).summary(30)["histogram"]
    assert bins["edges"][:2] == ["2021-07-29", "2021-07-31"]
    assert bins["counts"] == [2] * 15


@UNHURRIED
@given(st.data())
def test_merged_correlations_are_those_of_all_rows(data: st.DataObject) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows, offset = data.draw(st.integers(3, 60)), data.draw(st.sampled_from([0.0, 1e9, -1e12]))
    table = chance.normal(size=(rows, 4)) @ chance.normal(size=(4, 4)) + offset
    table[chance.random(table.shape) < data.draw(st.sampled_from([0.0, 0.4]))] = np.nan
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=5)))
    at_once, merged = Correlation(4), Correlation(4)
    at_once.add(table)
    for part in np.split(table, cuts):
        correlation = Correlation(4)
        correlation.add(part)
        merged.merge(correlation)
    assert np.allclose(np.array(merged.matrix(), float), np.array(at_once.matrix(), float), atol=2e-6, equal_nan=True)
