"""What all values of a column say together: which types they allow, and the order of day and month."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import parse_column, to_text
from dataml.contract.dates import DateOrder, InvalidValue, detect_date_order
from dataml.contract.types import DataType, parse_value

# Narrower than what the parser accepts: 007 and +49 are codes, 12.0 is a Float, and 19 digits may not fit.
_SPELLINGS: Final = {
    DataType.INTEGER: "^-?(0|[1-9][0-9]{0,17})$",
    DataType.FLOAT: r"^-?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$",
}
_BOOLEANS: Final = frozenset({"true", "false", "yes", "no"})
_WRITTEN_DATE: Final = r"^\s*[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]"
_BY_PREFERENCE: Final = (
    DataType.INTEGER,
    DataType.FLOAT,
    DataType.BOOLEAN,
    DataType.DATE,
    DataType.TIMESTAMP,
)


class TypeInference:
    """Fed every batch of one column, in turn; constant in size."""

    def __init__(self, candidates: frozenset[DataType] = frozenset(_BY_PREFERENCE)) -> None:
        self._candidates = set(candidates)
        self._orders: set[str] = set()
        self._seen_any = False
        self._typed: set[DataType] = set()

    @property
    def date_order(self) -> DateOrder | None:
        """The one order that all values agree on; None when they are silent, or contradict each other."""
        if "dmy" in self._orders:
            return None if "mdy" in self._orders else "dmy"
        return "mdy" if "mdy" in self._orders else None

    @property
    def data_type(self) -> DataType:
        """The narrowest type that holds every value seen; String when there were none."""
        if self._typed and not self._seen_any:
            return _common(self._typed)
        if self._typed or not self._seen_any:
            return DataType.STRING
        found = next((kind for kind in _BY_PREFERENCE if kind in self._candidates), DataType.STRING)
        undecided = found.is_temporal and "either" in self._orders and self.date_order is None
        return DataType.STRING if undecided else found

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account: text, or a plain Parquet type, which settles the type at once."""
        typed = _declared(cells.type)
        if typed is not None:
            self._typed.add(typed)
            return
        cells = pc.utf8_trim_whitespace(to_text(cells))
        cells = cells.filter(pc.fill_null(pc.greater(pc.binary_length(cells), 0), False))
        if not len(cells):
            return
        self._seen_any = True
        self._candidates = {kind for kind in self._candidates if self._allows(kind, cells)}

    def add_orders(self, cells: pa.Array) -> None:
        """Take only the order of day and month into account."""
        cells = to_text(cells)
        written = cells.filter(pc.fill_null(pc.match_substring_regex(cells, _WRITTEN_DATE), False))
        self._orders |= {found for text in written.unique().to_pylist() if (found := detect_date_order(text))}

    def _allows(self, kind: DataType, cells: pa.Array) -> bool:
        if kind in _SPELLINGS:
            if not pc.all(pc.match_substring_regex(cells, _SPELLINGS[kind])).as_py():
                return False
            return not len(parse_column(cells, kind).rows)
        if kind is DataType.BOOLEAN:
            return _all_in(cells, _BOOLEANS)
        return self._all_dates(kind, cells)

    def _all_dates(self, kind: DataType, cells: pa.Array) -> bool:
        # One look at the first cell spares the rest in most columns.
        if not _is_date(cells[0].as_py(), kind):
            return False
        if kind is DataType.DATE and pc.any(pc.match_substring(cells, ":")).as_py():
            return False  # a written time of day makes a Timestamp, midnight or not
        parsed = parse_column(cells, kind, "dmy")
        if len(parsed.rows):
            refused = cells.take(pa.array(parsed.rows)).unique().to_pylist()
            if not all(_is_date(text, kind) for text in refused):
                return False
        self.add_orders(cells)
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


def _common(types: set[DataType]) -> DataType:
    if types == {DataType.INTEGER, DataType.FLOAT}:
        return DataType.FLOAT
    return next(iter(types)) if len(types) == 1 else DataType.STRING


def _declared(kind: pa.DataType) -> DataType | None:
    """The type that a Parquet column's own type says; None for text and for a column of nulls, which say nothing."""
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
