"""Numbers that name or count the rows are noticed; measured ones are not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.types import DataType
from dataml.ml.data_checks.identifiers import (
    find_identifier,
    is_identifier,
    is_identifier_name,
    warn_of_dropped_identifier,
    warn_of_many_values,
)

ROWS = np.arange(1_000)


def found(name: str, values: np.ndarray, share: float = 1.0) -> list[str]:
    column = pa.chunked_array([pa.array(values)])
    return [warning.code for warning in find_identifier(name, column, np.arange(len(values)), share)]


@pytest.mark.parametrize(
    ("name", "is_identifier"),
    [
        *((name, True) for name in ("id", "ID", "customer_id", "PassengerId", "customerID", "row no", "id_of_row")),
        *((name, False) for name in ("paid", "paid_amount", "width", "idle", "video", "humidity", "rows", "")),
    ],
)
def test_identifiers_are_known_by_their_names(name: str, is_identifier: bool) -> None:
    assert is_identifier_name(name) is is_identifier


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customer_id", ROWS * 7919 % 1_000_003),
        ("number of the form", np.random.default_rng(0).permutation(1_000)),
        ("x", ROWS * 10 + np.random.default_rng(0).integers(0, 9, 1_000)),
    ],
    ids=["named and unique", "fills its range", "rises with the rows"],
)
def test_identifiers_are_found(name: str, values: np.ndarray) -> None:
    assert found(name, values) == ["identifier_feature"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("salary_cents", np.random.default_rng(0).integers(10**6, 10**7, 1_000)),
        ("at", 1_700_000_000 + 3_600 * ROWS),
        ("age", np.random.default_rng(0).integers(0, 90, 1_000)),
        ("customer_id", ROWS // 10),
        ("id", ROWS[:40]),
    ],
    ids=["measured", "epoch seconds", "repeats", "several rows each", "few rows"],
)
def test_other_numbers_are_no_alarm(name: str, values: np.ndarray) -> None:
    assert found(name, values) == []


def test_the_order_of_the_file_counts_and_not_that_of_the_sample() -> None:
    order = np.random.default_rng(0).permutation(1_000)
    column = pa.chunked_array([pa.array((ROWS * 15)[order])])
    assert len(find_identifier("x", column, order)) == 1


def test_a_sample_of_values_that_cannot_all_differ_is_no_alarm() -> None:
    assert found("id", np.random.default_rng(0).permutation(2_000)[:1_000], share=0.5) == ["identifier_feature"]
    assert found("id", np.random.default_rng(0).permutation(2_000)[:1_000], share=0.1) == []


def test_missing_numbers_are_left_out() -> None:
    values = pa.chunked_array([pa.array([None if row % 3 == 0 else row for row in range(1_000)], pa.int64())])
    (warning,) = find_identifier("id", values, ROWS)
    assert warning.examples == ("1", "2", "4")


def test_texts_have_warnings_of_their_own() -> None:
    dropped = warn_of_dropped_identifier("note")
    assert (dropped.code, dropped.column) == ("identifier_feature", "note")
    texts = pa.chunked_array([pa.array([f"t{n}" for n in range(300)] + ["t0"] * 100)])
    many = warn_of_many_values("place", texts)
    assert (many.code, many.count) == ("many_values", 300)
    assert "46 rows" in many.message


@pytest.mark.parametrize(
    ("data_type", "values", "expected"),
    [
        (DataType.STRING, [f"row {n}" for n in range(50)], True),
        (DataType.STRING, [f"row {n}" for n in range(49)], False),
        (DataType.STRING, [*(f"row {n}" for n in range(60)), "row 0"], False),
        (DataType.INTEGER, list(range(60)), True),
        (DataType.INTEGER, [None, *range(60)], True),
        (DataType.INTEGER, [0, *range(60)], False),
        (DataType.INTEGER, [n * n * 7919 % 1_000_003 for n in range(1, 61)], False),
        (DataType.FLOAT, [float(n) for n in range(60)], False),
    ],
    ids=["texts", "few", "repeated text", "numbers", "missing", "repeated number", "amounts", "floats"],
)
def test_a_column_names_the_rows_when_no_value_repeats(data_type: DataType, values: list[Any], expected: bool) -> None:
    assert is_identifier("x", data_type, pa.chunked_array([pa.array(values, data_type.arrow)])) is expected
