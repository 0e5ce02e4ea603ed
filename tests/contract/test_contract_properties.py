"""What holds for any table: as CSV, as JSON, and cell by cell."""

import gzip
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataml.contract.contract import Column, Contract, find_name_problem
from dataml.contract.files.reading import open_batches, scan_file
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.errors import InvalidFields

# Text as a user may write it: what UTF-8 has, without NUL; an empty text is a missing one.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.STRING: TEXT,
    DataType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    DataType.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.DATE: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    DataType.TIMESTAMP: st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
}
# The same examples every time: a failure that comes and goes helps nobody.
REPRODUCIBLE = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda name: find_name_problem(name.strip()) is None
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Contract, list[list[Any]]]:
    """Draw a contract with constraints and defaults, and rows that fit it; values may be missing."""
    types = draw(st.lists(st.sampled_from(list(DataType)), min_size=1, max_size=5))
    names = draw(st.lists(NAMES, min_size=len(types), max_size=len(types), unique_by=str.strip))
    # The first column always has a value: a line without any is a blank one, which does not count.
    row = st.tuples(VALUES[types[0]], *(st.none() | VALUES[data_type] for data_type in types[1:]))
    rows = [list(each) for each in draw(st.lists(row, min_size=1, max_size=8))]
    columns = [
        draw(columns_of(name, data_type, [value for value in values if value is not None]))
        for name, data_type, values in zip(names, types, zip(*rows, strict=True), strict=True)
    ]
    return Contract.build(columns), rows


def columns_of(name: str, data_type: DataType, values: list[Any]) -> st.SearchStrategy[Column]:
    """Columns that these values fit, with the tightest constraints there are."""
    texts = sorted({written(value) for value in values})
    bounds = {"minimum": min(values), "maximum": max(values)} if values and data_type in ORDERED else {}
    pattern = "|".join(f"(?:{re2(text)})" for text in texts) if texts and data_type is DataType.STRING else None
    optional: dict[str, Any] = {name: st.just(written(value)) for name, value in bounds.items()}
    optional |= {"allowed_values": st.just(tuple(texts)), "default": st.sampled_from(texts)} if texts else {}
    optional |= {"pattern": st.just(pattern)} if pattern is not None and len(pattern) < 1000 else {}
    needed = {"name": st.just(name), "data_type": st.just(data_type)}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: Column(**fields))


def re2(text: str) -> str:
    """Return a pattern for this text and no other."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)


ORDERED = (DataType.INTEGER, DataType.FLOAT, DataType.DATE, DataType.TIMESTAMP)
SPECIAL = frozenset(',;\t|"\r\n')


def written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


def field(text: str, quoted: bool) -> str:
    return '"' + text.replace('"', '""') + '"' if quoted or SPECIAL & set(text) else text


@REPRODUCIBLE
@given(
    tables(),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from(["", "\ufeff"]),
    st.booleans(),
    st.sampled_from([bytes, gzip.compress]),
    st.randoms(use_true_random=False),
)
def test_table_written_as_csv_reads_back_equal(
    tmp_path: Path,
    table: tuple[Contract, list[list[Any]]],
    delimiter: str,
    line_end: str,
    mark: str,
    ends_well: bool,
    pack: Callable[[bytes], bytes],
    chance: random.Random,
) -> None:
    contract, rows = table
    lines = [contract.names, *([written(value) for value in row] for row in rows)]
    text = line_end.join(delimiter.join(field(cell, chance.random() < 0.5) for cell in line) for line in lines)
    path = tmp_path / "table.csv"
    path.write_bytes(pack((mark + text + (line_end if ends_well else "")).encode()))
    summary = scan_file(path, "csv", contract)
    assert summary.total_records == len(rows)
    assert summary.names == contract.names
    found: list[list[Any]] = []
    for batch in open_batches(path, "csv"):
        parsed = contract.parse_batch(batch)
        assert parsed.errors.num_rows == 0
        found += [list(row.values()) for row in parsed.table.to_pylist()]
    defaults = [parse_value(column.default, column.data_type) for column in contract.columns]
    assert found == [
        [default if value is None else value for value, default in zip(row, defaults, strict=True)] for row in rows
    ]


ANY_TEXT = TEXT | st.sampled_from(
    [
        "1e309",
        "inf",
        "NaN",
        "-0",
        "1_000",
        "٣",
        "9223372036854775808",
        "00123",
        "NA",
        "null",
        " 1 ",
        "+1",
        "0x1",
        "1.",
        "yes",
        "T",
        "0",
        "31.12.2024",
        "12/31/2024",
        "2024-02-30",
        "08-Aug-24",
        "2024-01-01T25:00",
        "=1+1",
        "\ufeff1",
    ]
)
# Pieces of numbers, dates and times: most together are none, and some are.
PIECES = [
    "0",
    "1",
    "9",
    "12",
    "2024",
    "-",
    "+",
    ".",
    "/",
    ":",
    "e",
    "T",
    " ",
    "Z",
    "+02:00",
    "10:11",
    "12",
    "_",
    "Jan",
    "pm",
]
NEARLY = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)


# What a column may ask for, whatever its type; those that are none for the type are left out.
ASKED: list[dict[str, Any]] = [
    {},
    {"nullable": False},
    {"date_order": "dmy"},
    {"date_order": "mdy"},
    {"default": "1"},
    {"default": "2024-02-29"},
    {"minimum": "0", "maximum": "5"},
    {"minimum": "2024-01-01"},
    {"allowed_values": ("1", "0", "123")},
    {"pattern": "[a-z0-9]+"},
]


def column_that_asks(data_type: DataType, asked: dict[str, Any]) -> Contract | None:
    try:
        return Contract.build([Column("x", data_type, **asked)])
    except InvalidFields:
        return None


CONTRACTS = [
    contract for kind in DataType for asked in ASKED if (contract := column_that_asks(kind, asked)) is not None
]


@REPRODUCIBLE
@given(st.sampled_from(CONTRACTS), st.lists(st.just("") | ANY_TEXT | NEARLY, min_size=1, max_size=10))
def test_cell_and_json_text_give_the_same_value(contract: Contract, texts: list[str]) -> None:
    parsed = contract.parse_batch(pa.record_batch({"x": pa.array(texts)}))
    kept = iter(parsed.table.column("x").to_pylist())
    refused = {error["row"]: error["rule"] for error in parsed.errors.to_pylist()}
    for row, text in enumerate(texts):
        by_cell = ("refused", refused[row]) if row in refused else ("kept", next(kept))
        assert by_cell == by_json(contract, text), text


NUMBERS = VALUES[DataType.INTEGER] | VALUES[DataType.FLOAT]


@REPRODUCIBLE
@given(st.sampled_from([c for c in CONTRACTS if c.columns[0].data_type in (DataType.INTEGER, DataType.FLOAT)]), NUMBERS)
def test_json_number_and_parquet_number_give_the_same_value(contract: Contract, number: float) -> None:
    parsed = contract.parse_batch(pa.record_batch({"x": pa.array([number])}))
    rules = parsed.errors.column("rule").to_pylist()
    by_cell = ("refused", rules[0]) if rules else ("kept", parsed.table.to_pylist()[0]["x"])
    assert by_cell == by_json(contract, number)


def by_json(contract: Contract, text: object) -> tuple[str, Any]:
    try:
        return "kept", contract.parse_row({"x": text})["x"]
    except InvalidFields as error:
        return "refused", error.fields[0].code
