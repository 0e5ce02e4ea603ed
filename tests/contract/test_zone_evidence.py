from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from dataml.contract.columns import parse_column
from dataml.contract.contract import Column, Contract
from dataml.contract.dates import InvalidValue
from dataml.contract.inference import InferredContract, infer_contract, settle_formats
from dataml.contract.types import DataType
from dataml.contract.value_format import ValueFormat
from dataml.contract.values import parse_value
from dataml.errors import Invalid

BERLIN = ValueFormat(time_zone="Europe/Berlin")


def infer(*cells: pa.Array) -> InferredContract:
    return infer_contract(lambda names: [pa.record_batch({"at": each}) for each in cells])


def settle(column: Column, cells: list[str | None]) -> InferredContract:
    return settle_formats(Contract.build([column]), lambda names: [pa.record_batch({"at": pa.array(cells)})])


@pytest.mark.parametrize(
    ("cells", "zone"),
    [
        (["2024-06-01T10:00+02:00", "2024-01-01 10:00:00.5 +0200", None, "NA"], "+02:00"),
        (["2024-06-01T10:00-03:30", "2024-06-02"], "-03:30"),
        (["2024-06-01T10:00+02:00[Europe/Berlin]", "2024-01-01T10:00+01:00[Europe/Berlin]"], "Europe/Berlin"),
        (["2024-06-01T10:00[Europe/Berlin]"], "Europe/Berlin"),
        (["15/Jan/2024:13:55:36 +0100"], "+01:00"),
        (["Mon, 15 Jan 2024 09:30:00 -0500 (EST)"], "-05:00"),
        (["2024-01-15 9:30 AM EST", "Mon Jan 15 08:30:00 EST 2024"], "-05:00"),
        (["2024-06-01T10:00Z", "2024-06-01T10:00+00:00"], None),
        (["2024-06-01T10:00", "2024-06-01 3:05 PM"], None),
        (["13.06.2024 10:00", "01.02.2024 3:05 pm"], None),
    ],
)
def test_zone_that_all_texts_name_is_recorded(cells: list[str | None], zone: str | None) -> None:
    inferred = infer(pa.array(cells))
    assert inferred.contract.column("at").data_type is DataType.TIMESTAMP
    assert (inferred.contract.column("at").time_zone, inferred.warnings) == (zone, ())
    settled = settle(Column("at", DataType.TIMESTAMP), cells)
    assert (settled.contract.column("at").time_zone, settled.warnings) == (zone, ())


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["2024-06-01T10:00+02:00", "2024-01-01T10:00+01:00"], ["+01:00, +02:00", "time_zone"]),
        (["2024-06-01T10:00+02:00", "2024-01-01T10:00"], ["(+02:00)", "those without one are read as times in UTC"]),
        (["2024-06-01T10:00+02:00", "2024-01-01T10:00Z"], ["+02:00, UTC"]),
    ],
)
def test_several_offsets_stay_in_utc_with_a_warning(cells: list[str], words: list[str]) -> None:
    for found in (infer(pa.array(cells)), settle(Column("at", DataType.TIMESTAMP), cells)):
        assert found.contract.column("at").time_zone is None
        [warning] = found.warnings
        assert (warning.code, warning.column) == ("mixed_offsets", "at")
        assert [word for word in words if word not in warning.message] == []


@pytest.mark.parametrize(
    ("zone", "recorded", "codes"),
    [
        ("Europe/Berlin", "Europe/Berlin", []),
        ("-04:00", "-04:00", []),
        ("UTC", None, []),
        ("Etc/UTC", None, []),
        (None, None, []),
        ("Nowhere/At_All", None, ["mixed_offsets"]),
    ],
)
def test_zone_of_parquet_is_recorded(zone: str | None, recorded: str | None, codes: list[str]) -> None:
    cells = pa.array([0, None], pa.timestamp("ms", zone))
    inferred = infer(cells)
    assert inferred.contract.column("at").time_zone == recorded
    assert [warning.code for warning in inferred.warnings] == codes
    parsed = inferred.contract.parse_batch(pa.record_batch({"at": cells})).table
    assert parsed["at"].to_pylist() == [datetime(1970, 1, 1, tzinfo=UTC), None]


def test_files_with_different_zones_stay_in_utc() -> None:
    inferred = infer(
        pa.array([0], pa.timestamp("us", "Europe/Berlin")), pa.array([0], pa.timestamp("us", "Asia/Tokyo"))
    )
    assert inferred.contract.column("at").time_zone is None
    assert [warning.code for warning in inferred.warnings] == ["mixed_offsets"]


def test_zone_of_a_template_is_not_replaced() -> None:
    column = Column("at", DataType.TIMESTAMP, time_zone="Asia/Tokyo")
    settled = settle(column, ["2024-06-01T10:00+02:00"])
    assert (settled.contract.column("at"), settled.warnings) == (column, ())


def test_local_times_that_clocks_show_twice_are_counted() -> None:
    column = Column("at", DataType.TIMESTAMP, time_zone="Europe/Berlin")
    cells = ["2024-10-27 02:30", "2024-10-27 2:59 AM", "2024-10-27 03:00", "2024-10-27T02:30+01:00", None]
    [warning] = settle(column, cells).warnings
    assert (warning.code, warning.count) == ("repeated_local_times", 2)
    assert warning.examples == ("2024-10-27 02:30", "2024-10-27 2:59 AM")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-07-01 12:00", datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("2024-01-01T12:00", datetime(2024, 1, 1, 11, tzinfo=UTC)),
        ("2024-07-01", datetime(2024, 6, 30, 22, tzinfo=UTC)),
        ("01.07.2024 12:00", datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("2024-07", datetime(2024, 6, 30, 22, tzinfo=UTC)),
        ("2024-07-01T12:00Z", datetime(2024, 7, 1, 12, tzinfo=UTC)),
        ("2024-07-01T12:00-05:00", datetime(2024, 7, 1, 17, tzinfo=UTC)),
        ("2024-07-01T12:00[Asia/Tokyo]", datetime(2024, 7, 1, 3, tzinfo=UTC)),
        ("2024-10-27 02:30", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        (datetime(2024, 7, 1, 12), datetime(2024, 7, 1, 10, tzinfo=UTC)),
        (datetime(2024, 7, 1, 12, tzinfo=UTC), datetime(2024, 7, 1, 12, tzinfo=UTC)),
    ],
)
def test_value_without_an_offset_is_a_local_time(value: Any, moment: datetime) -> None:
    value_format = ValueFormat("dmy", time_zone="Europe/Berlin")
    assert parse_value(value, DataType.TIMESTAMP, value_format) == moment
    # Alone, among texts that go by the same way, and among others.
    for others in ([], ["2024-05-05 05:05"], ["5 May 2024 05:05"]):
        if others and not isinstance(value, str):
            continue
        parsed = parse_column(pa.array([value, *others, None]), DataType.TIMESTAMP, value_format)
        assert parsed.values[0].as_py() == moment
        assert parsed.values[len(others) + 1].as_py() is None
        assert not len(parsed.invalid_rows)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_naive_timestamps_of_parquet_are_local_times(unit: str) -> None:
    times = [datetime(2024, 3, 31, 1, 30), datetime(2024, 3, 31, 2, 30), None, datetime(2024, 3, 31, 3, 30)]
    parsed = parse_column(pa.array(times, pa.timestamp(unit)), DataType.TIMESTAMP, BERLIN)
    expected = [datetime(2024, 3, 31, 0, 30, tzinfo=UTC), None, None, datetime(2024, 3, 31, 1, 30, tzinfo=UTC)]
    assert parsed.values.to_pylist() == expected
    assert parsed.invalid_rows.tolist() == [1]
    assert [violation.rule for violation in parsed.violations] == ["skipped_time"]


def test_days_of_a_spreadsheet_are_local_and_units_since_1970_are_not() -> None:
    days = ValueFormat(date_format="excel", time_zone="Europe/Berlin")
    assert parse_value("45474.5", DataType.TIMESTAMP, days) == datetime(2024, 7, 1, 10, tzinfo=UTC)
    seconds = ValueFormat(date_format="epoch_s", time_zone="Europe/Berlin")
    assert parse_value("1719828000", DataType.TIMESTAMP, seconds) == datetime(2024, 7, 1, 10, tzinfo=UTC)


def test_skipped_local_time_is_invalid() -> None:
    for value in ("2024-03-31 02:30", datetime(2024, 3, 31, 2, 30)):
        with pytest.raises(InvalidValue) as caught:
            parse_value(value, DataType.TIMESTAMP, BERLIN)
        assert caught.value.rule == "skipped_time"


def test_unknown_zone_in_brackets_is_no_date() -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_value("2024-07-01T12:00[Mars/Base]", DataType.TIMESTAMP)
    assert caught.value.rule == "not_a_date"


def test_bounds_and_default_of_a_column_are_local_times() -> None:
    column = Column("at", DataType.TIMESTAMP, default="2024-07-01", minimum="2024-01-01", time_zone="Europe/Berlin")
    contract = Contract.build([column])
    assert contract.parse_row({}) == {"at": datetime(2024, 6, 30, 22, tzinfo=UTC)}
    assert contract.parse_row({"at": "2024-01-01"}) == {"at": datetime(2023, 12, 31, 23, tzinfo=UTC)}
    batch = pa.record_batch({"at": ["2023-12-31T23:00Z", "2023-12-31T22:59Z", ""]})
    parsed = contract.parse_batch(batch)
    assert parsed.kept.to_pylist() == [True, False, True]
    assert Contract.from_json(contract.to_json()) == contract


@pytest.mark.parametrize(
    ("data_type", "zone"),
    [(DataType.TIMESTAMP, "Europe/Nowhere"), (DataType.TIMESTAMP, "2 hours"), (DataType.DATE, "Europe/Berlin")],
)
def test_wrong_zone_of_a_column_is_refused(data_type: DataType, zone: str) -> None:
    with pytest.raises(Invalid) as caught:
        Contract.build([Column("at", data_type, time_zone=zone)])
    assert caught.value.code == "bad_time_zone"
