"""Validate a dataset: every cell of its files against the contract, the kept rows into one typed Parquet file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.errors import Invalid
from dataml.jobs.spec import (
    SET_ASIDE_ORIGIN,
    FileReport,
    JobContext,
    SourceFile,
    ValidateResult,
    ValidateSpec,
    set_aside_names,
)
from dataml.ml.columns import as_text
from dataml.ml.contract import BadCell, BadCells, CellError, Contract, ErrorReport, ParsedBatch, resolve_date_orders
from dataml.ml.sources import SourceSummary, infer_contract, open_batches, scan
from dataml.ml.uniqueness import repeated_rows

ROW_GROUP_ROWS: Final = 131_072
FIRST_ERRORS: Final = 100
ERROR_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("value", pa.string()),
        ("rule", pa.string()),
        ("reason", pa.string()),
    ]
)


def run(spec: ValidateSpec, context: JobContext) -> ValidateResult:
    """Check every cell; only a few batches are in memory at a time.

    Writes `data.parquet` (the kept rows in file order, zstd, typed by the contract) and, when a row was set aside,
    `errors.parquet` (every wrong cell: file, row, column, value, rule, reason) and `set_aside.parquet` (those rows as
    text behind `file_id` and `row`; a column of the data with such a name gets an underscore). `row` counts the data
    rows of a file from 1, without the header and blank lines. Values are shown up to 200 characters in the errors and
    whole among the rows set aside.

    Raises Invalid: the codes of `scan` and `infer_contract`, or `bad_cell` under `on_error="reject"`.
    """
    summaries = [_scan(file, context, spec.contract) for file in spec.files]
    contract = _contract(spec, context, summaries)
    unique = [column.name for column in contract.columns if column.unique]
    repeated = repeated_rows(
        contract.columns,
        chain.from_iterable(
            _batches(file, summary, context, unique) for file, summary in zip(spec.files, summaries, strict=True)
        ),
    )
    with _Outputs(contract, context, sum(summary.total_records for summary in summaries)) as outputs:
        reports = tuple(
            _validate_file(spec, file, summary, repeated, outputs)
            for file, summary in zip(spec.files, summaries, strict=True)
        )
    return ValidateResult(
        contract=contract,
        parquet=outputs.data.name,
        errors=outputs.errors.name if outputs.errors.rows else None,
        set_aside=outputs.set_aside.name if outputs.set_aside.rows else None,
        total_records=sum(report.total_records for report in reports),
        kept_records=outputs.data.rows,
        files=reports,
    )


def _scan(file: SourceFile, context: JobContext, contract: Contract | None) -> SourceSummary:
    # Checked at upload too; here again because it is cheap, and what is in storage is what gets trained on.
    try:
        return scan(context.path(file.path), file.format, contract)
    except Invalid as error:
        raise Invalid(f"{file.name}: {error.detail}", code=error.code) from error


def _contract(spec: ValidateSpec, context: JobContext, summaries: list[SourceSummary]) -> Contract:
    """The contract that the cells are checked against: date orders settled, or inferred from all values."""
    files = list(zip(spec.files, summaries, strict=True))
    if spec.contract is None:
        return infer_contract(chain.from_iterable(_batches(file, summary, context) for file, summary in files))
    dates = [column.name for column in spec.contract.columns if column.data_type.is_temporal and not column.date_order]
    return resolve_date_orders(
        spec.contract, chain.from_iterable(_batches(file, summary, context, dates) for file, summary in files)
    )


def _batches(
    file: SourceFile, summary: SourceSummary, context: JobContext, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    return open_batches(context.path(file.path), file.format, summary.delimiter, columns)


def _validate_file(
    spec: ValidateSpec,
    file: SourceFile,
    summary: SourceSummary,
    repeated: Mapping[str, np.ndarray],
    outputs: "_Outputs",
) -> FileReport:
    tally = _Tally(file.name)
    kept_before = outputs.data.rows
    rows = 0
    for batch in _batches(file, summary, outputs.context, list(outputs.contract.names)):
        here = slice(outputs.done_rows, outputs.done_rows + batch.num_rows)
        parsed = outputs.contract.parse_batch(batch, {name: marks[here] for name, marks in repeated.items()})
        if parsed.errors and spec.on_error == "reject":
            raise _bad_cell(tally.locate(next(iter(parsed.errors)), rows))
        outputs.write(file, batch, parsed, rows)
        tally.add(parsed, rows)
        rows += batch.num_rows
        outputs.advance(batch.num_rows)
    return FileReport(
        file_id=file.file_id,
        total_fields=summary.total_fields,
        total_records=rows,
        kept_records=outputs.data.rows - kept_before,
        error_report=tally.report(),
    )


def _bad_cell(error: CellError) -> Invalid:
    found = f"{error.value!r}: {error.reason} ({error.rule})"
    return Invalid(f"{error.file}, row {error.row:,}, column {error.column!r}: {found}.", code="bad_cell")


class _Tally:
    """The error report of one file in the making."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._rows = 0
        self._by_column: Counter[str] = Counter()
        self._by_rule: Counter[str] = Counter()
        self._first: list[CellError] = []

    def locate(self, error: BadCell, rows_before: int) -> CellError:
        return CellError(self._file_name, rows_before + error.row + 1, *error[1:])

    def add(self, parsed: ParsedBatch, rows_before: int) -> None:
        self._rows += len(parsed.kept) - parsed.table.num_rows
        self._by_column += parsed.errors.by_column()
        self._by_rule += parsed.errors.by_rule()
        room = FIRST_ERRORS - len(self._first)
        self._first += [self.locate(error, rows_before) for error in parsed.errors.first(room)]

    def report(self) -> ErrorReport | None:
        if not self._rows:
            return None
        return ErrorReport(
            total_errors=self._by_rule.total(),
            rows_with_errors=self._rows,
            by_column=dict(self._by_column.most_common()),
            by_rule=dict(self._by_rule.most_common()),
            first=tuple(self._first),
        )


class _Outputs:
    """The three files of one validation, and its progress."""

    def __init__(self, contract: Contract, context: JobContext, expected_rows: int) -> None:
        self.contract = contract
        self.context = context
        self.data = _RowGroups(context, "data.parquet", contract.schema)
        self.errors = _RowGroups(context, "errors.parquet", ERROR_SCHEMA)
        origin = [(name, pa.int64()) for name in SET_ASIDE_ORIGIN]
        texts = [(name, pa.string()) for name in set_aside_names(contract.names)]
        self.set_aside = _RowGroups(context, "set_aside.parquet", pa.schema([*origin, *texts]))
        self._expected_rows = expected_rows
        self.done_rows = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for output in (self.data, self.errors, self.set_aside):
            self._stack.callback(output.close)
        self.data.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, file: SourceFile, batch: pa.RecordBatch, parsed: ParsedBatch, rows_before: int) -> None:
        self.data.add(parsed.table)
        if parsed.errors:
            self.errors.add(_error_batch(file.name, parsed.errors, rows_before))
            self.set_aside.add(
                _set_aside(file.file_id, batch, parsed, rows_before, self.set_aside.schema, self.contract)
            )

    def advance(self, rows: int) -> None:
        self.done_rows += rows
        fraction = min(self.done_rows / max(self._expected_rows, 1), 1.0)
        self.context.progress(fraction, f"{self.done_rows:,} of {self._expected_rows:,} rows checked")


def _error_batch(file_name: str, errors: BadCells, rows_before: int) -> pa.RecordBatch:
    which = pa.array(errors.which)
    words = [pa.array(each, pa.string()).take(which) for each in zip(*errors.refusals, strict=True)]
    columns = [
        pa.repeat(file_name, len(errors)),
        pa.array(errors.rows + rows_before + 1),
        pa.array(errors.names).take(pa.array(errors.columns)),
        *words,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ERROR_SCHEMA)


def _set_aside(
    file_id: int, batch: pa.RecordBatch, parsed: ParsedBatch, rows_before: int, schema: pa.Schema, contract: Contract
) -> pa.RecordBatch:
    rows = np.unique(parsed.errors.rows)
    bad = batch.take(pa.array(rows))
    texts = [
        as_text(bad.column(name)) if name in batch.schema.names else pa.nulls(len(rows), pa.string())
        for name in contract.names
    ]
    origin = [pa.repeat(pa.scalar(file_id, pa.int64()), len(rows)), pa.array(rows + rows_before + 1)]
    return pa.RecordBatch.from_arrays([*origin, *texts], schema=schema)


class _RowGroups:
    """A Parquet file written in row groups of ROW_GROUP_ROWS; it exists once `open` or `add` was called."""

    def __init__(self, context: JobContext, name: str, schema: pa.Schema) -> None:
        self.name, self._path = context.output(name)
        self.schema = schema
        self.rows = 0
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0

    def open(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self.schema, compression="zstd")
        return self._writer

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._write(self._waiting_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS)

    def close(self) -> None:
        if self._waiting_rows:
            self._write(self._waiting_rows)
        if self._writer is not None:
            self._writer.close()

    def _write(self, rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, self.schema)
        self.open().write_table(table.slice(0, rows), row_group_size=ROW_GROUP_ROWS)
        rest = table.slice(rows)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows
