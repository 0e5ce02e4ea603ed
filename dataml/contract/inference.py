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

from dataml.contract.columns import drop_missing, select_texts
from dataml.contract.contract import Column, Contract
from dataml.contract.date_spellings import DateSpellings, warn_order_of_others
from dataml.contract.dates import DateOrder
from dataml.contract.header import find_header_like_values
from dataml.contract.numbers import Decimal
from dataml.contract.spellings import NumberSpellings, prefer_common_decimal
from dataml.contract.type_inference import NULL_MARK, TypeInference
from dataml.contract.types import DataType
from dataml.contract.value_format import ANY_FORMAT, DateFormat
from dataml.contract.warnings import DataWarning
from dataml.errors import Invalid

ReadBatches = Callable[[Sequence[str] | None], Iterable[pa.RecordBatch]]
"""Reads all rows, of these columns or of all; is called once for each reading."""


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
    order = _find_common_order(inferences.values())
    inferred = [_new_column(name, inference, order) for name, inference in inferences.items()]
    spellings = _open_spellings(inferred, inferences)
    _count_spellings(spellings, read)
    marks: list[Decimal] = ["."] if any(each.shows_decimal_point for each in inferences.values()) else []
    prefer_common_decimal((each for each in spellings.values() if isinstance(each, NumberSpellings)), marks)
    contract = Contract.build(
        spellings[column.name].settle(column) if column.name in spellings else column for column in inferred
    )
    warnings = [each.warning for each in spellings.values()]
    warnings += [
        warn_order_of_others(column.name, order)
        for column in inferred
        if order is not None and column.date_order is not None and inferences[column.name].has_open_order
    ]
    return InferredContract(contract, tuple(filter(None, [*warnings, find_header_like_values(contract)])))


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


def settle_number_formats(contract: Contract, read: ReadBatches) -> InferredContract:
    """Return the contract with the spelling of its numbers settled from all values, where that reads more than plain.

    A column whose values can be read in several ways is settled by the decimal mark of the others, with a warning, or
    stays as it is: then its ambiguous cells are invalid.
    """
    spellings = {
        column.name: NumberSpellings(column.name, column.value_format)
        for column in contract.columns
        if column.data_type in (DataType.INTEGER, DataType.FLOAT) and column.number_format is None
    }
    _count_spellings(spellings, read)
    prefer_common_decimal(spellings.values())
    settled = Contract(
        tuple(
            replace(column, number_format=spellings[column.name].number_format) if column.name in spellings else column
            for column in contract.columns
        )
    )
    warnings = [each.warning for each in spellings.values()]
    return InferredContract(
        settled, tuple(each for each in warnings if each and each.code == "number_format_of_others")
    )


def _new_column(name: str, inference: TypeInference, order: DateOrder | None) -> Column:
    """Return the column; where its dates leave the order of day and month open, `order` settles it."""
    data_type = inference.data_type
    if order is not None and inference.open_date_type is not None:
        return Column(name, inference.open_date_type, date_order=order)
    if data_type.is_temporal and inference.has_only_digits:
        return Column(name, data_type, date_format="compact")
    date_order = inference.date_order if data_type.is_temporal else None
    is_string = data_type is DataType.STRING
    missing = (NULL_MARK,) if is_string and inference.has_null_mark else None
    return Column(name, data_type, date_order=date_order, strip=is_string, missing_values=missing)


def _find_common_order(inferences: Iterable[TypeInference]) -> DateOrder | None:
    """Return the order of day and month that all columns of dates show which show one."""
    orders: set[DateOrder] = {
        each.date_order for each in inferences if each.data_type.is_temporal and each.date_order is not None
    }
    return orders.pop() if len(orders) == 1 else None


def _open_spellings(
    columns: Sequence[Column], inferences: Mapping[str, TypeInference]
) -> dict[str, NumberSpellings | DateSpellings]:
    """Return counts of the spellings of the columns that may be numbers or dates in another one than the plain."""
    texts = [column.name for column in columns if column.data_type is DataType.STRING]
    numbers = [name for name in texts if inferences[name].may_be_numbers]
    spellings: dict[str, NumberSpellings | DateSpellings] = {name: NumberSpellings(name) for name in numbers}
    for name in texts:
        inference = inferences[name]
        if name not in spellings and inference.may_be_dates:
            spellings[name] = DateSpellings(
                name, inference.has_open_order, inference.has_both_orders, inference.are_seasons
            )
    if numbers:
        # 12.500 is a plain number, unless these columns have decimal commas.
        spellings |= {name: NumberSpellings(name) for name, each in inferences.items() if each.may_be_grouped}
    return spellings


def _count_spellings(spellings: Mapping[str, NumberSpellings | DateSpellings], read: ReadBatches) -> None:
    if not spellings:
        return
    for batch in read(list(spellings)):
        for name, each in spellings.items():
            index = batch.schema.get_field_index(name)
            if index >= 0:
                each.add(batch.column(index))


class DigitMeanings:
    """What the digits of a column of dates mean, by their number."""

    def __init__(self) -> None:
        self._meanings: set[DateFormat | None] = set()

    @property
    def date_format(self) -> DateFormat | None:
        """The one meaning of all values; None where they differ, or are no such digits."""
        return next(iter(self._meanings)) if len(self._meanings) == 1 else None

    def add(self, cells: pa.Array) -> None:
        """Take a batch of the column into account."""
        if None in self._meanings or len(self._meanings) > 1:
            return
        texts = drop_missing(select_texts(cells), ANY_FORMAT)
        if len(texts):
            self._meanings.add(_find_meaning(texts))


def _find_meaning(texts: pa.Array) -> DateFormat | None:
    for name, pattern in _DIGITS.items():
        if pc.all(pc.match_substring_regex(texts, pattern)).as_py():
            return name
    return None


# Seconds are those of 1973 to 2286, and spreadsheet days those of 1954 to 2119. Only digits that spell a day overlap
# with others: hours (2024013113) with the seconds of 2030 to 2036, and minutes with the milliseconds of 1976.
_DIGITS: Final[dict[DateFormat, str]] = {
    "year": "^(1[5-9]|20|21)[0-9]{2}$",
    "year_month": "^(1[5-9]|20|21)[0-9]{2}(0[1-9]|1[0-2])$",
    "compact": "^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(([01][0-9]|2[0-4])([0-5][0-9]){0,2})?$",
    "excel": r"^[2-7][0-9]{4}([.,][0-9]+)?$",
    "epoch_s": r"^[1-9][0-9]{8,9}([.,][0-9]+)?$",
    "epoch_ms": r"^[1-9][0-9]{11,12}([.,][0-9]+)?$",
    "epoch_us": "^[1-9][0-9]{14,15}$",
    "epoch_ns": "^[1-9][0-9]{17,18}$",
}
