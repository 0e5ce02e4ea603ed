"""Numbers with more digits than a float holds, which a warning counts."""

from decimal import Decimal

import pyarrow as pa
import pytest

from dataml.contract.lost_digits import find_lost_digits


def count(cells: pa.Array) -> int:
    warnings = find_lost_digits([pa.record_batch({"a": cells})])
    return sum(warning.count or 0 for warning in warnings)


@pytest.mark.parametrize(
    ("cells", "lost"),
    [
        (pa.array([2**53, -(2**53), None]), 0),
        (pa.array([2**53 + 1, -(2**53) - 1, 10**18]), 2),
        (pa.array([2**64 - 1], pa.uint64()), 1),
        (pa.array([0.1, 1e300]), 0),
        (pa.array([5], pa.int32()), 0),
        (pa.array([Decimal("0.1"), Decimal("123456789012345.5")]), 0),
        (pa.array([Decimal("0.10000000000000000000"), Decimal("100.00000000000000000000")]), 0),
        (pa.array([Decimal("0.1234567890123456789")]), 1),
        (pa.array([Decimal("0.12345678901234567"), Decimal("0.12345678901234568")]), 1),
        (pa.array([Decimal("-1234567890123456789.25"), None]), 1),
        (pa.array([Decimal("0.0000000000000000000000000000001")]), 0),
        (pa.array([None], pa.decimal128(38, 2)), 0),
    ],
)
def test_value_is_lost_when_a_float_is_written_with_other_digits(cells: pa.Array, lost: int) -> None:
    assert count(cells) == lost


def test_warning_names_column_and_values_of_all_batches() -> None:
    values = [Decimal(f"{number}.1234567890123456789") for number in range(9)]
    batches = [pa.record_batch({"b": pa.array([1.5]), "a": pa.array([value])}) for value in values]
    (warning,) = find_lost_digits(batches)
    assert (warning.code, warning.column, warning.count) == ("digits_lost", "a", 9)
    assert warning.examples == tuple(str(value) for value in values[:5])


def test_columns_of_text_are_not_read_to_the_end() -> None:
    batches = iter([pa.record_batch({"a": ["1.5"]}), pa.record_batch({"a": ["1.5"]})])
    assert find_lost_digits(batches) == []
    assert len(list(batches)) == 1
