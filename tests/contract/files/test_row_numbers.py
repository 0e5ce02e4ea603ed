"""Row numbers in the first fields of a CSV, block by block."""

import numpy as np
import pytest

from dataml.contract.files.row_numbers import RowNumbers


def are_numbers(*blocks: list[str | None]) -> bool:
    """Return whether the fields, in which None stands for a repeated header, number the rows."""
    numbers = RowNumbers()
    for block in blocks:
        fields = [field or "name" for field in block]
        ends = np.cumsum([len(field) + 1 for field in fields]) - 1
        starts = ends - [len(field) for field in fields]
        data = np.frombuffer(("\n".join(fields) + "\n").encode(), np.uint8)
        numbers.add(data, starts, ends, np.array([field is not None for field in block]))
    return numbers.are_all


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([["0", "1", "2"]], True),
        ([["1", "2"], ["3"], ["4", "5"]], True),
        ([[str(number) for number in range(8, 12)]], False),
        ([['"1"', '"2"']], True),
        ([["0", "1", "3"]], False),
        ([["1", "0"]], False),
        ([["00", "1"]], False),
        ([["0", "1.0"]], False),
        ([["0", ""]], False),
        ([["0", "1"], ["1"]], False),
        ([["0", "1", None, "2", "3"]], True),
        ([["0", "1", None, "0", "1", None], ["0", "1"]], True),
        ([["1", "2", None], [None, "1"], ["2"]], True),
        ([["0", "1", None, "0", "1", None, "2"]], False),
        ([["0", None, "1", None, "0"]], False),
        ([["0", "1" * 19]], False),
    ],
)
def test_count_from_zero_or_one_is_found(blocks: list[list[str | None]], expected: bool) -> None:
    assert are_numbers(*blocks) is expected
