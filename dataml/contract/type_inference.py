"""Inference of a column's type, and of the order of day and month, from all of its values."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import drop_missing, parse_column, select_texts, to_text
from dataml.contract.date_orders import DateOrders
from dataml.contract.dates import DateOrder, InvalidValue
from dataml.contract.numbers import list_readings
from dataml.contract.periods import is_season
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT, ValueFormat
from dataml.contract.values import parse_value
from dataml.contract.zone_evidence import ZoneEvidence

# Narrower than the parser: 007 and +49 are codes, 12.0 is a Float, and 19 digits may not fit.
_SPELLINGS: Final = {
    DataType.INTEGER: "^-?(0|[1-9][0-9]{0,17})$",
    DataType.FLOAT: r"^-?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$",
}
_BOOLEANS: Final = frozenset({"true", "false", "yes", "no"})
_WRITTEN_DATE: Final = r"^\s*[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]"
# Eight digits are a day in these centuries, or a number; with four or six more they are a time of it.
_COMPACT_DATE: Final = "^(19|20)[0-9]{6}([0-9]{4}|[0-9]{6})?$"
_COMPACT_DAY: Final = "^[0-9]{8}$"
_PREFERENCE: Final = (
    DataType.INTEGER,
    DataType.FLOAT,
    DataType.BOOLEAN,
    DataType.DATE,
    DataType.TIMESTAMP,
)
_GROUPED: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")

NULL_MARK: Final = "\\N"
"""How PostgreSQL, MySQL and Snowflake write a null in a file: it is no text, not even in a String."""

_SAMPLE_SIZE: Final = 200
_FIRST_CELLS: Final = 20
_LIKELY_SHARE: Final = 0.5
"""Share of numbers or dates in a sample from which on all values of a text column are counted."""


class TypeInference:
    """The types that the values of one column allow, batch by batch, in constant memory.

    In text, the markers of missing values are missing, unless the column is a String.
    """

    def __init__(self, candidates: frozenset[DataType] = frozenset(_PREFERENCE)) -> None:
        self._candidates = set(candidates)
        self._orders = DateOrders()
        self.zones = ZoneEvidence()
        self._has_text = False
        self._declared: set[DataType] = set()
        self._has_fraction = False
        self._exceeds_int64 = False
        self._sample: list[str] = []
        self.has_null_mark = False
        self._seasons: set[str] | None = set()

    @property
    def date_order(self) -> DateOrder | None:
        """The one order that all values agree on; None when they leave it open, or contradict each other."""
        return self._orders.order

    @property
    def data_type(self) -> DataType:
        """The narrowest type that holds every value seen; String when there were none."""
        if self._declared and not self._has_text:
            declared = _common_type(self._declared | ({DataType.FLOAT} if self._has_fraction else set()))
            return DataType.STRING if declared is DataType.INTEGER and self._exceeds_int64 else declared
        if self._declared or not self._has_text:
            return DataType.STRING
        if self.has_only_digits:  # all values are written as 20240131
            return self._temporal_type or DataType.STRING
        narrowest = next((kind for kind in _PREFERENCE if kind in self._candidates), DataType.STRING)
        is_open = narrowest.is_temporal and (self.has_open_order or self.are_seasons)
        return DataType.STRING if is_open else narrowest

    @property
    def has_only_digits(self) -> bool:
        """Whether all values are days or times that are written as digits, 20240131."""
        return DataType.INTEGER in self._candidates and self._temporal_type is not None and self._has_text

    @property
    def are_seasons(self) -> bool:
        """Whether all values of a text column can be a year and the next one, 2009/10, and there are several."""
        return self._temporal_type is not None and self._seasons is not None and len(self._seasons) > 1

    @property
    def has_open_order(self) -> bool:
        """Whether a date reads in several ways and no other value shows the order."""
        return self._orders.is_open

    @property
    def has_both_orders(self) -> bool:
        """Whether some dates have the day first, some the month, and some read both ways."""
        return self._orders.are_both and self._temporal_type is not None

    @property
    def open_date_type(self) -> DataType | None:
        """The type of a text column whose values are all dates but for the order, which they leave open; else None."""
        return self._temporal_type if self.leaves_order_open and not self._declared else None

    @property
    def leaves_order_open(self) -> bool:
        """Whether dates can have the day or the month first, nothing shows which, and no year rather comes first."""
        return self.has_open_order and not self.has_both_orders and not self._orders.may_lead_with_year

    @property
    def may_be_grouped(self) -> bool:
        """Whether all points in a text column of plain numbers may stand between thousands: 12.500."""
        pointed = self._pointed_texts
        return bool(pointed) and all(map(_GROUPED.fullmatch, pointed))

    @property
    def shows_decimal_point(self) -> bool:
        """Whether a point in a text column of plain numbers can only be the decimal one: 0.35."""
        return not all(map(_GROUPED.fullmatch, self._pointed_texts))

    @property
    def _pointed_texts(self) -> list[str]:
        is_plain = self._has_text and self.data_type is DataType.FLOAT
        return [text for text in self._sample if "." in text] if is_plain else []

    @property
    def _temporal_type(self) -> DataType | None:
        """The narrowest type of dates that the values allow."""
        return next((kind for kind in (DataType.DATE, DataType.TIMESTAMP) if kind in self._candidates), None)

    @property
    def may_be_numbers(self) -> bool:
        """Whether many values of a text column are numbers in any spelling."""
        return self._has_text and _share(self._sample, lambda text: bool(list_readings(text))) >= _LIKELY_SHARE

    @property
    def may_be_dates(self) -> bool:
        """Whether many values of a text column are dates in any spelling."""
        return self._has_text and _share(self._sample, lambda text: _is_date(text, DataType.TIMESTAMP)) >= _LIKELY_SHARE

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account: text, or a plain Parquet type, which settles the type at once."""
        declared = _declared_type(cells.type)
        if declared is not None:
            self._add_exact(cells)
            self.zones.add(cells)
            self._declared.add(declared)
            return
        cells = to_text(cells)
        self.has_null_mark = self.has_null_mark or bool(pc.any(pc.equal(cells, NULL_MARK)).as_py())
        if self._has_text and not self._candidates:
            return
        cells = select_texts(cells)
        if not len(cells):
            return
        allowed = {kind for kind in self._candidates if self._allows(kind, cells)}
        if self._candidates and not allowed:
            cells = drop_missing(cells, ANY_FORMAT)
            allowed = {kind for kind in self._candidates if self._allows(kind, cells)} if len(cells) else None
        self._has_text = self._has_text or bool(len(cells))
        if len(self._sample) < _SAMPLE_SIZE and len(cells):
            positions = np.linspace(0, len(cells) - 1, min(len(cells), _SAMPLE_SIZE)).astype(np.int64)
            self._sample += cells.take(pa.array(positions)).to_pylist()
        self._candidates = self._candidates if allowed is None else allowed

    def _add_exact(self, cells: pa.Array) -> None:
        """Take into account which values of a decimal or unsigned column a 64-bit integer does not hold."""
        kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
        if not pa.types.is_decimal(kind) and not pa.types.is_uint64(kind):
            return
        cells = cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells
        extremes = pc.min_max(cells)
        lowest, highest = extremes["min"].as_py(), extremes["max"].as_py()
        if lowest is None:
            return
        self._exceeds_int64 |= not (lowest >= -(2**63) and highest < 2**63)
        if pa.types.is_decimal(kind) and kind.scale > 0 and not self._has_fraction:
            self._has_fraction = pc.any(pc.match_substring(to_text(cells), ".")).as_py()

    def add_date_orders(self, cells: pa.Array) -> None:
        """Take only the order of day and month in a batch into account."""
        cells = to_text(cells)
        dates = cells.filter(pc.fill_null(pc.match_substring_regex(cells, _WRITTEN_DATE), False))
        for text in dates.unique().to_pylist():
            self._orders.add(text)

    def _allows(self, kind: DataType, cells: pa.Array) -> bool:
        if kind in _SPELLINGS:
            if not pc.all(pc.match_substring_regex(cells, _SPELLINGS[kind])).as_py():
                return False
            return not len(parse_column(cells, kind).invalid_rows)
        if kind is DataType.BOOLEAN:
            return _all_in(cells, _BOOLEANS)
        return self._all_dates(kind, cells)

    def _all_dates(self, kind: DataType, cells: pa.Array) -> bool:
        # The first cells rule most columns out without the others: 1.2015 alone may be a month.
        first = cells[0].as_py()
        if not all(_is_date(text, kind) for text in cells.slice(0, _FIRST_CELLS).to_pylist()):
            return False
        if first.isdigit() and not pc.all(pc.match_substring_regex(cells, _COMPACT_DATE)).as_py():
            return False
        if kind is DataType.DATE:
            # A written time of day makes a Timestamp, midnight or not.
            if pc.any(pc.match_substring(cells, ":")).as_py():
                return False
            if first.isdigit() and not pc.all(pc.match_substring_regex(cells, _COMPACT_DAY)).as_py():
                return False
        invalid_rows = parse_column(cells, kind, ValueFormat("dmy")).invalid_rows
        if len(invalid_rows):
            invalid = cells.take(pa.array(invalid_rows)).unique().to_pylist()
            if not all(_is_date(text, kind) for text in invalid):
                return False
        self.add_date_orders(cells)
        self._add_seasons(cells)
        if kind is DataType.TIMESTAMP:
            self.zones.add(cells)
        return True

    def _add_seasons(self, cells: pa.Array) -> None:
        """Take into account whether dates can be seasons; of a column whose first ones are none, only these."""
        if self._seasons is None:
            return
        first = cells.slice(0, _FIRST_CELLS).to_pylist()
        distinct = cells.unique().to_pylist() if all(map(is_season, first)) else first
        self._seasons = self._seasons | set(distinct[:2]) if all(map(is_season, distinct)) else None


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts) if texts else 0.0


def _is_date(text: str, kind: DataType) -> bool:
    return any(_parses(text, kind, order) for order in ("dmy", "mdy", "ymd"))


def _parses(text: str, kind: DataType, order: DateOrder) -> bool:
    try:
        return parse_value(text, kind, ValueFormat(order)) is not None
    except InvalidValue:
        return False


def _all_in(cells: pa.Array, words: frozenset[str]) -> bool:
    first = cells[0].as_py().strip().lower()
    return first in words and all(text.strip().lower() in words for text in cells.unique().to_pylist())


def _common_type(types: set[DataType]) -> DataType:
    if types == {DataType.INTEGER, DataType.FLOAT}:
        return DataType.FLOAT
    return next(iter(types)) if len(types) == 1 else DataType.STRING


def _declared_type(kind: pa.DataType) -> DataType | None:
    """Return the type that a Parquet column declares; None for text and nulls, which leave it open."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return DataType.INTEGER  # unless the values have fractions, or do not fit
    if pa.types.is_floating(kind):
        return DataType.FLOAT
    if pa.types.is_boolean(kind):
        return DataType.BOOLEAN
    if pa.types.is_date(kind):
        return DataType.DATE
    return DataType.TIMESTAMP if pa.types.is_timestamp(kind) else None
