"""Values of predictions that the training has not seen: unseen categories, and numbers outside its range."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.types import DataType
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning
from dataml.ml.encoding import EncodedColumn
from dataml.ml.feature_ranges import Range
from dataml.ml.labels import shorten

_BOOLEAN_TEXTS: Final = (("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("0", "1"))
_DIGITS: Final = ("0", "1")


class InputChecks:
    """What a model knows of the values of its features.

    Categories are known where the training dataset had at most 255 different values, and ranges in bundles that record
    them.
    """

    def __init__(self, layout: Iterable[EncodedColumn], ranges: Mapping[str, Range] | None) -> None:
        self.ranges = tuple((name, low, high) for name, (low, high) in (ranges or {}).items())
        # With None among the known values, a missing one costs no comparison of its own.
        self.categories = tuple(
            (column.source, _typed_vocabulary(column) | {None})
            for column in layout
            if column.is_categorical and not column.has_other
        )

    def check_row(self, values: Mapping[str, Any]) -> list[DataWarning] | None:
        """Return warnings about one row of typed values; None, and not an empty list, where there are none."""
        warnings: list[DataWarning] | None = None
        for name, low, high in self.ranges:
            value = values[name]
            if value is not None and not low <= value <= high:
                warnings = [*(warnings or ()), _warn_of_number(name, value, low, high)]
        for name, known in self.categories:
            if values[name] not in known:
                warnings = [*(warnings or ()), _warn_of_category(name, values[name])]
        return warnings


@dataclass
class _Count:
    """The number of some values, and the first different ones of them, as text."""

    count: int = 0
    examples: dict[str, None] = field(default_factory=dict)

    def add(self, values: pa.ChunkedArray) -> None:
        is_full = len(self.examples) == MAX_EXAMPLES
        self.merge(len(values), () if is_full else (shorten(str(value.as_py())) for value in pc.unique(values)))

    def merge(self, count: int, texts: Iterable[str]) -> None:
        self.count += count
        for text in texts:
            if len(self.examples) == MAX_EXAMPLES:
                return
            self.examples[text] = None


InputCounts = dict[str, dict[str, tuple[int, list[str]]]]
"""The number and the examples of the values `outside` and `unseen` of each column; plain JSON."""


class InputCounter:
    """Counts over tables of typed values, of any number of rows.

    The warnings depend on the rows and on their order alone, not on how they are divided into tables.
    """

    def __init__(self, checks: InputChecks) -> None:
        self._ranges = checks.ranges
        self._categories = [
            (name, pa.array(sorted(value for value in known if value is not None))) for name, known in checks.categories
        ]
        self._outside: dict[str, _Count] = {}
        self._unseen: dict[str, _Count] = {}

    def add(self, table: pa.Table) -> None:
        """Count the values of a table."""
        if not table.num_rows:
            return
        for name, low, high in self._ranges:
            column = table.column(name)
            extremes = pc.min_max(column).as_py()
            if extremes["min"] is not None and (extremes["min"] < low or extremes["max"] > high):
                outside = pc.or_(pc.less(column, low), pc.greater(column, high))
                self._outside.setdefault(name, _Count()).add(column.filter(outside))
        for name, known in self._categories:
            column = table.column(name).drop_null()
            unseen = column.filter(pc.invert(pc.is_in(column, value_set=known)))
            if len(unseen):
                self._unseen.setdefault(name, _Count()).add(unseen)

    def counts(self) -> InputCounts:
        """Return the counts, for the `merge` of another counter."""
        return {"outside": _to_json(self._outside), "unseen": _to_json(self._unseen)}

    def merge(self, counts: InputCounts) -> None:
        """Add the counts of rows that follow those of this counter."""
        for mine, theirs in ((self._outside, counts["outside"]), (self._unseen, counts["unseen"])):
            for name, (count, examples) in theirs.items():
                mine.setdefault(name, _Count()).merge(count, examples)

    def warnings(self) -> tuple[DataWarning, ...]:
        """Return a warning for each column with such values, in the order of the model's features."""
        outside, unseen = self._outside, self._unseen
        numbers = [
            _warn_of_numbers(name, outside[name], low, high) for name, low, high in self._ranges if name in outside
        ]
        return (*numbers, *(_warn_of_categories(name, unseen[name]) for name, _ in self._categories if name in unseen))


def _to_json(counts: Mapping[str, _Count]) -> dict[str, tuple[int, list[str]]]:
    return {name: (each.count, list(each.examples)) for name, each in counts.items()}


def find_boolean_texts(layout: Iterable[EncodedColumn]) -> dict[str, tuple[str, str]]:
    """Return how text features spelled false and true in the training, for those that did in one way only."""
    return {
        column.source: texts
        for column in layout
        if column.is_categorical
        and column.data_type is DataType.STRING
        and (texts := _boolean_texts(column.vocabulary)) is not None
    }


def _boolean_texts(vocabulary: tuple[str, ...]) -> tuple[str, str] | None:
    pairs: list[tuple[str, str]] = []
    for family in _BOOLEAN_TEXTS:
        spellings = [[text for text in vocabulary if text.lower() == member] for member in family]
        is_number = family == _DIGITS and any(text.isdigit() and text not in _DIGITS for text in vocabulary)
        if all(len(each) == 1 for each in spellings) and not is_number:
            pairs.append((spellings[0][0], spellings[1][0]))
    return pairs[0] if len(pairs) == 1 else None


def _typed_vocabulary(column: EncodedColumn) -> frozenset[Any]:
    is_integer = column.data_type is DataType.INTEGER
    return frozenset(int(text) if is_integer else text for text in column.vocabulary)


def _format_number(value: float) -> str:
    """Return a number with the digits that tell it from its neighbours: ids and times have many."""
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def _warn_of_number(name: str, value: float, low: float, high: float) -> DataWarning:
    value_text, low_text, high_text = map(_format_number, (value, low, high))
    message = f"'{name}' is {value_text}; the training dataset had values from {low_text} to {high_text}."
    return DataWarning("out_of_range", message, name, 1, (str(value),))


def _warn_of_numbers(name: str, each: _Count, low: float, high: float) -> DataWarning:
    rows = f"{each.count:,} rows" if each.count > 1 else "one row"
    span = f"{_format_number(low)} to {_format_number(high)}"
    message = f"'{name}' is outside the range of the training dataset, {span}, in {rows}."
    return DataWarning("out_of_range", message, name, each.count, tuple(each.examples))


def _warn_of_category(name: str, value: object) -> DataWarning:
    text = shorten(str(value))
    message = f"'{name}' is '{text}', which the training has not seen; the model takes it as missing."
    return DataWarning("unseen_category", message, name, 1, (text,))


def _warn_of_categories(name: str, each: _Count) -> DataWarning:
    rows = f"{each.count:,} rows" if each.count > 1 else "one row"
    message = f"'{name}' has in {rows} a value that the training has not seen; the model takes it as missing."
    return DataWarning("unseen_category", message, name, each.count, tuple(each.examples))
