"""Validate a dataset: every cell of its files against the contract, the kept rows into one typed Parquet file."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import chain, islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import to_text
from dataml.contract.contract import CellError, Contract, ErrorReport, resolve_date_orders
from dataml.contract.files.reading import (
    WHOLE_FILE,
    Section,
    infer_contract,
    open_batches,
    read_column_names,
    scan_file,
    split_file,
)
from dataml.contract.uniqueness import find_duplicate_rows
from dataml.errors import Invalid
from dataml.iceberg.writing import BatchSource, LakeTarget
from dataml.jobs.spec import (
    QUARANTINE_ORIGIN_COLUMNS,
    FileReport,
    JobContext,
    SourceFile,
    ValidateResult,
    ValidateSpec,
    quarantine_column_names,
)
from dataml.tasks.check import Checked, check
from dataml.tasks.distributed.validation import SECTION_BYTES, Part, check_parts, pays
from dataml.tasks.lake import parquet_rows, table_batches, table_names, withdraw, write
from dataml.tasks.outputs import Outputs

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

FIRST_ERRORS: Final = 100


def run(spec: ValidateSpec, context: JobContext) -> ValidateResult:
    """Check every cell; only a few batches are in memory at a time.

    Writes `data.parquet` (the kept rows in file order, zstd, typed by the contract) and, when a row was quarantined,
    `errors.parquet` (every wrong cell: file, row, column, value, rule, reason) and `set_aside.parquet` (those rows as
    text behind `file_id` and `row`; a column of the data with such a name gets an underscore). `row` counts the data
    rows of a file from 1, without the header and blank lines. Values are shown up to 200 characters in the errors and
    whole among the quarantined rows.

    Raises Invalid: the codes of `scan_file` and `infer_contract`, or `bad_cell` under `on_error="reject"`; what
    `tasks.lake` raises, where rows come from the lake or go there.
    """
    # What is wrong with a file's structure explains whatever else fails in it. It was checked at upload, and is again
    # because that is cheap, and what is in storage is what gets trained on.
    with ThreadPoolExecutor(2) as pool:
        if spec.distributed and pays():
            try:
                return _Validation(spec, context, pool, distributed=True).run()
            except Invalid:
                _check_structure(spec, context)  # a section does not know which line it begins with
                raise
        structure = pool.submit(_check_structure, spec, context)
        try:
            return _Validation(spec, context, pool).run()
        finally:
            structure.result()


def _check_structure(spec: ValidateSpec, context: JobContext) -> None:
    for file in spec.files:
        if file.format == "iceberg":
            continue  # its columns were checked when the snapshot was chosen, and neither changes
        try:
            scan_file(context.fetch(file.path), file.format, spec.contract)
        except Invalid as error:
            raise Invalid(f"{file.name}: {error.detail}", code=error.code) from error


class _Validation:
    """One run over the files of a dataset."""

    def __init__(self, spec: ValidateSpec, context: JobContext, pool: Executor, distributed: bool = False) -> None:
        self._spec = spec
        self._distributed = distributed
        self._context = context
        self._pool = pool
        self._expected_rows = sum(file.records for file in spec.files)
        self._done_rows = 0

    def run(self) -> ValidateResult:
        contract = self._contract()
        outputs = Outputs(contract, self._context, self._pool)
        with ExitStack() as stack:
            stack.callback(outputs.abandon)
            checked = self._side_by_side(contract, stack) if self._distributed else self._one_by_one(contract)
            reports = tuple(
                self._file(file, found, outputs) for file, found in zip(self._spec.files, checked, strict=True)
            )
            outputs.close()
        total = sum(report.total_records for report in reports)
        raw_snapshot_id, snapshot_id = self._into_lake(outputs, total)
        return ValidateResult(
            contract=contract,
            parquet=outputs.data.name,
            errors=outputs.errors.name if outputs.errors.rows else None,
            set_aside=outputs.quarantined.name if outputs.quarantined.rows else None,
            total_records=total,
            kept_records=outputs.data.rows,
            files=reports,
            raw_snapshot_id=raw_snapshot_id,
            snapshot_id=snapshot_id,
        )

    def _into_lake(self, outputs: Outputs, total: int) -> tuple[int | None, int | None]:
        """The snapshots that have all rows as they came, and the kept ones; of an invalid dataset an earlier version's
        are taken back."""
        raw, lake = self._spec.raw, self._spec.lake
        is_valid = self._spec.is_enough(outputs.data.rows, total)
        wanted: list[tuple[LakeTarget, BatchSource]] = []
        if raw is not None:
            wanted.append((raw, self._raw_batches))
        if lake is not None and is_valid:
            wanted.append((lake, parquet_rows(self._context, outputs.data.name)))
        snapshots = dict(zip((target.name for target, _ in wanted), write(wanted, self._context), strict=True))
        if lake is not None and not is_valid:
            withdraw(lake, self._context)
        return snapshots.get(raw.name) if raw else None, snapshots.get(lake.name) if lake else None

    def _contract(self) -> Contract:
        """The contract that the cells are checked against: date orders settled, or inferred from all values."""
        given = self._spec.contract
        if given is None:
            return infer_contract(self._all_batches(None))
        dates = [column.name for column in given.columns if column.data_type.is_temporal and not column.date_order]
        return resolve_date_orders(given, self._all_batches(dates))

    def _one_by_one(self, contract: Contract) -> Iterator[Iterator[Checked]]:
        """For each file what came of its batches."""
        duplicates = self._repeated(contract)

        def of(file: SourceFile) -> Iterator[Checked]:
            for batch in self._batches(file, list(contract.names)):
                yield check(batch, contract, _marks(duplicates, self._done_rows, batch.num_rows))

        return (of(file) for file in self._spec.files)

    def _side_by_side(self, contract: Contract, stack: ExitStack) -> Iterator[Iterator[Checked]]:
        """The same by Ray Data, whose tasks begin with the next sections meanwhile."""
        duplicates = self._repeated(contract)
        done = 0
        parts: list[list[Part]] = []
        for file in self._spec.files:
            path = self._context.fetch(file.path)
            parts.append([])
            assert file.format != "iceberg", "tables are read by the worker itself"
            for section in split_file(path, file.format, SECTION_BYTES):
                rows = sum(batch.num_rows for batch in self._batches(file, [*duplicates], section)) if duplicates else 0
                parts[-1].append(
                    Part(self._context.storage, file.path, file.format, section, _marks(duplicates, done, rows))
                )
                done += rows
        checked = stack.enter_context(closing(check_parts(list(chain.from_iterable(parts)), contract)))
        return (islice(checked, len(of_file)) for of_file in parts)

    def _repeated(self, contract: Contract) -> dict[str, np.ndarray]:
        unique = [column.name for column in contract.columns if column.unique]
        return find_duplicate_rows(contract.columns, self._all_batches(unique))

    def _file(self, file: SourceFile, checks: Iterator[Checked], outputs: Outputs) -> FileReport:
        tally = _Tally(file.name)
        kept_before = outputs.data.rows
        for checked in checks:
            if checked.errors.num_rows and self._spec.on_error == "reject":
                raise _bad_cell(next(tally.located(checked)))
            outputs.write(file, checked, tally.rows)
            tally.add(checked)
            self._advance(checked.rows)
        return FileReport(
            file_id=file.file_id,
            total_fields=len(self._names(file)),
            total_records=tally.rows,
            kept_records=outputs.data.rows - kept_before,
            error_report=tally.report(),
        )

    def _batches(
        self, file: SourceFile, columns: list[str] | None, section: Section = WHOLE_FILE
    ) -> Iterator[pa.RecordBatch]:
        if file.format == "iceberg":
            return table_batches(file, self._context, columns)
        return open_batches(self._context.fetch(file.path), file.format, columns=columns, section=section)

    def _raw_batches(self) -> Iterator[pa.RecordBatch]:
        """All rows as they came, also those with wrong cells and columns that no template knows: text behind `file_id`
        and `row`, which name a place as in the files of quarantined rows."""
        names = list(dict.fromkeys(chain.from_iterable(self._names(file) for file in self._spec.files)))
        origin = [(name, pa.int64()) for name in QUARANTINE_ORIGIN_COLUMNS]
        schema = pa.schema([*origin, *((name, pa.string()) for name in quarantine_column_names(names))])
        for file in self._spec.files:
            row = 1
            for batch in self._batches(file, None):
                count = batch.num_rows
                there = dict(zip(batch.schema.names, batch.columns, strict=True))
                texts = [to_text(there[name]) if name in there else pa.nulls(count, pa.string()) for name in names]
                place = [np.full(count, file.file_id), np.arange(row, row + count)]
                yield pa.RecordBatch.from_arrays([*map(pa.array, place), *texts], schema=schema)
                row += count

    def _names(self, file: SourceFile) -> tuple[str, ...]:
        if file.format == "iceberg":
            return table_names(file, self._context)
        return read_column_names(self._context.fetch(file.path), file.format)

    def _all_batches(self, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        return chain.from_iterable(self._batches(file, columns) for file in self._spec.files)

    def _advance(self, rows: int) -> None:
        self._done_rows += rows
        expected = max(self._expected_rows, self._done_rows, 1)
        self._context.progress(self._done_rows / expected, f"{self._done_rows:,} of {expected:,} rows checked")


def _marks(duplicates: dict[str, np.ndarray], start: int, rows: int) -> dict[str, np.ndarray]:
    return {name: marks[start : start + rows] for name, marks in duplicates.items()}


def _bad_cell(error: CellError) -> Invalid:
    found = f"{error.value!r}: {error.reason} ({error.rule})"
    return Invalid(f"{error.file}, row {error.row:,}, column {error.column!r}: {found}.", code="bad_cell")


class _Tally:
    """The error report of one file in the making; `rows` were looked at."""

    def __init__(self, file_name: str) -> None:
        self.rows = 0
        self._file_name = file_name
        self._rows_with_errors = 0
        self._by_column: Counter[str] = Counter()
        self._by_rule: Counter[str] = Counter()
        self._first: list[CellError] = []

    def located(self, checked: Checked, count: int = 1) -> Iterator[CellError]:
        """The first errors, with the row in the file counted from 1."""
        for error in checked.errors.slice(0, count).to_pylist():
            yield CellError(self._file_name, **error | {"row": self.rows + error["row"] + 1})

    def add(self, checked: Checked) -> None:
        self._first += self.located(checked, FIRST_ERRORS - len(self._first))
        self._rows_with_errors += checked.rows - checked.kept.num_rows
        self._by_column += _counted(checked.errors.column("column"))
        self._by_rule += _counted(checked.errors.column("rule"))
        self.rows += checked.rows

    def report(self) -> ErrorReport | None:
        if not self._rows_with_errors:
            return None
        return ErrorReport(
            total_errors=self._by_rule.total(),
            rows_with_errors=self._rows_with_errors,
            by_column=dict(self._by_column.most_common()),
            by_rule=dict(self._by_rule.most_common()),
            first=tuple(self._first),
        )


def _counted(words: pa.Array) -> Counter[str]:
    found = pc.value_counts(words)
    return Counter(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))
