"""Covariates are classified by when they are known, and carried over filled rows."""

import numpy as np
import pyarrow as pa
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.ml.forecasting.panel.covariates import Covariates, carry_forward, fit_covariates, group_series
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import read_panel
from tests.ml.forecasting.tables import make_table, make_times

DAYS = make_times("Day", "2024-01-01", 10)
CONTRACT = Contract.build(
    [
        Column("id", DataType.STRING),
        Column("time", DataType.TIMESTAMP),
        Column("y", DataType.FLOAT),
        Column("promo", DataType.INTEGER),
        Column("size", DataType.STRING),
        Column("visits", DataType.FLOAT),
    ]
)
ROLES = ColumnRoles("y", "time", "id", ("promo",), ("size", "visits"))


@pytest.fixture
def table() -> pa.Table:
    plain = make_table({"a": (np.delete(DAYS, 4), range(9)), "b": (DAYS, range(10))})
    promo = [*(row % 3 for row in range(9)), *(row % 3 for row in range(10))]
    return (
        plain.append_column("promo", pa.array(promo, pa.int64()))
        .append_column("size", pa.array([None, *["small"] * 8, *["large"] * 10]))
        .append_column("visits", pa.array([float(row) for row in range(19)]))
    )


@pytest.fixture
def panel(table: pa.Table) -> Panel:
    return read_panel(table, target="y", time="time", series="id", fill="linear").panel


def test_covariates_are_known_static_or_past(panel: Panel, table: pa.Table) -> None:
    covariates = fit_covariates(panel, table, CONTRACT, ROLES, ())
    assert covariates.names(covariates.known) == ("promo",)
    assert covariates.names(covariates.static) == ("size",)
    assert covariates.names(covariates.past) == ("visits",)
    assert covariates.categorical == ("size",)


def test_series_have_their_covariates_and_filled_rows_those_of_the_row_before(panel: Panel, table: pa.Table) -> None:
    covariates = fit_covariates(panel, table, CONTRACT, ROLES, ())
    series = group_series(panel, table, covariates)
    assert series.lengths.tolist() == [10, 10]
    assert series.series_index.tolist() == [0] * 10 + [1] * 10
    assert series.position.tolist() == [*range(10), *range(10)]
    assert series.known[:10, 0].tolist() == [0, 1, 2, 0, 0, 1, 2, 0, 1, 2]
    assert series.past[3:6, 0].tolist() == [3, 3, 4]
    assert len(np.unique(series.static[:, 0])) == 2
    assert np.isfinite(series.static).all()


def test_without_covariates_the_matrices_are_empty(panel: Panel, table: pa.Table) -> None:
    roles = ColumnRoles("y", "time", "id", (), ())
    covariates = fit_covariates(panel, table, CONTRACT, roles, ())
    assert covariates == Covariates(None)
    series = group_series(panel, table, covariates)
    assert (series.known.shape, series.past.shape, series.static.shape) == ((20, 0), (20, 0), (2, 0))


def test_a_column_that_never_changes_is_no_covariate(panel: Panel, table: pa.Table) -> None:
    constant = table.set_column(3, "promo", pa.array([1] * 19, pa.int64()))
    roles = ColumnRoles("y", "time", "id", ("promo",), ())
    assert fit_covariates(panel, constant, CONTRACT, roles, ()) == Covariates(None)


def test_rows_are_carried_forward() -> None:
    matrix = np.array([[1.0], [2.0], [3.0]])
    assert carry_forward(matrix, np.array([2, -1, -1, 0, 1])).ravel().tolist() == [3, 3, 3, 1, 2]
    assert carry_forward(matrix, np.array([1, 0])).ravel().tolist() == [2, 1]
