"""Inference of a column's type, and of the order of day and month, from all of its values."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import parse_column, to_text
from dataml.contract.dates import DateOrder, InvalidValue, detect_date_order
from dataml.contract.types import DataType, parse_value

# Narrower than the parser: 007 and +49 are codes, 12.0 is a Float, and 19 digits may not fit.
_SPELLINGS: Final = {
    DataType.INTEGER: "^-?(0|[1-9][0-9]{0,17})$",
    DataType.FLOAT: r"^-?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$",
}
_BOOLEANS: Final = frozenset({"true", "false", "yes", "no"})
_WRITTEN_DATE: Final = r"^\s*[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]"
_PREFERENCE: Final = (
    DataType.INTEGER,
    DataType.FLOAT,
    DataType.BOOLEAN,
    DataType.DATE,
    DataType.TIMESTAMP,
)


class TypeInference:
    """The types that the values of one column allow, batch by batch, in constant memory."""

    def __init__(self, candidates: frozenset[DataType] = frozenset(_PREFERENCE)) -> None:
        self._candidates = set(candidates)
        self._orders: set[str] = set()
        self._has_text = False
        self._declared: set[DataType] = set()

    @property
    def date_order(self) -> DateOrder | None:
        """The one order that all values agree on; None when they leave it open, or contradict each other."""
        if "dmy" in self._orders:
            return None if "mdy" in self._orders else "dmy"
        return "mdy" if "mdy" in self._orders else None

    @property
    def data_type(self) -> DataType:
        """The narrowest type that holds every value seen; String when there were none."""
        if self._declared and not self._has_text:
            return _common_type(self._declared)
        if self._declared or not self._has_text:
            return DataType.STRING
        narrowest = next((kind for kind in _PREFERENCE if kind in self._candidates), DataType.STRING)
        is_ambiguous = narrowest.is_temporal and "either" in self._orders and self.date_order is None
        return DataType.STRING if is_ambiguous else narrowest

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account: text, or a plain Parquet type, which settles the type at once."""
        declared = _declared_type(cells.type)
        if declared is not None:
            self._declared.add(declared)
            return
        cells = pc.utf8_trim_whitespace(to_text(cells))
        cells = cells.filter(pc.fill_null(pc.greater(pc.binary_length(cells), 0), False))
        if not len(cells):
            return
        self._has_text = True
        self._candidates = {kind for kind in self._candidates if self._allows(kind, cells)}

    def add_date_orders(self, cells: pa.Array) -> None:
        """Take only the order of day and month in a batch into account."""
        cells = to_text(cells)
        dates = cells.filter(pc.fill_null(pc.match_substring_regex(cells, _WRITTEN_DATE), False))
        self._orders |= {order for text in dates.unique().to_pylist() if (order := detect_date_order(text))}

    def _allows(self, kind: DataType, cells: pa.Array) -> bool:
        if kind in _SPELLINGS:
            if not pc.all(pc.match_substring_regex(cells, _SPELLINGS[kind])).as_py():
                return False
            return not len(parse_column(cells, kind).invalid_rows)
        if kind is DataType.BOOLEAN:
            return _all_in(cells, _BOOLEANS)
        return self._all_dates(kind, cells)

    def _all_dates(self, kind: DataType, cells: pa.Array) -> bool:
        # The first cell rules most columns out without the others.
        if not _is_date(cells[0].as_py(), kind):
            return False
        if kind is DataType.DATE and pc.any(pc.match_substring(cells, ":")).as_py():
            return False  # a written time of day makes a Timestamp, midnight or not
        invalid_rows = parse_column(cells, kind, "dmy").invalid_rows
        if len(invalid_rows):
            invalid = cells.take(pa.array(invalid_rows)).unique().to_pylist()
            if not all(_is_date(text, kind) for text in invalid):
                return False
        self.add_date_orders(cells)
        return True


def _is_date(text: str, kind: DataType) -> bool:
    return any(_parses(text, kind, order) for order in ("dmy", "mdy"))


def _parses(text: str, kind: DataType, order: DateOrder) -> bool:
    try:
        parse_value(text, kind, order)
    except InvalidValue:
        return False
    return True


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
    if pa.types.is_integer(kind):
        return DataType.INTEGER
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return DataType.FLOAT
    if pa.types.is_boolean(kind):
        return DataType.BOOLEAN
    if pa.types.is_date(kind):
        return DataType.DATE
    return DataType.TIMESTAMP if pa.types.is_timestamp(kind) else None
