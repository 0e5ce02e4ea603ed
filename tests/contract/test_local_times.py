from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from dataml.contract.local_times import find_repeated, to_local_times, to_moments
from dataml.contract.time_zones import SkippedTime, UnknownTimeZone, find_time_zone, to_local, to_utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [
    *("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe"),
    *("Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "Europe/Dublin", "UTC", "+05:30", "-03:00"),
]


def microseconds(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def local_by_zoneinfo(moments: np.ndarray, zone: str) -> list[int]:
    rules = find_time_zone(zone)
    return [microseconds(to_local(EPOCH + timedelta(microseconds=each), rules)) for each in moments.tolist()]


@pytest.mark.parametrize("zone", ZONES)
def test_moments_are_the_local_times_of_zoneinfo(zone: str) -> None:
    generator = np.random.default_rng(7)
    recent = generator.integers(microseconds(datetime(1901, 1, 1)), microseconds(datetime(2099, 1, 1)), 1_000)
    ever = generator.integers(microseconds(datetime(1, 1, 1)), microseconds(datetime(9999, 12, 31, 23)), 1_000)
    for moments in (recent, np.append(ever, [microseconds(datetime(1, 1, 1)), microseconds(datetime.max)])):
        assert to_local_times(moments, zone).tolist() == local_by_zoneinfo(moments, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_around_every_change_are_the_moments_of_one_value(zone: str) -> None:
    days = np.arange(microseconds(datetime(2009, 1, 1)), microseconds(datetime(2026, 1, 1)), 86_400_000_000)
    offsets = to_local_times(days, zone) - days
    changes = days[1:][np.diff(offsets) != 0]
    quarters = np.arange(-2 * 86_400_000_000, 86_400_000_000, 900_000_000)
    local = (changes[:, None] + quarters).ravel() if len(changes) else days
    found = to_moments(local, zone)
    for time, moment, is_skipped in zip(local.tolist(), *(each.tolist() for each in found), strict=True):
        naive = (EPOCH + timedelta(microseconds=time)).replace(tzinfo=None)
        if is_skipped:
            with pytest.raises(SkippedTime):
                to_utc(naive, zone)
        else:
            assert microseconds(to_utc(naive, zone)) == moment, naive


def test_time_that_clocks_show_twice_is_the_first() -> None:
    assert to_utc(datetime(2024, 10, 27, 2, 30), "Europe/Berlin") == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    halves = np.arange(microseconds(datetime(2024, 10, 26, 22)), microseconds(datetime(2024, 10, 27, 4)), 1_800_000_000)
    # 00:00 and 00:30 in UTC are 02:00 and 02:30 in Berlin; so are 01:00 and 01:30.
    assert halves[find_repeated(halves, "Europe/Berlin")].tolist() == [
        microseconds(datetime(2024, 10, 27)),
        microseconds(datetime(2024, 10, 27, 0, 30)),
    ]
    assert not find_repeated(halves, "+02:00").any()


def test_day_whose_midnight_is_skipped_begins_at_its_first_moment() -> None:
    midnight = datetime(2018, 11, 4)  # in Brazil clocks went from 23:59 to 01:00
    assert to_utc(midnight, "America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)
    found = to_moments(np.array([microseconds(midnight)]), "America/Sao_Paulo")
    assert (found.moments.tolist(), found.is_skipped.tolist()) == ([microseconds(datetime(2018, 11, 4, 3))], [False])


@pytest.mark.parametrize(
    "name",
    [
        *("", "Berlin", "europe/berlin", "Europe", "Europe/", "../etc/passwd", "/etc/passwd", "posix/Europe/Berlin"),
        *("localtime", "Factory", "+2", "+24:00", "+02:60", "GMT+2", "Europe/Berlin\n", "\ud800", "A" * 300),
    ],
)
def test_text_that_names_no_zone_is_unknown(name: str) -> None:
    with pytest.raises(UnknownTimeZone):
        find_time_zone(name)
