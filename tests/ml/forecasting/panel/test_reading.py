"""A table of typed rows in any order becomes a panel; rows that it cannot be made of are named."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.gaps import FILL_METHODS, FillMethod
from dataml.ml.forecasting.panel.reading import ParsedPanel, normalize_series_id, read_observations, read_panel
from tests.ml.forecasting.tables import make_table, make_times, shuffle

NO_DEADLINE = settings(deadline=None, derandomize=True, database=None)

DAYS = make_times("Day", "2024-01-01", 30)


def read(
    table: pa.Table,
    frequency: str | None = None,
    fill: FillMethod | None = None,
    series: str | None = "id",
    horizon: int | None = None,
) -> ParsedPanel:
    given = Frequency.parse(frequency) if frequency else None
    return read_panel(table, target="y", time="time", series=series, frequency=given, fill=fill, horizon=horizon)


def refusal(table: pa.Table, frequency: str | None = None, series: str | None = "id") -> Invalid:
    with pytest.raises(Invalid) as refused:
        read(table, frequency, series=series)
    assert refused.value.status == 422
    return refused.value


def two_series() -> pa.Table:
    return make_table({"b": (DAYS, range(30)), "a": (DAYS[5:], range(100, 125))})


def test_rows_become_sorted_series() -> None:
    panel = read(two_series()).panel
    assert panel.ids == ("a", "b")
    assert panel.starts.tolist() == [0, 25, 55]
    assert panel.y.tolist() == [*range(100, 125), *range(30)]
    assert panel.rows.tolist() == [*range(30, 55), *range(30)]
    assert (panel.times == np.concatenate((DAYS[5:], DAYS))).all()
    assert panel.frequency == Frequency("day")
    assert (panel.times.dtype, panel.y.dtype, panel.starts.dtype, panel.rows.dtype) == (
        *("datetime64[us]", "float64"),
        *("int64", "int64"),
    )


@NO_DEADLINE
@given(st.integers(0, 10_000), st.sampled_from(["Day", "Hour", "Business day", "ME", "15min"]), st.booleans())
def test_unsorted_rows_make_the_same_panel(seed: int, text: str, in_chunks: bool) -> None:
    times = make_times(text, "2024-01-31", 20)
    table = make_table({name: (times[place:], range(20 - place)) for place, name in enumerate("cab")})
    mixed = shuffle(table, seed)
    if in_chunks:
        mixed = pa.concat_tables([mixed.slice(0, 17), mixed.slice(17, 0), mixed.slice(17)])
    expected, panel = read(table).panel, read(mixed).panel
    assert (panel.ids, panel.frequency) == (expected.ids, expected.frequency)
    for name in ("starts", "times", "y"):
        assert (getattr(panel, name) == getattr(expected, name)).all()
    assert np.asarray(mixed.column("y"))[panel.rows].tolist() == panel.y.tolist()


def test_times_that_do_not_fit_one_number_with_their_series_are_sorted_too() -> None:
    times = make_times("3000 years", "0001-01-01T00:00:00.000001", 3)
    panel = read(shuffle(make_table({n: (times, [n, 1, -n]) for n in range(60)}, id_type=pa.int64()), 1)).panel
    assert panel.frequency == Frequency("year", 3000)
    assert panel.y.tolist() == [value for n in range(60) for value in (n, 1, -n)]
    assert (panel.times == np.tile(times, 60)).all()


@pytest.mark.parametrize(
    ("values", "kind", "ids"),
    [
        ([10, 9], pa.int64(), ("9", "10")),
        ([2.5, 1.0], pa.float64(), ("1", "2.5")),
        ([True, False], pa.bool_(), ("false", "true")),
        ([dt.date(2024, 2, 1), dt.date(2024, 1, 1)], pa.date32(), ("2024-01-01", "2024-02-01")),
        ([dt.datetime(2024, 1, 1, 5, tzinfo=dt.UTC)], pa.timestamp("us", "UTC"), ("2024-01-01T05:00:00Z",)),
        (["ü", "z"], pa.string(), ("z", "ü")),
    ],
)
def test_series_are_named_by_text_in_the_order_of_their_values(
    values: list[object], kind: pa.DataType, ids: tuple[str, ...]
) -> None:
    table = make_table({value: (DAYS, range(30)) for value in values}, id_type=kind)
    assert read(table).panel.ids == ids


def test_without_ids_there_is_one_series_without_a_name() -> None:
    panel = read(make_table({"x": (DAYS, range(30))}), series=None).panel
    assert (panel.ids, panel.lengths.tolist()) == (("",), [30])


def test_dates_and_whole_numbers_are_read() -> None:
    days = pa.array([dt.date(2024, month, 1) for month in range(1, 13)])
    panel = read(pa.table({"time": days, "y": pa.array(range(12), pa.int64())}), series=None).panel
    assert panel.frequency == Frequency("month")
    assert panel.y.tolist() == list(range(12))


def test_rows_after_the_last_target_are_the_future_and_rows_before_the_first_are_left_out() -> None:
    table = make_table({"a": (DAYS[:9], [None, None, *range(5), None, None]), "b": (DAYS[:9], range(9))})
    parsed = read(table)
    assert parsed.panel.lengths.tolist() == [5, 9]
    assert (parsed.future.tolist(), parsed.leading, parsed.filled) == ([7, 8], 2, 0)


def test_short_and_constant_series_are_reported_and_not_refused() -> None:
    long = make_times("Day", "2024-01-01", 40)
    table = make_table({"flat": (long, [5.0] * 40), "long": (long, range(40)), "tiny": (long[:2], [1, 2])})
    parsed = read(table, horizon=28)
    assert (parsed.short, parsed.constant) == ((2,), (0,))
    assert read(table, horizon=45).short == (0, 1, 2)


def test_observations_may_be_few_and_all_the_same() -> None:
    table = make_table({"a": (DAYS[:1], [4]), "b": (DAYS[:1], [4])})
    parsed = read_observations(table, target="y", time="time", series="id", frequency=Frequency("day"))
    assert parsed.panel.y.tolist() == [4, 4]


def test_columns_of_wrong_types_are_refused() -> None:
    table = two_series()
    text = pa.array(["x"] * 55)
    assert refusal(table.set_column(2, "y", text)).code == "target_not_numeric"
    assert refusal(table.set_column(2, "y", pa.array([True] * 55))).code == "target_not_numeric"
    assert refusal(table.set_column(1, "time", text)).code == "time_not_temporal"


@pytest.mark.parametrize(("place", "code"), [(0, "missing_series_id"), (1, "missing_time")])
def test_missing_times_and_ids_are_refused_with_their_rows(place: int, code: str) -> None:
    table = two_series()
    column = table.column(place).to_pylist()
    column[3] = column[7] = None
    error = refusal(table.set_column(place, table.field(place), pa.array(column, table.schema.types[place])))
    assert error.code == code
    assert "rows 4, 8" in error.detail


def test_an_infinite_target_is_refused() -> None:
    error = refusal(make_table({"a": (DAYS, [*range(29), float("inf")])}))
    assert error.code == "infinite_target"
    assert "row 30" in error.detail


@pytest.mark.parametrize("size", [1e101, -1e300, 1e-102, 1e-300])
def test_a_target_whose_squares_do_not_fit_float64_is_refused(size: float) -> None:
    error = refusal(make_table({"a": (DAYS, size * np.arange(1, 31))}))
    assert error.code == "target_out_of_range"
    assert "use another unit" in error.detail
    assert ("rows" in error.detail) == (abs(size) > 1)


def test_duplicate_times_are_refused_with_series_time_and_rows() -> None:
    times = np.append(DAYS, DAYS[3])
    error = refusal(make_table({"a": (DAYS, range(30)), "b": (times, range(31))}))
    assert error.code == "duplicate_timestamps"
    assert "series 'b' at 2024-01-04 (rows 34, 61)" in error.detail


def test_duplicate_times_without_an_id_column_hint_at_the_role_id() -> None:
    error = refusal(two_series(), series=None)
    assert error.code == "duplicate_timestamps"
    assert "role Id" in error.detail
    assert "and 22 more" in error.detail


def test_an_hour_duplicated_by_a_clock_change_gets_a_hint() -> None:
    hours = make_times("Hour", "2024-10-26", 48)
    local = np.sort(np.append(hours, np.datetime64("2024-10-27T02", "us")))
    error = refusal(make_table({"a": (local, range(49))}))
    assert error.code == "duplicate_timestamps"
    assert "daylight saving" in error.detail


def test_an_hour_missing_by_a_clock_change_gets_a_hint() -> None:
    hours = make_times("Hour", "2024-03-30", 48)
    local = hours[hours != np.datetime64("2024-03-31T02", "us")]
    error = refusal(make_table({"a": (local, range(47))}))
    assert error.code == "irregular_series"
    assert "series 'a' from 2024-03-31T02:00:00Z to 2024-03-31T02:00:00Z (1 step)" in error.detail
    assert "daylight saving" in error.detail


def test_gaps_and_missing_values_are_refused_with_their_span_and_the_fill_methods() -> None:
    gappy = np.delete(DAYS, [4, 5, 20])
    error = refusal(make_table({"a": (DAYS, range(30)), "b": (gappy, [0, 1, None, *range(24)])}))
    assert error.code == "irregular_series"
    assert "series 'b' from 2024-01-05 to 2024-01-06 (2 steps)" in error.detail
    assert "series 'b' from 2024-01-21 to 2024-01-21 (1 step)" in error.detail
    assert "missing: series 'b' at 2024-01-03." in error.detail
    assert all(fill in error.detail for fill in FILL_METHODS)
    assert "daylight" not in error.detail


def test_a_few_of_many_gaps_are_named_and_the_rest_counted() -> None:
    gappy = np.delete(make_times("Day", "2024-01-01", 90), np.arange(5, 60, 6))
    error = refusal(make_table({"a": (gappy, range(80))}))
    assert error.detail.count("series 'a'") == 3
    assert "and 7 more" in error.detail


def test_business_days_requested_as_days_get_a_hint() -> None:
    error = refusal(make_table({"a": (make_times("B", "2024-01-01", 30), range(30))}), "Day")
    assert error.code == "irregular_series"
    assert "Business day" in error.detail


@pytest.mark.parametrize(
    ("frequency", "code"), [("Week", "frequency_mismatch"), ("Hour", "frequency_mismatch"), (None, "mixed_frequencies")]
)
def test_frequencies_that_do_not_fit_are_refused(frequency: str | None, code: str) -> None:
    weeks = make_times("Week", "2024-01-01", 20)
    series = {"a": (DAYS, range(30))} | ({} if frequency else {"b": (weeks, range(20))})
    assert refusal(make_table(series), frequency).code == code


def test_too_little_to_learn_from_is_refused() -> None:
    assert refusal(two_series().slice(0, 0)).code == "too_few_rows"
    assert refusal(two_series().slice(0, 1)).code == "too_few_rows"
    error = refusal(two_series().slice(0, 2))
    assert (error.code, "2" in error.detail) == ("series_too_short", True)


def test_a_series_without_a_target_value_is_refused_by_name() -> None:
    error = refusal(make_table({"a": (DAYS, range(30)), "void": (DAYS, [None] * 30)}))
    assert error.code == "series_too_short"
    assert "'void'" in error.detail


def test_a_target_that_never_changes_is_refused() -> None:
    assert refusal(make_table({"a": (DAYS, [1] * 30), "b": (DAYS, [2] * 30)})).code == "constant_target"


def test_the_series_of_a_table_without_ids_has_no_name_in_messages() -> None:
    error = refusal(make_table({"x": (np.delete(DAYS, 4), range(29))}), series=None)
    assert "the series from 2024-01-05" in error.detail


@pytest.mark.parametrize(
    ("text", "data_type", "series_id"),
    [
        ("1.0", DataType.FLOAT, "1"),
        ("2.50", DataType.FLOAT, "2.5"),
        ("x", DataType.FLOAT, "x"),
        ("1.0", DataType.STRING, "1.0"),
        ("007", DataType.STRING, "007"),
    ],
)
def test_a_number_names_its_series_however_it_is_written(text: str, data_type: DataType, series_id: str) -> None:
    assert normalize_series_id(text, data_type) == series_id
