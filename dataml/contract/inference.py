"""Inference of a contract from all values of a dataset, and of the spellings that a contract leaves open.

Every column is read once for its type. Text columns that are rather numbers or dates are read again, to count how many
of their values each spelling can read: the spelling that reads all of them is the column's; where several do and
disagree, or a few values are something else, the column stays text, and a warning says so.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.column_case import warn_of_case
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
from dataml.contract.zone_evidence import RepeatedTimes
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
    order = _find_common_order(each for each in inferences.values() if each.data_type.is_temporal)
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
    timestamps = [column.name for column in contract.columns if column.data_type is DataType.TIMESTAMP]
    warnings += [inferences[name].zones.find_warning(name) for name in timestamps]
    warnings += [*warn_of_case(contract.names), find_header_like_values(contract)]
    return InferredContract(contract, tuple(filter(None, warnings)))


def settle_formats(contract: Contract, read: ReadBatches) -> InferredContract:
    """Return the contract with the order of day and month, the meaning of digits and the time zone of dates settled.

    A column whose values leave the order open takes the one that all other columns of dates show or have, with a
    warning. What stays open, or is contradicted, stays None: then ambiguous cells are invalid, and timestamps in UTC.
    """
    columns = {column.name: column for column in contract.columns if _has_open_format(column)}
    if not columns:
        return InferredContract(contract)
    orders = {name: TypeInference(frozenset({DataType.TIMESTAMP})) for name in columns}
    digits = {name: DigitMeanings() for name in columns}
    repeated = {name: RepeatedTimes(column) for name, column in columns.items()}
    for batch in read(list(columns)):
        for name, column in columns.items():
            index = batch.schema.get_field_index(name)
            if index < 0:
                continue
            cells = batch.column(index)
            if column.date_order is None and column.date_format is None:
                orders[name].add_date_orders(cells)
                digits[name].add(cells)
            if column.time_zone is not None:
                repeated[name].add(cells)
            elif column.data_type is DataType.TIMESTAMP:
                orders[name].zones.add(cells)
    stated: set[DateOrder] = {
        column.date_order for column in contract.columns if column.data_type.is_temporal and column.date_order
    }
    common = _find_common_order(orders.values(), stated)
    settled = Contract(
        tuple(
            _settle_column(column, orders[column.name], digits[column.name], common)
            if column.name in columns
            else column
            for column in contract.columns
        )
    )
    warnings = [orders[name].zones.find_warning(name) for name in columns]
    warnings += [each.warning for each in repeated.values()]
    warnings += [
        warn_order_of_others(name, common)
        for name, inference in orders.items()
        if common is not None and inference.leaves_order_open
    ]
    return InferredContract(settled, tuple(filter(None, warnings)))


def _has_open_format(column: Column) -> bool:
    """Return whether all values have to be read for how dates are written, or whether clocks show them twice."""
    if column.data_type is DataType.TIMESTAMP:
        return True
    return column.data_type is DataType.DATE and column.date_order is None and column.date_format is None


def _settle_column(
    column: Column, inference: TypeInference, digits: "DigitMeanings", common_order: DateOrder | None
) -> Column:
    if column.time_zone is None:
        column = replace(column, time_zone=inference.zones.time_zone)
    if column.date_order is not None or column.date_format is not None:
        return column
    order = common_order if common_order is not None and inference.leaves_order_open else inference.date_order
    return replace(column, date_order=order, date_format=digits.date_format)


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
        zone = _zone_of(inference.open_date_type, inference)
        return Column(name, inference.open_date_type, date_order=order, time_zone=zone)
    if data_type.is_temporal and inference.has_only_digits:
        return Column(name, data_type, date_format="compact")
    date_order = inference.date_order if data_type.is_temporal else None
    is_string = data_type is DataType.STRING
    missing = (NULL_MARK,) if is_string and inference.has_null_mark else None
    zone = _zone_of(data_type, inference)
    return Column(name, data_type, date_order=date_order, strip=is_string, missing_values=missing, time_zone=zone)


def _zone_of(data_type: DataType, inference: TypeInference) -> str | None:
    return inference.zones.time_zone if data_type is DataType.TIMESTAMP else None


def _find_common_order(inferences: Iterable[TypeInference], stated: Collection[DateOrder] = ()) -> DateOrder | None:
    """Return the order of day and month that all columns of dates show which show one, and that a template states."""
    orders: set[DateOrder] = {
        *stated,
        *(each.date_order for each in inferences if each.date_order is not None),
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
