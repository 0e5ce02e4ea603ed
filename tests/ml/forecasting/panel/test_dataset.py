"""The series of a dataset are read by the roles of its columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.forecasting.panel.dataset import ColumnRoles, read_rows, read_series
from tests.ml.forecasting.tables import make_table, make_times

CONTRACT = Contract.build(
    [Column("id", DataType.STRING), Column("time", DataType.TIMESTAMP), Column("y", DataType.FLOAT)]
)
ROLES = {"id": "Id", "time": "Time", "y": "Target"}


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    days = make_times("Day", "2024-01-01", 12)
    path = tmp_path / "rows.parquet"
    pq.write_table(make_table({"a": (days, range(12)), "b": (days[:6], range(6))}), path)
    return path


def test_columns_are_found_by_their_role() -> None:
    roles = ColumnRoles.from_mapping(ROLES | {"promo": "Exogenous", "size": "Feature", "note": "Ignore"})
    assert roles == ColumnRoles("y", "time", "id", ("promo",), ("size",))
    assert roles.key_columns == ("id", "time")
    assert roles.observation_columns == ("id", "time", "y", "promo", "size")
    assert roles.future_columns == ("id", "time", "promo")


def test_without_an_id_the_time_is_the_key() -> None:
    roles = ColumnRoles.from_mapping({"time": "Time", "y": "Target"})
    assert roles.series is None
    assert roles.key_columns == ("time",)


def test_rows_have_the_types_of_the_contract(parquet: Path) -> None:
    table = read_rows(parquet, CONTRACT, ("time", "y"))
    assert table.schema == CONTRACT.select(("time", "y")).schema
    assert table.num_rows == 18


def test_series_are_read_with_their_rows(parquet: Path) -> None:
    parsed, table = read_series(parquet, CONTRACT, ROLES, None, None, horizon=8)
    assert parsed.panel.ids == ("a", "b")
    assert parsed.panel.frequency.name == "Day"
    assert parsed.short == (0, 1)
    assert table.num_rows == 18
    assert pa.compute.sum(table["y"]).as_py() == sum(range(12)) + sum(range(6))  # type: ignore[attr-defined]


def test_a_requested_frequency_must_exist_and_fit(parquet: Path) -> None:
    for text, code in (("Wek", "unknown_frequency"), ("Week", "frequency_mismatch")):
        with pytest.raises(Invalid) as refused:
            read_series(parquet, CONTRACT, ROLES, text, None, None)
        assert refused.value.code == code
