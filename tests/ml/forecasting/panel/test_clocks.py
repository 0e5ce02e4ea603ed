"""Days, weeks and months of series on the clock of a time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.reading import ParsedPanel, read_observations, read_panel

BERLIN = "Europe/Berlin"


def local_times(first: datetime, step: timedelta, count: int, zone: str = BERLIN) -> list[datetime]:
    """Return times on the clock of a zone, as moments."""
    return [(first + step * number).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for number in range(count)]


def read(times: list[datetime], zone: str | None = BERLIN, **options: object) -> ParsedPanel:
    table = pa.table({"time": pa.array(times, pa.timestamp("us", "UTC")), "y": np.arange(len(times)) % 7 + 1.0})
    return read_panel(table, target="y", time="time", time_zone=zone, **options)  # type: ignore[arg-type]


def test_local_midnights_over_a_change_of_clocks_are_days() -> None:
    times = local_times(datetime(2024, 3, 20), timedelta(days=1), 30)
    panel = read(times).panel
    assert (panel.frequency.name, panel.frequency.time_zone) == ("Day", BERLIN)
    assert panel.frequency.format_times(panel.times)[:2] == ["2024-03-20", "2024-03-21"]
    ahead = panel.frequency.times_after(panel.times[-1], 2)
    assert panel.frequency.format_times(ahead) == ["2024-04-19", "2024-04-20"]
    moments = panel.frequency.to_moments(panel.times)
    assert moments.astype("datetime64[us]").tolist() == [each.replace(tzinfo=None) for each in times]
    with pytest.raises(Invalid, match="time_zone") as caught:
        read(times, zone=None)
    assert caught.value.code == "irregular_series"


@pytest.mark.parametrize(
    ("step", "count", "name"),
    [(timedelta(days=7), 30, "Week"), (timedelta(days=2), 100, "2 days")],
)
def test_longer_local_steps_are_regular(step: timedelta, count: int, name: str) -> None:
    frequency = read(local_times(datetime(2024, 1, 1), step, count)).panel.frequency
    assert (frequency.name, frequency.time_zone) == (name, BERLIN)


def test_local_months_and_business_days_are_regular() -> None:
    zone = ZoneInfo("America/New_York")
    months = [datetime(2020 + n // 12, n % 12 + 1, 1, tzinfo=zone).astimezone(UTC) for n in range(30)]
    panel = read(months, zone="America/New_York").panel
    assert panel.frequency.name == "Month"
    assert panel.frequency.format_times(panel.times)[-1] == "2022-06-01"
    days = local_times(datetime(2024, 3, 1), timedelta(days=1), 40)
    # Sunday in Berlin is Saturday night in UTC.
    weekdays = [each for each in days if each.astimezone(ZoneInfo(BERLIN)).weekday() < 5]
    assert read(weekdays).panel.frequency.name == "Business day"


def test_requested_days_are_local() -> None:
    times = local_times(datetime(2024, 10, 20), timedelta(days=1), 20)
    panel = read(times, frequency=Frequency.parse("Day")).panel
    assert panel.frequency.time_zone == BERLIN


def test_gap_of_local_days_is_named_by_its_dates() -> None:
    times = local_times(datetime(2024, 3, 20), timedelta(days=1), 30)
    del times[11]
    with pytest.raises(Invalid, match=r"from 2024-03-31 to 2024-03-31 \(1 step\)"):
        read(times)
    filled = read(times, fill="previous").panel
    assert filled.frequency.format_times(filled.times[11:12]) == ["2024-03-31"]


def test_days_of_utc_in_a_column_with_a_zone_stay_in_utc() -> None:
    for first in (datetime(2024, 3, 20, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)):
        panel = read([first + timedelta(days=number) for number in range(30)]).panel
        assert (panel.frequency.name, panel.frequency.time_zone) == ("Day", None)


def test_hours_stay_hours_of_utc() -> None:
    first = datetime(2024, 3, 29, tzinfo=UTC)
    panel = read([first + timedelta(hours=number) for number in range(100)]).panel
    assert (panel.frequency.name, panel.frequency.time_zone) == ("Hour", None)
    assert panel.times[0] == np.datetime64("2024-03-29T00:00")


def test_day_that_clocks_begin_an_hour_late_is_a_day() -> None:
    times = local_times(datetime(2018, 10, 20), timedelta(days=1), 30, "America/Sao_Paulo")
    assert datetime(2018, 11, 4, 3, tzinfo=UTC) in times  # at 01:00, as there was no midnight
    panel = read(times, zone="America/Sao_Paulo").panel
    assert panel.frequency.format_times(panel.times) == [str(date(2018, 10, 20) + timedelta(n)) for n in range(30)]
    moments = panel.frequency.to_moments(panel.times).tolist()
    assert moments == [each.replace(tzinfo=None) for each in times]


def test_time_of_day_that_clocks_skip_is_a_step() -> None:
    times = local_times(datetime(2024, 3, 20, 2, 30), timedelta(days=1), 20)
    panel = read(times).panel
    assert panel.frequency.name == "Day"
    assert panel.frequency.format_times(panel.times)[10:12] == ["2024-03-30T01:30:00Z", "2024-03-31T01:30:00Z"]


def test_irregular_times_of_a_zone_are_refused() -> None:
    times = local_times(datetime(2024, 3, 20), timedelta(days=1), 20)
    times[5] += timedelta(hours=5)
    with pytest.raises(Invalid) as caught:
        read(times)
    assert caught.value.code == "irregular_series"


def test_single_observation_is_read_on_the_clock_of_the_model() -> None:
    panel = read(local_times(datetime(2024, 3, 20), timedelta(days=1), 11)).panel
    times = local_times(datetime(2024, 3, 31), timedelta(days=1), 1)
    table = pa.table({"time": pa.array(times, pa.timestamp("us", "UTC")), "y": [1.0]})
    found = read_observations(table, target="y", time="time", series=None, frequency=panel.frequency).panel
    assert found.frequency == panel.frequency
    assert found.times.tolist() == [datetime(2024, 3, 31)]


def test_frequency_keeps_its_clock_as_json() -> None:
    frequency = Frequency.parse("Day").on_clock(BERLIN)
    assert Frequency.from_json(frequency.to_json()) == frequency
    before = {name: value for name, value in frequency.to_json().items() if name != "time_zone"}
    assert Frequency.from_json(before) == Frequency("day")
    assert Frequency.parse("Hour").on_clock(BERLIN).time_zone is None


def test_local_days_of_hours_have_23_and_25_hours() -> None:
    hour, day = Frequency("hour"), Frequency.parse("Day").on_clock(BERLIN)
    for last, lengths in (("2024-03-29T22", [24, 23, 24]), ("2024-10-25T21", [24, 25, 24])):
        found = day.count_bucket_steps(hour, np.datetime64(last), 3)
        assert (int(found.skipped), int(found.steps)) == (0, sum(lengths))
        times = hour.times_after(np.datetime64(last), sum(lengths))
        labels, counts = np.unique(day.bucket_labels(day.convert_times(times, hour)), return_counts=True)
        assert counts.tolist() == lengths
        assert day.format_times(labels)[1] in ("2024-03-31", "2024-10-27")
