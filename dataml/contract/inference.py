"""Inference of a contract from all values of a dataset, and of the spellings that a contract leaves open.

Every column is read once for its type. Text columns that are rather numbers or dates are read again, to count how many
of their values each spelling can read: the spelling that reads all of them is the column's; where several do and
disagree, or a few values are something else, the column stays text, and a warning says so.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import mark_missing, parse_column, to_text
from dataml.contract.contract import Column, Contract
from dataml.contract.dates import DateOrder
from dataml.contract.numbers import (
    CURRENCY_PATTERN,
    EQUAL_CHARACTERS,
    SPELLINGS,
    NumberFormat,
    join_readings,
    list_readings,
)
from dataml.contract.type_inference import TypeInference
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT, DateFormat, ValueFormat
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning
from dataml.errors import Invalid

ReadBatches = Callable[[Sequence[str] | None], Iterable[pa.RecordBatch]]
"""Reads all rows, of these columns or of all; is called once for each reading."""

NEARLY_SHARE: Final = 0.8
"""Share of numbers or dates in a text column from which on a warning names the others."""

_MAX_SAMPLES: Final = 1_000


@dataclass(frozen=True)
class InferredContract:
    """A contract, and what its user should know about the columns."""

    contract: Contract
    warnings: tuple[DataWarning, ...] = ()


def infer_contract(read: ReadBatches) -> InferredContract:
    """Return the contract that all rows fit, inferred from all their values; its columns are those of the first batch.

    Raises:
        Invalid: `missing_column` when a later batch, of another file, lacks a column; `no_rows` without batches.
    """
    inferences: dict[str, TypeInference] = {}
    for batch in read(None):
        inferences = inferences or {name: TypeInference() for name in batch.schema.names}
        for name, inference in inferences.items():
            index = batch.schema.get_field_index(name)
            if index < 0:
                raise Invalid(f"Column {name!r} is in one file and missing in another.", code="missing_column")
            inference.add(batch.column(index))
    if not inferences:
        raise Invalid("There are no rows to infer columns from.", code="no_rows")
    inferred = [_new_column(name, inference) for name, inference in inferences.items()]
    texts = {name: each for name, each in inferences.items() if each.data_type is DataType.STRING}
    spellings = {
        name: NumberSpellings(name) if each.may_be_numbers else DateSpellings(name, each.has_open_order)
        for name, each in texts.items()
        if each.may_be_numbers or each.may_be_dates
    }
    _count_spellings(spellings, read)
    columns = [spellings[column.name].settle(column) if column.name in spellings else column for column in inferred]
    warnings = [warning for each in spellings.values() if (warning := each.warning) is not None]
    return InferredContract(Contract.build(columns), tuple(warnings))


def settle_formats(contract: Contract, read: ReadBatches) -> Contract:
    """Return the contract with the order of day and month, and the meaning of digits, of its date columns settled.

    What the values leave open, or contradict, stays None: then ambiguous cells are invalid.
    """
    open_columns = [
        column
        for column in contract.columns
        if column.data_type.is_temporal and column.date_order is None and column.date_format is None
    ]
    if not open_columns:
        return contract
    orders = {column.name: TypeInference(frozenset({DataType.TIMESTAMP})) for column in open_columns}
    digits = {column.name: DigitMeanings() for column in open_columns}
    for batch in read(list(orders)):
        for name, inference in orders.items():
            index = batch.schema.get_field_index(name)
            if index >= 0:
                inference.add_date_orders(batch.column(index))
                digits[name].add(batch.column(index))
    settled = (
        replace(column, date_order=orders[column.name].date_order, date_format=digits[column.name].date_format)
        if column.name in orders
        else column
        for column in contract.columns
    )
    return Contract(tuple(settled))


def settle_number_formats(contract: Contract, read: ReadBatches) -> Contract:
    """Return the contract with the spelling of its numbers settled from all values, where that reads more than plain.

    A column whose values can be read in several ways stays as it is: then its ambiguous cells are invalid.
    """
    spellings = {
        column.name: NumberSpellings(column.name, column.value_format)
        for column in contract.columns
        if column.data_type in (DataType.INTEGER, DataType.FLOAT) and column.number_format is None
    }
    _count_spellings(spellings, read)
    return Contract(
        tuple(
            replace(column, number_format=spellings[column.name].number_format) if column.name in spellings else column
            for column in contract.columns
        )
    )


def _new_column(name: str, inference: TypeInference) -> Column:
    data_type = inference.data_type
    date_order = inference.date_order if data_type.is_temporal else None
    return Column(name, data_type, date_order=date_order, strip=data_type is DataType.STRING)


def _count_spellings(spellings: "Mapping[str, NumberSpellings | DateSpellings]", read: ReadBatches) -> None:
    if not spellings:
        return
    for batch in read(list(spellings)):
        for name, each in spellings.items():
            index = batch.schema.get_field_index(name)
            if index >= 0:
                each.add(batch.column(index))


class _Counted:
    """The values of a text column, and those that no spelling reads."""

    def __init__(self, name: str, value_format: ValueFormat = ANY_FORMAT) -> None:
        self.name = name
        self._format = value_format
        self._total = 0
        self._others: dict[str, None] = {}

    def _select(self, cells: pa.Array) -> pa.Array:
        """Return the cells that have a value, without blanks around them."""
        cells = pc.utf8_trim_whitespace(to_text(cells))
        cells = cells.filter(pc.fill_null(pc.greater(pc.binary_length(cells), 0), False))
        cells = cells.filter(pc.invert(mark_missing(cells, self._format)))
        self._total += len(cells)
        return cells

    def _add_others(self, cells: pa.Array) -> None:
        for text in pc.unique(cells.slice(0, _MAX_SAMPLES)).to_pylist():
            if len(self._others) < MAX_EXAMPLES:
                self._others[text] = None

    def _warn_nearly(self, code: str, kind: str, data_type: str, count: int) -> DataWarning | None:
        """Return the warning about a column of which `count` values are of this kind, or None if they are too few."""
        if not self._total or not NEARLY_SHARE * self._total <= count < self._total:
            return None
        others = self._total - count
        examples = tuple(self._others)
        listed = ", ".join(repr(text[:40]) for text in examples) + (", ..." if others > len(examples) else "")
        share = min(100 * count / self._total, 99.9)
        are_not = "1 value is not" if others == 1 else f"{others:,} values are not"
        message = (
            f"{share:.1f}% of `{self.name}` are {kind}; {are_not}: {listed}. The column is read as text. To set these "
            f"rows aside, upload with a template in which it is {data_type}; to keep the text, with one in which it is "
            "String; or list texts that mean nothing as its missing_values."
        )
        return DataWarning(code, message, self.name, others, examples)


class NumberSpellings(_Counted):
    """How many values of a text column each spelling of numbers reads."""

    def __init__(self, name: str, value_format: ValueFormat = ANY_FORMAT) -> None:
        super().__init__(name, value_format)
        self._counts = dict.fromkeys(SPELLINGS, 0)
        self._whole = dict.fromkeys(SPELLINGS, 0)
        self._percent = 0
        self._zeros = 0
        self._plus = 0
        self._currencies: set[str] = set()
        self._bare = 0
        self._samples: set[str] = set()

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        cells = self._select(cells)
        if not len(cells):
            return
        if not pc.all(pc.string_is_ascii(cells)).as_py():
            for character, plain in EQUAL_CHARACTERS.items():
                cells = pc.replace_substring(cells, character, plain)
        is_number = pa.array([False]).take(pa.array([0] * len(cells)))
        for spelling in self._counts:
            matches = pc.match_substring_regex(cells, _decorated(spelling.core_pattern))
            count = pc.sum(matches).as_py() or 0
            self._counts[spelling] += count
            if count:
                self._whole[spelling] += pc.sum(
                    pc.match_substring_regex(cells, _decorated(spelling.whole_pattern))
                ).as_py()
                is_number = pc.or_(is_number, matches)
        self._add_others(cells.filter(pc.invert(is_number)))
        self._add_decorations(cells.filter(is_number))

    def _add_decorations(self, numbers: pa.Array) -> None:
        self._percent += pc.sum(pc.match_substring(numbers, "%")).as_py() or 0
        self._zeros += pc.sum(pc.match_substring_regex(numbers, r"^0([.,]0*)?$")).as_py() or 0
        self._plus += pc.sum(pc.starts_with(numbers, "+")).as_py() or 0
        has_currency = pc.match_substring_regex(numbers, CURRENCY_PATTERN)
        if pc.any(has_currency).as_py():
            without_exponent = pc.replace_substring_regex(
                numbers.filter(has_currency), r"([0-9])[eE]([+-]?[0-9])", r"\1\2"
            )
            rest = pc.replace_substring_regex(without_exponent, r"[.,][0-9]|[0-9][.,]|[0-9+()% '\-]", "")
            self._currencies.update(pc.unique(rest).to_pylist()[:10])
        self._bare += pc.sum(pc.invert(has_currency)).as_py() or 0
        if len(self._samples) < _MAX_SAMPLES:
            marked = numbers.filter(pc.match_substring_regex(numbers, "[.,]"))
            self._samples.update(pc.unique(marked.slice(0, _MAX_SAMPLES)).to_pylist())

    @property
    def count(self) -> int:
        """How many values the best spelling reads."""
        return max(self._counts.values())

    @property
    def readings(self) -> tuple[str, ...]:
        """What one of the values means by the best spellings, if they disagree; empty when one is settled."""
        best = self._best
        for text in sorted(self._samples):
            values = [
                plain
                for spelling, plain in list_readings(text).items()
                if NumberFormat(spelling.decimal, spelling.group) in best
            ]
            if len(values) > 1:
                return text, *values
        return ()

    @property
    def number_format(self) -> str | None:
        """The spelling of the column, None for the plain one and when none is settled."""
        spelling = self._best[0]
        if spelling.is_plain and not self._percent and not self._currencies:
            return None
        if self._is_mixed or (not spelling.is_plain and self.readings):
            return None
        currency = next(iter(self._currencies), "")
        return str(NumberFormat(spelling.decimal, spelling.group, currency, bool(self._percent)))

    def settle(self, column: Column) -> Column:
        """Return the column as a number if all its values are one in a settled spelling; else as it is."""
        spelling = self._best[0]
        is_settled = self.count == self._total and not self._is_mixed and not self._is_code
        if not is_settled or (not spelling.is_plain and self.readings):
            return column
        is_whole = self._whole[spelling] == self._total and not self._percent
        data_type = DataType.INTEGER if is_whole else DataType.FLOAT
        return Column(column.name, data_type, number_format=self.number_format)

    @property
    def warning(self) -> DataWarning | None:
        """What keeps a column that is nearly all numbers from being one, or None."""
        if not self._total or self.count < NEARLY_SHARE * self._total or self._is_code:
            return None
        if self._is_mixed:
            kinds = sorted(self._currencies) + (["%"] if self._percent else [])
            kinds += ["neither"] if (self._bare if self._currencies else self._percent) else []
            message = (
                f"The numbers of `{self.name}` have different units ({', '.join(kinds)}); the column is read as text."
            )
            return DataWarning("mixed_units", message, self.name, self._total, tuple(kinds[:MAX_EXAMPLES]))
        if readings := self.readings if not self._best[0].is_plain else ():
            text, *values = readings
            message = (
                f"`{self.name}` is read as text: {text!r} can be {join_readings(values)}, and no value shows which. "
                "Upload with a template in which it is a number with a number_format, such as 1,234.5 or 1.234,5."
            )
            return DataWarning("ambiguous_number_format", message, self.name, self._total, (text,))
        return self._warn_nearly("nearly_numeric", "numbers", "Float", self.count)

    @property
    def _best(self) -> list[NumberFormat]:
        """The spellings that read the most values; of equals the one with the fewest separators first."""
        most = self.count
        return [spelling for spelling, count in self._counts.items() if count == most]

    @property
    def _is_mixed(self) -> bool:
        if len(self._currencies) > 1 or (self._currencies and self._bare):
            return True
        return 0 < self._percent < self.count - self._zeros  # 0 is 0%

    @property
    def _is_code(self) -> bool:
        """Whether every value has a plus sign, as telephone codes do."""
        return self._plus == self._total


class DateSpellings(_Counted):
    """How many values of a text column are dates, in the order of day and month that reads most of them."""

    def __init__(self, name: str, has_open_order: bool) -> None:
        super().__init__(name)
        self._has_open_order = has_open_order
        self._counts: dict[DateOrder, int] = {"dmy": 0, "mdy": 0}

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        cells = self._select(cells)
        for order in self._counts:
            invalid = parse_column(cells, DataType.TIMESTAMP, ValueFormat(order)).invalid_rows
            self._counts[order] += len(cells) - len(invalid)
            self._add_others(cells.take(pa.array(invalid)))

    def settle(self, column: Column) -> Column:
        """Return the column as it is: one whose values are all dates of one order is no text."""
        return column

    @property
    def warning(self) -> DataWarning | None:
        """What keeps a column that is nearly all dates from being one, or None."""
        count = max(self._counts.values())
        if self._has_open_order and count == self._total:
            message = (
                f"`{self.name}` is read as text: its dates can have the day or the month first, and no value shows "
                "which. Upload with a template in which it is Date or Timestamp with a date_order, dmy or mdy."
            )
            return DataWarning("ambiguous_date_order", message, self.name, self._total)
        return self._warn_nearly("nearly_dates", "dates", "Date or Timestamp", count)


class DigitMeanings:
    """What the digits of a column of dates can mean, by their number; None as soon as one value is no such number."""

    def __init__(self) -> None:
        self._possible: set[str] | None = None

    @property
    def date_format(self) -> DateFormat | None:
        """The one meaning that all values can have."""
        names: tuple[DateFormat, ...] = ("year", "year_month", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "excel")
        possible = self._possible or set()
        return next((name for name in names if possible == {name}), None)

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        if self._possible == set():
            return
        texts = pc.utf8_trim_whitespace(to_text(cells))
        texts = texts.filter(pc.fill_null(pc.greater(pc.binary_length(texts), 0), False))
        if len(texts):
            texts = texts.filter(pc.invert(mark_missing(texts, ANY_FORMAT)))
        for name, pattern in _DIGITS.items():
            if len(texts) and pc.all(pc.match_substring_regex(texts, pattern)).as_py():
                self._possible = {name} if self._possible in (None, {name}) else set()
                return
        if len(texts):
            self._possible = set()


# Disjoint: seconds are those of 1973 to 2286, and spreadsheet days those of 1954 to 2119.
_DIGITS: Final = {
    "year": "^(1[5-9]|20|21)[0-9]{2}$",
    "year_month": "^(1[5-9]|20|21)[0-9]{2}(0[1-9]|1[0-2])$",
    "excel": r"^[2-7][0-9]{4}(\.[0-9]+)?$",
    "epoch_s": r"^[1-9][0-9]{8,9}(\.[0-9]+)?$",
    "epoch_ms": r"^[1-9][0-9]{11,12}(\.[0-9]+)?$",
    "epoch_us": "^[1-9][0-9]{14,15}$",
    "epoch_ns": "^[1-9][0-9]{17,18}$",
}


def _decorated(core: str) -> str:
    """Return the RE2 pattern of a number with a sign, a percent sign and a currency in all places that they have."""
    currency = f"(?:{CURRENCY_PATTERN})"
    return rf"^\(?\s*[+-]?\s*(?:{currency}\s*[+-]?\s*)?(?:{core})\s*[+-]?\s*%?\s*{currency}?\s*[+-]?\s*\)?$"
