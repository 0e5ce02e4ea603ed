"""The time zone of a column of timestamps, as all of its values show it, and warnings about what they leave open."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import drop_missing, parse_column, select_texts
from dataml.contract.contract import Column
from dataml.contract.dates import find_offset
from dataml.contract.files.parquet_types import is_text
from dataml.contract.local_times import find_repeated
from dataml.contract.time_zones import is_time_zone, is_utc
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning

_CLOCK: Final = "[0-9][Tt:][0-9]{2}"
# The end of a text that may name a zone: an offset, a letter, a name in brackets, or a year behind the name.
_MAY_NAME_ZONE: Final = r"(?:[+-][0-9]{2}(?::?[0-9]{2})?|[A-Za-z\])]|[A-Z]{2,4}\s+[0-9]{4})$"
_HALF_OF_DAY: Final = r"[AaPp]\.?[Mm]\.?$"
_OFFSET: Final = "(?P<offset>[+-][0-9]{2}:?[0-9]{2}|[Zz])$"
_NAIVE: Final = pa.timestamp("us")
_PROBE_ROWS: Final = 1_000
_MAX_DISTINCT: Final = 20
"""Offsets of a column that are remembered: no zone has as many."""


class ZoneEvidence:
    """The zones that the timestamps of a column name, batch by batch, in constant memory."""

    def __init__(self) -> None:
        self._zones: dict[str, None] = {}
        self._local = 0

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account: text, or timestamps of Parquet; other types show nothing."""
        kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
        if pa.types.is_timestamp(kind):
            count = len(cells) - cells.null_count
            if kind.tz is None:
                self._local += count
            elif count:
                self._add_zone(kind.tz)
        elif not is_text(kind) or (self._local and len(self._zones) > 1):
            return
        elif _names_no_zone(cells):
            self._local += pc.sum(pc.match_substring(cells, ":")).as_py() or 0
        else:
            self._add_texts(drop_missing(select_texts(cells), ANY_FORMAT))

    @property
    def time_zone(self) -> str | None:
        """The zone that all values name; None where it is UTC, where they name several, and where one names none."""
        zones = list(self._zones)
        if len(zones) != 1 or self._local or is_utc(zones[0]) or not is_time_zone(zones[0]):
            return None
        return zones[0]

    def find_warning(self, name: str) -> DataWarning | None:
        """Return the warning about a column of this name whose values name several zones, or one only in part."""
        zones = sorted(self._zones)
        unknown = [zone for zone in zones if not is_time_zone(zone)]
        if not zones or self.time_zone is not None or (len(zones) == 1 and is_utc(zones[0])):
            return None
        listed = ", ".join(zones[:MAX_EXAMPLES]) + (", ..." if len(zones) > MAX_EXAMPLES else "")
        if unknown:
            problem = f"`{name}` names a time zone that is not known ({unknown[0][:60]})"
        elif len(zones) > 1:
            problem = f"The values of `{name}` have different offsets from UTC ({listed})"
        else:
            problem = f"The values of `{name}` have an offset from UTC ({listed})"
        without = "; those without one are read as times in UTC" if self._local else ""
        message = (
            f"{problem}{without}. They are kept as moments, and days, weekdays and hours are those of UTC. If they are "
            "of one place, upload with a template in which the column has its time_zone, such as Europe/Berlin."
        )
        return DataWarning("mixed_offsets", message, name, None, tuple(zones[:MAX_EXAMPLES]))

    def _add_texts(self, texts: pa.Array) -> None:
        texts = texts.filter(pc.match_substring_regex(texts, _CLOCK))
        named = texts.filter(_may_name_zone(texts))
        self._local += len(texts) - len(named)
        if not len(named):
            return
        has_offset = pc.match_substring_regex(named, _OFFSET)
        offsets = pc.extract_regex(named.filter(has_offset), _OFFSET).field("offset")
        for offset in offsets.unique().to_pylist():
            self._add_zone(_normalize(offset))
        others = named.filter(pc.invert(has_offset)).unique()
        for text in others.to_pylist():
            zone = find_offset(text)
            if zone is None:
                self._local += 1
            else:
                self._add_zone(zone)

    def _add_zone(self, zone: str) -> None:
        zone = "UTC" if is_utc(zone) else zone
        if len(self._zones) < _MAX_DISTINCT:
            self._zones[zone] = None


class RepeatedTimes:
    """How many local times of a column with a time zone its clock shows twice, in constant memory."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self._count = 0
        self._examples: dict[str, None] = {}

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        zone = self._column.time_zone
        kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
        if zone is None or not len(cells) or (pa.types.is_timestamp(kind) and kind.tz is not None):
            return
        if is_text(kind):
            cells = select_texts(cells)
            cells = cells.filter(pc.invert(_may_name_zone(cells)))
        moments = parse_column(cells, DataType.TIMESTAMP, self._column.value_format).values
        values = moments.cast(pa.int64()).fill_null(0).to_numpy()
        is_repeated = find_repeated(values, zone) & moments.is_valid().to_numpy(zero_copy_only=False)
        self._count += int(is_repeated.sum())
        rows = np.flatnonzero(is_repeated)[:MAX_EXAMPLES]
        for text in cells.take(pa.array(rows)).to_pylist():
            if len(self._examples) < MAX_EXAMPLES:
                self._examples[str(text)] = None

    @property
    def warning(self) -> DataWarning | None:
        """What to know of these times; None where there are none."""
        if not self._count:
            return None
        examples = tuple(self._examples)
        message = (
            f"{self._count:,} values of `{self._column.name}`, such as {examples[0]}, are in an hour that clocks in "
            f"{self._column.time_zone} show twice, and are read as the first of the two. Write them with an offset, "
            "such as 2024-10-27T02:30:00+01:00, to tell them apart."
        )
        return DataWarning("repeated_local_times", message, self._column.name, self._count, examples)


def _names_no_zone(cells: pa.Array) -> bool:
    """Return whether all cells are times without a zone in the usual spelling, which Arrow reads much faster."""
    if not pa.types.is_string(cells.type):
        return False
    try:
        cells.slice(0, _PROBE_ROWS).cast(_NAIVE)  # Arrow words an error for each bad cell: slow
        cells.cast(_NAIVE)
    except pa.ArrowInvalid:
        return False
    return True


def _may_name_zone(texts: pa.Array) -> pa.BooleanArray:
    is_half = pc.match_substring_regex(texts, _HALF_OF_DAY)
    return pc.and_(pc.match_substring_regex(texts, _MAY_NAME_ZONE), pc.invert(is_half))


def _normalize(offset: str) -> str:
    """Return an offset as +HH:MM, and UTC for Z."""
    return "UTC" if offset in "Zz" else f"{offset[:3]}:{offset[-2:]}"
