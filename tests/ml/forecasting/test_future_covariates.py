"""Rows about the future are aligned with the steps that need them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid, InvalidFields
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.future_covariates import FutureCovariates
from dataml.ml.forecasting.panel.covariates import Covariates
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.preprocessing import Preprocessing

DAY = Frequency.parse("Day")
CONTRACT = Contract.build(
    [
        Column("id", DataType.STRING),
        Column("time", DataType.TIMESTAMP),
        Column("y", DataType.FLOAT),
        Column("price", DataType.FLOAT),
    ]
)
TIMES = np.stack([DAY.times_after(np.datetime64(last), 3) for last in ("2024-01-31", "2024-02-02")])
ROWS: list[dict[str, Any]] = [
    {"id": "b", "time": "2024-02-03", "price": 3.0},
    {"id": "a", "time": "2024-02-02", "price": 2.0},
    {"id": "a", "time": "2024-02-01", "price": 1.0},
    {"id": "a", "time": "2024-06-01", "price": 9.0},
    {"id": "other", "time": "2024-02-01", "price": 8.0},
]


def future_covariates(series: str | None = "id") -> FutureCovariates:
    table = pa.table({"price": [1.0, 2.0, 3.0]})
    preprocessing = Preprocessing.fit(CONTRACT.select(["price"]), ["price"], table, ())
    roles = ColumnRoles("y", "time", series, ("price",), ())
    return FutureCovariates(CONTRACT, roles, Covariates(preprocessing, (0,), complete=("price",)), DAY)


def align(rows: Any, steps: tuple[int, int] = (2, 1), is_needed: bool = True) -> np.ndarray:
    return future_covariates().align(["a", "b"], TIMES, np.array(steps), rows, is_needed=is_needed)


def refuse(rows: Any, steps: tuple[int, int] = (2, 1)) -> Invalid:
    with pytest.raises(Invalid) as refused:
        align(rows, steps)
    return refused.value


def test_rows_in_any_order_are_aligned_and_others_ignored() -> None:
    known = align(ROWS)
    assert known.dtype == np.float32
    assert known.shape == (2, 3, 1)
    assert np.array_equal(known[..., 0], [[1, 2, np.nan], [3, np.nan, np.nan]], equal_nan=True)


def test_a_table_of_rows_is_aligned_like_json() -> None:
    contract = CONTRACT.select(["id", "time", "price"])
    table = pa.Table.from_pylist([contract.parse_row(row) for row in ROWS], schema=contract.schema)
    assert np.array_equal(align(table), align(ROWS), equal_nan=True)


def test_missing_rows_are_listed() -> None:
    error = refuse(ROWS, (3, 2))
    assert error.code == "missing_future"
    assert "'price'" in error.detail
    assert "series 'a' at 2024-02-03, series 'b' at 2024-02-04" in error.detail
    assert refuse(None).code == "missing_future"


def test_more_than_ten_missing_rows_are_counted() -> None:
    times = np.stack([DAY.times_after(np.datetime64("2024-01-31"), 15)])
    with pytest.raises(Invalid, match="and 5 more"):
        future_covariates().align(["a"], times, np.array([15]), None, is_needed=True)


def test_rows_may_be_missing_when_no_member_needs_them() -> None:
    assert np.isnan(align(None, is_needed=False)).all()
    assert np.isnan(align([], is_needed=False)).all()
    assert np.isfinite(align(ROWS, (3, 3), is_needed=False)).sum() == 3


def test_duplicate_rows_are_refused() -> None:
    error = refuse([*ROWS, ROWS[1]])
    assert error.code == "duplicate_timestamps"
    assert "two rows of series 'a' at 2024-02-02" in error.detail


def test_wrong_values_are_refused_with_their_place() -> None:
    with pytest.raises(InvalidFields) as refused:
        align([ROWS[0], ROWS[1] | {"price": "cheap"}])
    (field,) = refused.value.fields
    assert field.location[:3] == ("body", "future", 1)
    assert field.location[-1] == "price"


def test_the_only_series_need_not_be_named() -> None:
    rows = [{"time": "2024-02-01", "price": 5.0}]
    covariates = future_covariates()
    known = covariates.align(["a"], TIMES[:1], np.array([1]), rows, is_needed=True)
    assert known[0, 0, 0] == 5
    unnamed = future_covariates(series=None).align([""], TIMES[:1], np.array([1]), rows, is_needed=True)
    assert unnamed[0, 0, 0] == 5


def test_a_null_value_is_named_with_its_series_and_time() -> None:
    error = refuse([ROWS[0], ROWS[1] | {"price": None}, ROWS[2]])
    assert error.code == "missing_future"
    assert "null for 'price' of series 'a' at 2024-02-02" in error.detail


def test_a_null_value_for_a_step_that_is_not_needed_is_no_error() -> None:
    assert np.isnan(align([ROWS[0] | {"price": None}, *ROWS[1:3]], (2, 0))[1]).all()


def test_a_null_value_is_accepted_where_the_training_had_some() -> None:
    covariates = future_covariates()
    covariates = replace(covariates, covariates=replace(covariates.covariates, complete=()))
    rows = [ROWS[2] | {"price": None}]
    assert np.isnan(covariates.align(["a"], TIMES[:1], np.array([1]), rows, is_needed=True)).all()


@pytest.mark.parametrize("name", ["time", "id"])
def test_a_row_without_its_time_or_series_is_refused_by_name(name: str) -> None:
    rows = [ROWS[0], ROWS[1] | {name: None}]
    with pytest.raises(InvalidFields) as refused:
        align(rows)
    (field,) = refused.value.fields
    assert (field.location, field.code) == (("body", "future", 1, name), "missing_value")


@pytest.mark.parametrize(("name", "code"), [("time", "missing_time"), ("id", "missing_series_id")])
def test_a_table_without_a_time_or_series_is_refused_by_row(name: str, code: str) -> None:
    contract = CONTRACT.select(["id", "time", "price"])
    rows = [contract.parse_row(row) for row in ROWS]
    rows[1][name] = None
    error = refuse(pa.Table.from_pylist(rows, schema=contract.schema))
    assert (error.code, "row 2" in error.detail) == (code, True)
