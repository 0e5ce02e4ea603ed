"""Times that are numbers or text are read by what all values of the column can mean."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.forecasting.panel.time_column import (
    parse_times,
    settle_time_column,
    warn_of_settled_time,
    write_compact_date,
)

SECOND = int(dt.datetime(2019, 1, 1, tzinfo=dt.UTC).timestamp())
HOURS = [dt.datetime(2019, 1, 1, hour, tzinfo=dt.UTC) for hour in (0, 1)]
DAYS = [dt.date(2019, 1, 1), dt.date(2019, 1, 2)]
MONTHS = [dt.date(2019, 1, 1), dt.date(2019, 2, 1)]


def make_contract(data_type: DataType, **options: Any) -> Contract:
    return Contract.build([Column("time", data_type, **options), Column("y", DataType.FLOAT)])


def read(values: list[Any], data_type: DataType) -> tuple[Column, list[Any]]:
    """Return the settled column, and the values as it reads them."""
    table = pa.table({"time": pa.array(values, data_type.arrow), "y": [1.0] * len(values)})
    contract = settle_time_column(table, make_contract(data_type), "time")
    assert contract.names == ("time", "y")
    return contract.column("time"), parse_times(table, contract)["time"].to_pylist()


@pytest.mark.parametrize(
    ("values", "date_format", "times"),
    [
        ([2019, 2020], "year", [dt.date(2019, 1, 1), dt.date(2020, 1, 1)]),
        ([201901, 201902], "year_month", MONTHS),
        ([20190101, 20190102], "compact", DAYS),
        ([43466, 43467], "excel", DAYS),
        ([SECOND, SECOND + 86_400], "epoch_s", DAYS),
        ([SECOND, SECOND + 3_600], "epoch_s", HOURS),
        ([SECOND * 10**3, (SECOND + 3_600) * 10**3], "epoch_ms", HOURS),
        ([SECOND * 10**6, (SECOND + 3_600) * 10**6], "epoch_us", HOURS),
        ([SECOND * 10**9, (SECOND + 3_600) * 10**9], "epoch_ns", HOURS),
    ],
)
@pytest.mark.parametrize("data_type", [DataType.INTEGER, DataType.STRING])
def test_digits_mean_what_all_of_them_can(
    values: list[int], date_format: str | None, times: list[Any], data_type: DataType
) -> None:
    cells = [str(value) for value in values] if data_type is DataType.STRING else values
    column, found = read(cells, data_type)
    assert (column.date_format, found) == (date_format, times)
    assert column.data_type is (DataType.TIMESTAMP if times is HOURS else DataType.DATE)


def test_floats_are_read_like_whole_numbers() -> None:
    assert read([20190101.0, 20190102.0], DataType.FLOAT)[1] == DAYS
    noon = dt.datetime(2019, 1, 1, 12, tzinfo=dt.UTC)
    assert read([43466.0, 43466.5], DataType.FLOAT)[1] == [HOURS[0], noon]


@pytest.mark.parametrize(
    ("values", "times"),
    [
        (["2019-01", "2019-02"], MONTHS),
        (["Jan 2019", "Feb 2019"], MONTHS),
        (["Jan-19", "Feb-19"], MONTHS),
        (["01/2019", "02/2019"], MONTHS),
        (["2019Q1", "2019Q2"], [dt.date(2019, 1, 1), dt.date(2019, 4, 1)]),
        (["2019-W01", "2019-W02"], [dt.date(2018, 12, 31), dt.date(2019, 1, 7)]),
        (["2019-01-01T01:00", "2019-01-01 00:00"], HOURS[::-1]),
    ],
)
def test_written_periods_are_their_first_day(values: list[str], times: list[Any]) -> None:
    assert read(values, DataType.STRING)[1] == times


def test_the_order_of_day_and_month_is_settled_by_all_values() -> None:
    column, times = read(["01/02/2019", "13/02/2019"], DataType.STRING)
    assert (column.date_order, times) == ("dmy", [dt.date(2019, 2, 1), dt.date(2019, 2, 13)])


@pytest.mark.parametrize(
    ("values", "data_type", "parts"),
    [
        ([1, 2, 3, 4], DataType.INTEGER, ["Integer", "1, 2, 3, ...", "years (2015)", "template", "date_format"]),
        ([2019, 201901], DataType.INTEGER, ["2019, 201901"]),
        ([0.5, 0.6], DataType.FLOAT, ["Float", "0.5, 0.6"]),
        (["2019-01", "soon", "later"], DataType.STRING, ["2 of 3 values", "'soon', 'later'", "template"]),
        (["01/02/2019", "03/02/2019"], DataType.STRING, ["'01/02/2019'", "two ways", "date_order"]),
    ],
)
def test_a_column_that_holds_no_times_is_refused_with_what_it_holds(
    values: list[Any], data_type: DataType, parts: list[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        read(values, data_type)
    assert refused.value.code == "time_not_temporal"
    assert "'time'" in refused.value.detail
    assert [part for part in parts if part not in refused.value.detail] == []


def test_a_date_stays_as_it_is() -> None:
    contract = make_contract(DataType.DATE)
    table = pa.table({"time": DAYS, "y": [1.0, 2.0]})
    assert settle_time_column(table, contract, "time") is contract
    assert parse_times(table, contract) is table


def test_missing_times_stay_missing() -> None:
    assert read([201901, None], DataType.INTEGER)[1] == [MONTHS[0], None]


def test_bounds_of_the_numbers_are_no_bounds_of_the_dates() -> None:
    table = pa.table({"time": [2019, 2020], "y": [1.0, 2.0]})
    contract = make_contract(DataType.INTEGER, minimum="1900", maximum="2100", nullable=False)
    column = settle_time_column(table, contract, "time").column("time")
    assert (column.minimum, column.maximum, column.nullable) == (None, None, False)


def test_new_values_that_the_contract_cannot_read_are_refused() -> None:
    contract = make_contract(DataType.DATE, date_format="year_month")
    with pytest.raises(Invalid) as refused:
        parse_times(pa.table({"time": [201901, 201913]}), contract)
    assert refused.value.code == "time_not_temporal"
    assert "1 of 2 values" in refused.value.detail
    assert "201913" in refused.value.detail


def test_a_number_of_json_is_a_compact_date_where_digits_have_no_other_meaning() -> None:
    plain, years = Column("time", DataType.DATE), Column("time", DataType.DATE, date_format="year")
    assert write_compact_date(20190101, plain) == "20190101"
    assert write_compact_date(2019, years) == 2019
    assert write_compact_date("2019-01-01", plain) == "2019-01-01"
    assert write_compact_date(True, plain) is True


def test_a_warning_says_how_times_were_read() -> None:
    table = pa.table({"time": [43466, 43466, 43467], "y": [1.0, 2.0, 3.0]})
    before = make_contract(DataType.INTEGER)
    after = settle_time_column(table, before, "time")
    warning = warn_of_settled_time(before.column("time"), after.column("time"), table)
    assert warning is not None
    assert (warning.code, warning.column) == ("time_from_values", "time")
    assert warning.examples == ("43466 is 2019-01-01", "43467 is 2019-01-02")
    assert "Integer and is read as days of a spreadsheet" in warning.message
    dates = make_contract(DataType.DATE).column("time")
    assert warn_of_settled_time(dates, dates, table) is None
