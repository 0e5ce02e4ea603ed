"""Statistics of a column are the same however it was cut into parts, and into batches within them."""

from datetime import date
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given

from dataml.contract.types import DataType
from dataml.ml.profiling import accumulators
from dataml.ml.profiling.accumulators import Extremes
from dataml.ml.profiling.statistics import ColumnStatistics, find_target_warnings
from tests.ml.profiling.columns import REPRODUCIBLE, columns, join_parts


def in_parts(data_type: DataType, parts: list[list[pa.Array]]) -> ColumnStatistics:
    """Each part by itself, and merged."""
    extremes = Extremes()
    if data_type not in (DataType.STRING, DataType.BOOLEAN):
        extremes.add(join_parts(data_type, parts))
    found = ColumnStatistics(data_type, extremes)
    for part in parts:
        of_part = ColumnStatistics(data_type, extremes, before=found.count)
        for batch in part:
            of_part.add(batch)
        found.merge(of_part)
    return found


@REPRODUCIBLE
@given(columns())
def test_merged_parts_say_what_the_whole_column_says(column: tuple[DataType, list[list[pa.Array]]]) -> None:
    data_type, parts = column
    values = join_parts(data_type, parts)
    # A sample of fewer values than there are has to be the same one.
    with mock.patch.object(accumulators, "MAX_SAMPLE", 10):
        at_once = in_parts(data_type, [[values]]).summary(100)
        merged = in_parts(data_type, parts).summary(100)
    for name in ("mean", "std"):
        expected, found = at_once.pop(name, None), merged.pop(name, None)
        # Both are sums of values as large as the largest.
        size = max((abs(float(value)) for value in values.to_pylist()), default=0) if expected is not None else 0
        assert found == (expected if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12 * size))
    assert merged == at_once


@REPRODUCIBLE
@given(columns())
def test_the_histogram_holds_every_value_once(column: tuple[DataType, list[list[pa.Array]]]) -> None:
    data_type, parts = column
    summary = in_parts(data_type, parts).summary(100)
    if summary.get("histogram"):
        assert sum(summary["histogram"]["counts"]) == summary["count"]
        assert len(summary["histogram"]["edges"]) == len(summary["histogram"]["counts"]) + 1


def test_bins_of_dates_are_whole_days() -> None:
    days = pa.array([date.fromordinal(738_000 + n) for n in range(30)])
    bins = in_parts(DataType.DATE, [[days]]).summary(30)["histogram"]
    assert bins["edges"][:2] == ["2021-07-29", "2021-07-31"]
    assert bins["counts"] == [2] * 15


def test_gaps_are_steps_longer_than_usual() -> None:
    days = pa.array([date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 10), date(2024, 1, 11)])
    assert in_parts(DataType.DATE, [[days]]).summary(5)["gaps"] == {
        "usual_days": 1.0,
        "largest": [{"from": "2024-01-03", "to": "2024-01-10", "days": 7.0}],
    }
    assert in_parts(DataType.DATE, [[days.slice(0, 2)]]).summary(2)["gaps"] is None


def test_a_target_is_warned_about() -> None:
    top = [{"value": "no", "count": 97}, {"value": "yes", "count": 3}]
    columns = {"left": {"top_values": top, "count": 100, "distinct": 2, "distinct_is_exact": True}}
    found = find_target_warnings("left", columns, {"reason_for_leaving": 1.0, "age": 0.3})
    assert [(each["column"], each["code"]) for each in found] == [
        ("left", "imbalanced"),
        ("reason_for_leaving", "leaking_target"),
    ]
    balanced = columns["left"] | {"top_values": [{"value": "no", "count": 60}, {"value": "yes", "count": 40}]}
    assert find_target_warnings("left", {"left": balanced}, {"age": 0.3}) == []
