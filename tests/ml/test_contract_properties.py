"""What holds for any table: as CSV, as JSON, and cell by cell."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataml.errors import InvalidFields
from dataml.ml.contract import Column, Contract
from dataml.ml.sources import open_batches, scan
from dataml.ml.values import DataType

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
UNHURRIED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Contract, list[list[Any]]]:
    """A contract, and rows that fit it; values may be missing."""
    types = draw(st.lists(st.sampled_from(list(DataType)), min_size=1, max_size=5))
    contract = Contract.build(Column(f"column {n}", data_type) for n, data_type in enumerate(types))
    # The first column always has a value: a line without any is a blank one, which does not count.
    row = st.tuples(VALUES[types[0]], *(st.none() | VALUES[data_type] for data_type in types[1:]))
    return contract, [list(each) for each in draw(st.lists(row, min_size=1, max_size=8))]


def written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


@UNHURRIED
@given(tables(), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_table_that_is_written_as_csv_reads_back_equal(
    tmp_path: Path, table: tuple[Contract, list[list[Any]]], delimiter: str, line_end: str
) -> None:
    contract, rows = table
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(contract.names)
    writer.writerows([[written(value) for value in row] for row in rows])
    path = tmp_path / "table.csv"
    path.write_bytes(text.getvalue().encode())
    summary = scan(path, "csv", contract)
    assert summary.total_records == len(rows)
    found: list[list[Any]] = []
    for batch in open_batches(path, "csv", summary.delimiter):
        parsed = contract.parse_batch(batch)
        assert parsed.errors.num_rows == 0
        found += [list(row.values()) for row in parsed.table.to_pylist()]
    assert found == rows


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


@UNHURRIED
@given(st.sampled_from(list(DataType)), st.lists(ANY_TEXT, min_size=1, max_size=10))
def test_a_cell_and_the_json_text_of_the_same_letters_are_the_same_value(data_type: DataType, texts: list[str]) -> None:
    contract = Contract.build([Column("x", data_type)])
    parsed = contract.parse_batch(pa.record_batch({"x": pa.array(texts)}))
    kept = iter(parsed.table.column("x").to_pylist())
    refused = {error["row"]: error["rule"] for error in parsed.errors.to_pylist()}
    for row, text in enumerate(texts):
        by_cell = ("refused", refused[row]) if row in refused else ("kept", next(kept))
        assert by_cell == by_json(contract, text), text


def by_json(contract: Contract, text: str) -> tuple[str, Any]:
    try:
        return "kept", contract.parse_row({"x": text})["x"]
    except InvalidFields as error:
        return "refused", error.fields[0].code
