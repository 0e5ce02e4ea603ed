"""One table, written as different programs and people write it, gives one dataset: the same types and the same values.

Every table has a first row that shows how its numbers and dates are spelled; the others are drawn.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataml.contract.contract import Contract
from dataml.contract.files.detection import detect_format
from dataml.contract.files.reading import open_batches, scan_file
from dataml.contract.inference import infer_contract

Row = dict[str, Any]
SCHEMA: Final = pa.schema(
    [
        ("code", pa.string()),
        ("count", pa.int64()),
        ("amount", pa.float64()),
        ("share", pa.float64()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("paid", pa.bool_()),
        ("name", pa.string()),
    ]
)
FIRST_ROW: Final[Row] = {
    "code": "0007",
    "count": 1_234_567,
    "amount": 1234.56,
    "share": 0.125,
    "day": date(2024, 1, 31),
    "at": datetime(2024, 1, 31, 15, 4, 5, tzinfo=UTC),
    "paid": True,
    "name": 'Smith, "J"; Jr.',
}
MARKERS: Final = ("", "NA", "n/a", "NULL", "-", "?", ".", "#N/A", "\\N", "(blank)", "  ", "NaN", "#WERT!", ".a")
NARROW: Final = "\u202f"


@dataclass(frozen=True)
class Spelling:
    """How a CSV file is written: one function for each kind of value, and the marks between them."""

    count: Callable[[int], str] = str
    amount: Callable[[float], str] = "{:.2f}".format
    share: Callable[[float], str] = "{:.3f}".format
    day: Callable[[date], str] = str
    at: Callable[[datetime], str] = "{:%Y-%m-%dT%H:%M:%SZ}".format
    paid: Callable[[bool], str] = lambda paid: "true" if paid else "false"
    name: Callable[[str], str] = str
    missing: Sequence[str] = ("",)
    delimiter: str = ","
    line_end: str = "\n"
    quoting: Any = csv.QUOTE_MINIMAL
    start: str = ""

    def cells(self, rows: Sequence[Row]) -> Iterator[dict[str, str]]:
        """Yield the texts of each row."""
        markers = cycle(self.missing)
        for row in rows:
            yield {name: self._cell(name, value, markers) for name, value in row.items()}

    def _cell(self, name: str, value: Any, markers: Iterator[str]) -> str:
        if value is None:
            return "" if name in ("code", "name") else next(markers)
        return value if name == "code" else getattr(self, name)(value)


def grouped(group: str, decimal: str, digits: int = 2) -> Callable[[float], str]:
    """Return a function that writes numbers with these marks."""
    marks = str.maketrans({",": group, ".": decimal})
    return lambda number: f"{number:,.{digits}f}".translate(marks)


def percent(decimal: str, sign: str) -> Callable[[float], str]:
    return lambda share: f"{round(share * 1000) / 10:.1f}".replace(".", decimal) + sign


def accounting(amount: float) -> str:
    return f"(${-amount:,.2f})" if amount < 0 else f"${amount:,.2f}"


def negative_behind(amount: float) -> str:
    return f"{-amount:.2f}-" if amount < 0 else f"{amount:.2f}"


def clock_of_twelve(moment: datetime) -> str:
    return f"{moment:%m/%d/%Y} {moment.hour % 12 or 12}:{moment:%M:%S} {'PM' if moment.hour > 11 else 'AM'}"


def with_offset(moment: datetime) -> str:
    return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()


SPELLINGS: Final = {
    "plain": Spelling(),
    "quoted": Spelling(quoting=csv.QUOTE_ALL, line_end="\r\n", start="\ufeff"),
    "tabs": Spelling(delimiter="\t", paid=lambda paid: "yes" if paid else "no"),
    "american": Spelling(
        grouped(",", ".", 0), grouped(",", "."), percent(".", "%"), "{:%m/%d/%Y}".format, clock_of_twelve
    ),
    "german": Spelling(
        grouped(".", ",", 0),
        grouped(".", ","),
        percent(",", " %"),
        "{:%d.%m.%Y}".format,
        "{:%d.%m.%Y %H:%M:%S}".format,
        delimiter=";",
        start="\ufeff",
    ),
    "french": Spelling(
        grouped(NARROW, ",", 0),
        grouped("\u00a0", ","),
        lambda share: f"{share:.3f}".replace(".", ","),
        "{:%d/%m/%Y}".format,
        "{:%d/%m/%Y %H:%M:%S}".format,
        delimiter=";",
    ),
    "swiss": Spelling(
        grouped("'", ".", 0), grouped("\u2019", "."), day="{:%d.%m.%Y}".format, at="{:%d.%m.%Y, %H:%M:%S}".format
    ),
    "markers": Spelling(missing=MARKERS),
    "accounting": Spelling(amount=accounting, share="{:.1%}".format, line_end="\r"),
    "sap": Spelling(amount=negative_behind, day="{:%Y%m%d}".format, delimiter="|"),
    "months": Spelling(day="{:%d-%b-%y}".format, at=with_offset),
    "typographic": Spelling(amount=lambda amount: f"{amount:.2f}".replace("-", "\u2212"), name=" {} ".format),
    "exponents": Spelling(amount="{:.16e}".format, share=lambda share: f"{share * 1000:.0f}e-3", at=str),
}

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs", "Cc"]), min_size=1)
ROWS = st.fixed_dictionaries(
    {
        "code": st.none() | st.from_regex("[0-9]{4}", fullmatch=True),
        "count": st.none() | st.integers(-(10**12), 10**12),
        "amount": st.none() | st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
        "share": st.none() | st.integers(-2000, 2000).map(lambda permille: permille / 1000),
        "day": st.none() | st.dates(date(1970, 1, 1), date(2067, 12, 31)),
        "at": st.none()
        | st.datetimes(datetime(1970, 1, 1), datetime(2067, 12, 31)).map(
            lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
        ),
        "paid": st.none() | st.booleans(),
        "name": st.none() | NAMES.map(str.strip).filter(lambda name: name not in ("", "\\N")),
    }
)
TABLES = st.lists(ROWS, min_size=1, max_size=8).map(lambda rows: [FIRST_ROW, *rows])
REPRODUCIBLE = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=10,
    phases=[Phase.generate],  # the tables are small already, and shrinking them takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def to_csv(rows: Sequence[Row], spelling: Spelling) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, SCHEMA.names, delimiter=spelling.delimiter, lineterminator=spelling.line_end, quoting=spelling.quoting
    )
    writer.writeheader()
    writer.writerows(spelling.cells(rows))
    return (spelling.start + text.getvalue()).encode()


def read(path: Path) -> tuple[Contract, pa.Table]:
    """Return the inferred contract and the typed table of a file."""
    file_format = detect_format(path.name, path.read_bytes()[:512])
    scan_file(path, file_format)

    def batches(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        return open_batches(path, file_format, columns=columns)

    inferred = infer_contract(batches)
    assert inferred.warnings == ()
    parsed = [inferred.contract.parse_batch(batch) for batch in batches(None)]
    assert [batch.errors.num_rows for batch in parsed] == [0] * len(parsed)
    return inferred.contract, pa.Table.from_batches([batch.table for batch in parsed])


def expected(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@given(rows=TABLES)
@REPRODUCIBLE
def test_csv_gives_the_same_table_in_any_spelling_and_so_do_forms_and_json_by_its_contract(
    spelling: Spelling, rows: list[Row], tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_bytes(to_csv(rows, spelling))
    contract, table = read(tmp_path / "table.csv")
    assert table.equals(expected(rows))
    for row, form in zip(rows, spelling.cells(rows), strict=True):
        assert contract.parse_row(form) == row
        as_json = {name: str(value) if isinstance(value, date) else value for name, value in row.items()}
        assert contract.parse_row(as_json) == row


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@given(rows=TABLES)
@REPRODUCIBLE
def test_parquet_of_texts_gives_the_same_table_in_any_spelling(
    spelling: Spelling, rows: list[Row], tmp_path: Path
) -> None:
    cells = [{name: text or None for name, text in row.items()} for row in spelling.cells(rows)]
    kinds = cycle([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    schema = pa.schema(list(zip(SCHEMA.names, kinds, strict=False)))
    pq.write_table(pa.Table.from_pylist(cells, schema), tmp_path / "table.parquet")
    _, table = read(tmp_path / "table.parquet")
    assert table.equals(expected(rows))


@given(rows=TABLES)
@REPRODUCIBLE
def test_typed_parquet_and_compressed_csv_give_the_same_table(rows: list[Row], tmp_path: Path) -> None:
    pq.write_table(expected(rows), tmp_path / "table.parquet")
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(to_csv(rows, replace(SPELLINGS["plain"], missing=("NA",)))))
    for name in ("table.parquet", "table.csv.gz"):
        _, table = read(tmp_path / name)
        assert table.equals(expected(rows))
