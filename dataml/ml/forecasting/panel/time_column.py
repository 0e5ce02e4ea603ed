"""Times that are no Date or Timestamp: years, months, days, units since 1970 and written dates, read as such.

What digits and dates mean is settled from all values of the column once, before the training, and recorded in the
contract of the model. New observations and rows about the future are then read by that contract.
"""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import ParsedColumn, parse_column, to_text
from dataml.contract.contract import Column, Contract
from dataml.contract.inference import settle_formats
from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.messages import format_times, join_examples

READABLE_TYPES: Final = (DataType.INTEGER, DataType.FLOAT, DataType.STRING)
"""Types other than Date and Timestamp whose values can be times."""
_MAX_EXAMPLES: Final = 3
_FORMAT_NAMES: Final = {
    "year": "years",
    "year_month": "months",
    "compact": "days and times in digits",
    "epoch_s": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
    "epoch_us": "microseconds since 1970",
    "epoch_ns": "nanoseconds since 1970",
    "excel": "days of a spreadsheet",
}
_MEANINGS: Final = (
    "years (2015), months (201503), days (20190101), hours (2019010113), seconds, milliseconds, microseconds or "
    "nanoseconds since 1970, or days of a spreadsheet"
)


def settle_time_column(table: pa.Table, contract: Contract, time: str) -> Contract:
    """Return the contract with a time column that is a Date or Timestamp, as it is or by all its values.

    Raises:
        Invalid: `time_not_temporal`: its values have no meaning, or several.
    """
    column = contract.column(time)
    if column.data_type.is_temporal:
        return contract
    cells = _combine(table.column(time))
    timestamp = Column(time, DataType.TIMESTAMP, nullable=column.nullable, missing_values=column.missing_values)
    batch = pa.record_batch({time: cells})
    settled = settle_formats(Contract((timestamp,)), lambda names: [batch]).contract.column(time)
    parsed = _parse(cells, settled)
    if len(parsed.invalid_rows):
        raise _refusal(column, cells, parsed)
    times = parsed.values.drop_null()
    has_clock = not times.cast(pa.date32()).cast(times.type).equals(times)
    data_type = DataType.TIMESTAMP if has_clock else DataType.DATE
    # Bounds, a pattern and a default of the column are values of its own type.
    new = Column(
        time,
        data_type,
        date_order=settled.date_order,
        date_format=settled.date_format,
        nullable=column.nullable,
        missing_values=column.missing_values,
        time_zone=settled.time_zone if has_clock else None,
    )
    return Contract(tuple(new if each.name == time else each for each in contract.columns))


def warn_of_settled_time(before: Column, after: Column, table: pa.Table) -> DataWarning | None:
    """Return the warning that the times of a table are read as another type than they have; None where they are not."""
    if before == after:
        return None
    first = pc.unique(table.column(before.name).drop_null())[:_MAX_EXAMPLES]
    texts = [str(value) for value in first.to_pylist()]
    times = format_times(*_parse(first, after).values.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    kind = _FORMAT_NAMES.get(after.date_format or "", "dates")
    examples = [f"{text} is {time}" for text, time in zip(texts, times, strict=True)]
    message = (
        f"{before.name!r} is {before.data_type} and is read as {kind}: {', '.join(examples)}. If it means something "
        "else, upload the dataset with a template in which it is a Date or Timestamp."
    )
    return DataWarning("time_from_values", message, before.name, None, tuple(examples))


def parse_times(table: pa.Table, contract: Contract) -> pa.Table:
    """Return the table with the Date and Timestamp columns of the contract that it holds as numbers or text parsed.

    Raises:
        Invalid: `time_not_temporal`: the contract cannot read some of the values.
    """
    for name in table.column_names:
        column, cells = contract.column(name), table.column(name)
        if column.data_type.is_temporal and not pa.types.is_temporal(cells.type):
            combined = _combine(cells)
            parsed = _parse(combined, column)
            if len(parsed.invalid_rows):
                raise Invalid(_describe_invalid(column, combined, parsed), code="time_not_temporal")
            table = table.set_column(table.column_names.index(name), name, parsed.values)
    return table


def write_compact_date(value: object, column: Column) -> object:
    """Return a number of JSON as the text 20190101 where the column reads such dates, and other values as they are."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and column.data_type.is_temporal and column.date_format is None else value


def _combine(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _parse(cells: pa.Array, column: Column) -> ParsedColumn:
    """Parse the cells; without a meaning of digits these can still be days as 20190101, which are read as text."""
    is_whole = pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
    if is_whole and column.date_format is None:
        try:
            cells = to_text(cells.cast(pa.int64()))
        except pa.ArrowInvalid:  # they are no whole numbers
            cells = to_text(cells)
    return parse_column(cells, column.data_type, column.value_format)


def _refusal(column: Column, cells: pa.Array, parsed: ParsedColumn) -> Invalid:
    template = "upload the dataset with a template in which it is a Date or Timestamp"
    if column.data_type is not DataType.STRING:
        examples = [str(value) for value in pc.unique(cells.drop_null())[:_MAX_EXAMPLES].to_pylist()]
        detail = (
            f"The Time column {column.name!r} is {column.data_type} and holds {', '.join(examples)}, ...: these are "
            f"not all {_MEANINGS}. Give times, or {template} and a date_format."
        )
    elif all(violation.rule == "ambiguous_date" for violation in parsed.violations):
        detail = (
            f"The Time column {column.name!r} is String, and day and month of {parsed.violations[0].value!r} can be "
            f"read in two ways: {template} and a date_order."
        )
    else:
        detail = f"{_describe_invalid(column, cells, parsed)} Correct them, or {template}: it sets these rows aside."
    return Invalid(detail, code="time_not_temporal")


def _describe_invalid(column: Column, cells: pa.Array, parsed: ParsedColumn) -> str:
    count = len(parsed.invalid_rows)
    examples = [repr(violation.value[:40]) for violation in parsed.violations[:_MAX_EXAMPLES]]
    listed = join_examples(examples, count) if len(parsed.violations) == count else f"{', '.join(examples)}, ..."
    return (
        f"The Time column {column.name!r} has {count:,} of {len(cells):,} values that are not read as times: {listed} "
        f"({parsed.violations[0].reason})."
    )
