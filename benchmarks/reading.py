"""Comparison of how files of the corpus are read: by the platform, pandas, DuckDB and polars.

Each gets the options of the upload (encoding, line of the header) and has its defaults otherwise; pandas and polars,
which do not look for the delimiter, get that as well. A table is the same when it has as many rows, and when the values
of its first and last row mean the same. DuckDB and polars are no dependencies of the platform: they are left out where
they are not installed.
"""

import importlib.util
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from dataml.contract.files.reading import scan_file
from dataml.errors import Invalid
from tests.corpus.cases import Case, Reading, list_case_files, load_case


@dataclass(frozen=True)
class Found:
    """A table as a reader has it: its names, the number of its rows, and the values of the first and the last one."""

    names: list[str]
    rows: int
    first: Sequence[Any] = ()
    last: Sequence[Any] = ()


@dataclass(frozen=True)
class Source:
    """A file, the options of its upload, and its delimiter."""

    path: Path
    encoding: str
    skipped_lines: int
    delimiter: str


ReadCsv = Callable[[Source], Found]


@dataclass(frozen=True)
class Outcome:
    """What a reader has made of a file, against what it must be.

    Attributes:
        kind: a key of KINDS.
        detail: the columns that differ, or the beginning of an error.
    """

    kind: str
    detail: str = ""


KINDS: Final = {
    "same": "the same table",
    "text": "text where there are numbers, dates or booleans",
    "other": "other values, rows or columns, without an error",
    "error": "an error, where the file is a table",
    "accepted": "a table, where the platform refuses",
    "refused": "an error, as the platform",
}


def compare_readers(_: Path) -> None:
    """Print how many files each reader reads as they were meant, and where it differs."""
    cases = [case for case in map(load_case, list_case_files()) if case.template is None and _is_csv(case)]
    readers = dict(_list_readers())
    outcomes = {name: {case.path.name: _judge(case, read) for case in cases} for name, read in readers.items()}
    print(f"{len(cases)} CSV files that are uploaded without a template; the platform reads each as it was meant.\n")
    print("| reader | " + " | ".join(KINDS.values()) + " |\n|---" * 1 + "|---:" * len(KINDS) + "|")
    for name, of_case in outcomes.items():
        counts = Counter(outcome.kind for outcome in of_case.values())
        print(f"| {name} | " + " | ".join(str(counts[kind]) for kind in KINDS) + " |")
    print()
    for case in cases:
        differing = {name: of_case[case.path.name] for name, of_case in outcomes.items()}
        for name, outcome in differing.items():
            if outcome.kind not in ("same", "refused"):
                print(f"{case.path.name}: {name}: {outcome.kind}: {outcome.detail}")


def _is_csv(case: Case) -> bool:
    return "parquet" not in case.path.name


def _list_readers() -> Iterator[tuple[str, ReadCsv]]:
    yield f"pandas {version('pandas')}", _read_by_pandas
    for name, read in (("duckdb", _read_by_duckdb), ("polars", _read_by_polars)):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed: left out.")
        else:
            yield f"{name} {version(name)}", read


def _read_by_pandas(source: Source) -> Found:
    frame = pd.read_csv(
        source.path,
        dtype_backend="pyarrow",
        sep=source.delimiter,
        encoding=source.encoding,
        skiprows=source.skipped_lines,
    )
    return _from_arrow(pa.Table.from_pandas(frame, preserve_index=False))


def _read_by_duckdb(source: Source) -> Found:
    import duckdb

    options = f", encoding = '{source.encoding}'" if source.encoding != "utf-8" else ""
    options += f", skip = {source.skipped_lines}" if source.skipped_lines else ""
    return _from_arrow(duckdb.sql(f"SELECT * FROM read_csv_auto('{source.path}'{options})").to_arrow_table())


def _read_by_polars(source: Source) -> Found:
    import polars

    frame = polars.read_csv(
        source.path,
        try_parse_dates=True,
        separator=source.delimiter,
        encoding="utf8" if source.encoding == "utf-8" else source.encoding,
        skip_lines=source.skipped_lines,
    )
    edges = [frame.row(0), frame.row(-1)] if frame.height else []
    return Found(frame.columns, frame.height, *edges)


def _from_arrow(table: pa.Table) -> Found:
    rows = [0, table.num_rows - 1] if table.num_rows else []
    edges = [[column[row].as_py() for column in table.columns] for row in rows]
    return Found(table.schema.names, table.num_rows, *edges)


def _describe(case: Case) -> Source:
    delimiter = ","
    with suppress(Invalid):
        delimiter = scan_file(case.path, "csv", options=case.options).delimiter
    return Source(case.path, case.options.encoding, (case.options.header_row or 1) - 1, delimiter)


def _judge(case: Case, read: ReadCsv) -> Outcome:
    try:
        found = read(_describe(case))
    except Exception as error:
        is_refused = not isinstance(case.expected, Reading)
        return Outcome("refused" if is_refused else "error", " ".join(str(error).split())[:80])
    if not isinstance(case.expected, Reading):
        return Outcome("accepted", f"{case.expected.code}: {found.rows} rows of {found.names[:4]}")
    return _compare(found, case.expected)


def _compare(found: Found, expected: Reading) -> Outcome:
    names = [" ".join(name.split()) for name in found.names]
    if found.rows != expected.total_rows:
        return Outcome("other", f"{found.rows} rows of {names[:4]} instead of {expected.total_rows}")
    if names != list(expected.columns):
        return Outcome("other", f"columns {names[:4]}")
    texts, others = [], []
    for name, first, last in zip(names, found.first, found.last, strict=True):
        meant = [row[name] for row in (expected.first_row, expected.last_row) if row is not None]
        if not all(map(_mean_the_same, (first, last), meant)):
            is_text = expected.columns[name]["type"] != "String" and isinstance(first or last, str)
            (texts if is_text else others).append(f"{name}: {first!r}, {last!r} for {meant[0]!r}, {meant[-1]!r}")
    if others:
        return Outcome("other", "; ".join(others)[:160])
    return Outcome("text", "; ".join(texts)[:160]) if texts else Outcome("same")


def _mean_the_same(found: Any, meant: Any) -> bool:
    found, meant = _normalize(found), _normalize(meant)
    is_number = isinstance(found, int | float) and isinstance(meant, int | float)
    if is_number and bool not in (type(found), type(meant)):
        return math.isclose(found, meant, rel_tol=1e-15)
    return type(found) is type(meant) and found == meant


def _normalize(value: Any) -> Any:
    """Return a value without what means nothing here: blanks, empty texts, the type of a moment or of a decimal."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.replace(nanosecond=0) if isinstance(moment, pd.Timestamp) else moment
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
