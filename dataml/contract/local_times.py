"""Arrays of moments as local times of a zone, and back, with the results of `time_zones` for each.

The changes of a zone's offset come from `zoneinfo`, not from Arrow, which has no copy of the time zone database where
the system has none.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from dataml.contract.time_zones import find_time_zone

Microseconds = np.ndarray[Any, np.dtype[np.int64]]

MICROSECOND_RANGE: Final = (-62135596800000000, 253402300799999999)
"""The years 1 to 9999, which Python and pandas share, in microseconds since 1970."""
DAY_US: Final = 86_400_000_000
_SECOND_US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Tables are made for whole spans of these years, so that few are made. No zone has a change before the second span, and
# from 2100 on rules are the same every 400 years, after which days of the week repeat.
_YEARS: Final = ((1900, 2100), (1840, 2500))
_CYCLE_US: Final = 146_097 * DAY_US
_PROBE_S: Final = 7 * 86_400  # shorter than any two changes of an offset that cancel out


class _Changes(NamedTuple):
    """The moments when the offset of a zone changes, (changes,), and its offsets, (changes + 1,), in microseconds."""

    moments: Microseconds
    offsets: Microseconds

    def find_offsets(self, moments: Microseconds) -> Microseconds:
        """Return the offset at each moment."""
        return self.offsets[np.searchsorted(self.moments, moments, side="right")]


class Moments(NamedTuple):
    """Moments of local times, in microseconds, and which of these clocks were put forward over: (rows,) both."""

    moments: Microseconds
    is_skipped: np.ndarray[Any, np.dtype[np.bool_]]


def to_local_times(moments: Microseconds, zone: str) -> Microseconds:
    """Return local times of a zone as microseconds since 1970 on its clock, (rows,), of moments in microseconds.

    Those beyond the years 1 to 9999 stay in UTC, as by `time_zones.to_local`.
    """
    changes, folded = _find_changes(moments, zone)
    local = moments + changes.find_offsets(folded)
    low, high = MICROSECOND_RANGE
    return np.where((local < low) | (local > high), moments, local)


def to_moments(local: Microseconds, zone: str) -> Moments:
    """Return the moments of local times, (rows,), by the rules of `time_zones.to_utc`.

    A skipped time is moved forward by as much as the clocks were.
    """
    changes, folded = _find_changes(local, zone)
    # Up to the later of the two local times at a change, the offset before it is taken: the first of two equal times,
    # and in a gap the one that moves the time forward.
    ends = changes.moments + np.maximum(changes.offsets[:-1], changes.offsets[1:])
    offsets = changes.offsets[np.searchsorted(ends, folded, side="right")]
    is_skipped = (changes.find_offsets(folded - offsets) != offsets) & (np.remainder(local, DAY_US) != 0)
    return Moments(local - offsets, is_skipped)


def find_repeated(moments: Microseconds, zone: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which moments, (rows,), are on the clock of a zone once more later on."""
    changes, folded = _find_changes(moments, zone)
    if not len(changes.moments):
        return np.zeros(len(moments), bool)
    following = np.minimum(np.searchsorted(changes.moments, folded, side="right"), len(changes.moments) - 1)
    until = changes.moments[following] - folded
    return (until > 0) & (until <= changes.offsets[following] - changes.offsets[following + 1])


def _find_changes(times: Microseconds, zone: str) -> tuple[_Changes, Microseconds]:
    """Return the changes of a zone, and the times moved into the years of these, by whole cycles of their rules."""
    low, high = (int(times.min()), int(times.max())) if len(times) else (0, 0)
    (first, last), wide = _YEARS
    if _year_start(first) <= low and high < _year_start(last):
        return _list_changes(zone, first, last), times
    changes, end = _list_changes(zone, *wide), _year_start(wide[1])
    if high < end:
        return changes, times
    cycles = np.maximum((times - end) // _CYCLE_US + 1, 0)
    return changes, times - cycles * _CYCLE_US


@lru_cache(256)
def _list_changes(zone: str, first: int, last: int) -> _Changes:
    """Return the changes of a zone from one year to another, found by bisection between weekly probes."""
    rules = find_time_zone(zone)

    def offset(second: int) -> int:
        found = (_EPOCH + timedelta(seconds=second)).astimezone(rules).utcoffset()
        return 0 if found is None else found // timedelta(microseconds=1)

    probes = range(_year_start(first) // _SECOND_US, _year_start(last) // _SECOND_US + _PROBE_S, _PROBE_S)
    offsets = [offset(second) for second in probes]
    moments, kept = [], offsets[:1]
    for low, before, high, after in zip(probes, offsets, probes[1:], offsets[1:], strict=False):
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        moments.append(high * _SECOND_US)
        kept.append(after)
    return _Changes(np.array(moments, np.int64), np.array(kept, np.int64))


def _year_start(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
