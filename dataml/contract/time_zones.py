"""Time zones of columns: their names, and local times of a zone as moments.

Plain Python, since exported models read values by it, too.
"""

import re
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

# A name of the IANA database; files that are no zones of their own have other names, such as `posix/Europe/Berlin`.
_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_+-]*(?:/[A-Z][A-Za-z0-9_+-]*){0,2}")
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):([0-5][0-9])")
_MAX_OFFSET_HOURS: Final = 23
_NO_ZONES: Final = frozenset({"Factory"})
_UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Etc/Universal", "Universal", "Etc/Zulu", "Zulu"})


class UnknownTimeZone(ValueError):
    """A text that names no time zone."""


class SkippedTime(ValueError):
    """A local time that does not exist, as clocks were put forward over it."""


@lru_cache(1_024)
def find_time_zone(name: str) -> tzinfo:
    """Return the zone of an IANA name such as `Europe/Berlin`, or of an offset from UTC such as `+02:00`.

    Raises:
        UnknownTimeZone: there is no such zone.
    """
    if match := _OFFSET.fullmatch(name):
        hours, minutes = int(match[2]), int(match[3])
        if hours <= _MAX_OFFSET_HOURS:
            return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if match[1] == "-" else 1))
    elif _NAME.fullmatch(name) and name not in _NO_ZONES:
        try:
            return UTC if name in _UTC_NAMES else ZoneInfo(name)
        except (ValueError, OSError, LookupError):  # what `zoneinfo` raises for names that are none, or are folders
            pass
    raise UnknownTimeZone(name)


def is_time_zone(name: str) -> bool:
    """Return whether a text names a zone."""
    try:
        find_time_zone(name)
    except UnknownTimeZone:
        return False
    return True


def is_utc(name: str) -> bool:
    """Return whether a zone is UTC by its name."""
    return name in _UTC_NAMES or name in ("+00:00", "-00:00")


def to_utc(local: datetime, name: str | None) -> datetime:
    """Return the moment of a naive local time, aware and in UTC; without a zone it is in UTC.

    A time that the clock shows twice is the first of the two, as in iCalendar (RFC 5545). A day that begins where
    clocks are put forward over midnight begins at its first moment.

    Raises:
        UnknownTimeZone: as `find_time_zone`.
        SkippedTime: clocks were put forward over it.
        OverflowError: the moment is before the year 1 or after the year 9999.
    """
    if name is None:
        return local.replace(tzinfo=UTC)
    zone = find_time_zone(name)
    moment = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if local.time() != time() and moment.astimezone(zone).replace(tzinfo=None, fold=0) != local:
        raise SkippedTime(str(local))
    return moment


def to_local(moment: datetime, zone: tzinfo) -> datetime:
    """Return an aware moment on the clock of a zone; in UTC where that is beyond the years 1 to 9999."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)
