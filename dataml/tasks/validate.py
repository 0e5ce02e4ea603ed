"""The validation task: every cell of a dataset's files against the contract, the kept rows into one Parquet file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain, islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import to_text
from dataml.contract.contract import CellError, Contract, ErrorReport
from dataml.contract.files.reading import scan_file, split_file
from dataml.contract.files.sections import WHOLE_FILE, Section
from dataml.contract.files.structure_warnings import find_structure_warnings, join_structure_warnings
from dataml.contract.inference import InferredContract, infer_contract, settle_formats, settle_number_formats
from dataml.contract.lost_digits import find_lost_digits
from dataml.contract.partial import find_missing_columns, select_present
from dataml.contract.types import DataType
from dataml.contract.uniqueness import find_duplicate_rows
from dataml.contract.warnings import DataWarning
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
from dataml.ml.memory import release_memory
from dataml.storage.hashing import hash_file
from dataml.tasks.distributed.cluster import is_worth_distributing
from dataml.tasks.distributed.validation import SECTION_BYTES, FileSection, check_sections
from dataml.tasks.lake import parquet_rows, undo, withdraw, write
from dataml.tasks.outputs import ValidationOutputs
from dataml.tasks.row_checks import CheckedRows, check_rows
from dataml.tasks.source_files import read_batches, read_names

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

MAX_FIRST_ERRORS: Final = 100
# A number in another spelling than the plain one that was assumed for its column.
_SPELLING_RULES: Final = pa.array(["ambiguous_number", "other_number_format"])


class _OpenSpelling(Exception):
    """A column's numbers are not spelled as was assumed: its spelling has to be settled from all its values."""


def run(spec: ValidateSpec, context: JobContext) -> ValidateResult:
    """Check every cell; only a few batches are in memory at a time.

    Writes these files. `row` counts the data rows of a file from 1, without the header and blank lines.

    - `data.parquet`: the kept rows in file order, zstd, typed by the contract.
    - `errors.parquet`, when a row is quarantined: every wrong cell (file, row, column, value, rule, reason), with at
      most 200 characters of the value.
    - `set_aside.parquet`, when a row is quarantined: the quarantined rows as whole text after `file_id` and `row`; a
      column of the data with such a name gets an underscore.

    Raises:
        Invalid: the codes of `scan_file` and `infer_contract`, or `bad_cell` under `on_error="reject"`.
        DatamlError: what `tasks.lake` raises, where rows come from the lake or go there.
    """
    undo([target for target in (spec.raw, spec.lake) if target is not None], spec.superseded, context)
    spec, missing = _select_present(spec, context)
    result = _validate(spec, context)
    return replace(result, warnings=(*missing, *result.warnings))


def _select_present(spec: ValidateSpec, context: JobContext) -> tuple[ValidateSpec, tuple[DataWarning, ...]]:
    """Return the spec without the columns that prediction data does not have, and the warning that names them."""
    if spec.contract is None or not spec.partial:
        return spec, ()
    files = [read_names(file, context) for file in spec.files]
    return replace(spec, contract=select_present(spec.contract, files)), find_missing_columns(spec.contract, files)


def _validate(spec: ValidateSpec, context: JobContext) -> ValidateResult:
    # An error in a file's structure explains all other errors in it, so it is reported first. The upload has checked
    # the structure already; it is checked again because that is cheap, and what is in storage is what is trained on.
    with ThreadPoolExecutor(2) as pool:
        if spec.distributed and is_worth_distributing():
            try:
                return _Validation(spec, context, pool, distributed=True).run()
            except Invalid:
                _check_structure(spec, context)  # a section does not know the number of its first line
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
            scan_file(context.fetch(file.path), file.format, spec.contract, options=file.csv_options)
        except Invalid as error:
            raise Invalid(f"{file.name}: {error.detail}", code=error.code) from error


class _Validation:
    """One run over the files of a dataset."""

    def __init__(self, spec: ValidateSpec, context: JobContext, pool: Executor, distributed: bool = False) -> None:
        self._spec = spec
        self._distributed = distributed
        self._context = context
        self._pool = pool
        self._open_spellings = False
        self._expected_rows = sum(file.records for file in spec.files)
        self._done_rows = 0

    def run(self) -> ValidateResult:
        """Check every cell, with the spellings of the contract settled."""
        inferred = self._resolve_contract()
        try:
            # The spelling of numbers would take a second reading of all files, which nearly none of them need.
            return self._check(inferred, open_spellings=self._spec.contract is not None)
        except _OpenSpelling:
            self._done_rows = 0
            settled = settle_number_formats(inferred.contract, self._all_batches)
            warnings = (*inferred.warnings, *settled.warnings)
            return self._check(replace(settled, warnings=warnings))

    def _check(self, inferred: InferredContract, *, open_spellings: bool = False) -> ValidateResult:
        contract, self._open_spellings = inferred.contract, open_spellings
        outputs = ValidationOutputs(contract, self._context, self._pool)
        with ExitStack() as stack:
            stack.callback(outputs.abort)
            checked = self._check_parallel(contract, stack) if self._distributed else self._check_serial(contract)
            reports = tuple(
                self._write_file(file, checks, outputs) for file, checks in zip(self._spec.files, checked, strict=True)
            )
            outputs.close()
        total = sum(report.total_records for report in reports)
        raw_snapshot_id, snapshot_id = self._write_to_lake(outputs, total)
        return ValidateResult(
            contract=contract,
            parquet=outputs.data.name,
            parquet_sha256=hash_file(self._context.storage.path(outputs.data.name)),
            errors=outputs.errors.name if outputs.errors.rows else None,
            quarantined=outputs.quarantined.name if outputs.quarantined.rows else None,
            total_records=total,
            kept_records=outputs.data.rows,
            files=reports,
            raw_snapshot_id=raw_snapshot_id,
            snapshot_id=snapshot_id,
            warnings=inferred.warnings,
        )

    def _write_to_lake(self, outputs: ValidationOutputs, total: int) -> tuple[int | None, int | None]:
        """Write all rows as they came, and the kept rows of a valid dataset, to the lake.

        Of an invalid dataset, the rows of an earlier version are withdrawn.

        Returns:
            The snapshots that have the raw rows and the kept rows.
        """
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

    def _resolve_contract(self) -> InferredContract:
        """Return the contract to check against: with the spellings of dates settled, or inferred from all values."""
        contract = self._spec.contract
        if contract is None:
            inferred = infer_contract(self._all_batches)
        else:
            inferred = settle_formats(contract, self._all_batches)
        # What the pass over the columns has read would stay beside what the check of all of them reads.
        release_memory()
        inferred = replace(inferred, warnings=(*self._find_structure_warnings(), *inferred.warnings))
        return self._with_lost_digits(inferred)

    def _find_structure_warnings(self) -> tuple[DataWarning, ...]:
        has_template = self._spec.contract is not None
        return join_structure_warnings(
            [
                (
                    file.name,
                    find_structure_warnings(
                        self._context.fetch(file.path), file.format, file.csv_options, has_template
                    ),
                )
                for file in self._spec.files
                if file.format != "iceberg"
            ]
        )

    def _with_lost_digits(self, inferred: InferredContract) -> InferredContract:
        """Return the contract with a warning for each column of a typed file whose numbers a float does not hold."""
        floats = [column.name for column in inferred.contract.columns if column.data_type is DataType.FLOAT]
        typed = [file for file in self._spec.files if file.format != "csv" and floats]
        warnings = chain.from_iterable(find_lost_digits(self._batches(file, floats)) for file in typed)
        return replace(inferred, warnings=(*inferred.warnings, *warnings))

    def _check_serial(self, contract: Contract) -> Iterator[Iterator[CheckedRows]]:
        """Yield, for each file, the results of its batches."""
        duplicates = self._find_duplicates(contract)

        def check_file(file: SourceFile) -> Iterator[CheckedRows]:
            for batch in self._batches(file, list(contract.names)):
                yield check_rows(batch, contract, _slice_marks(duplicates, self._done_rows, batch.num_rows))

        return (check_file(file) for file in self._spec.files)

    def _check_parallel(self, contract: Contract, stack: ExitStack) -> Iterator[Iterator[CheckedRows]]:
        """Yield the same by Ray Data, whose tasks begin with the next sections meanwhile."""
        duplicates = self._find_duplicates(contract)
        start = 0
        by_file: list[list[FileSection]] = []
        for file in self._spec.files:
            path = self._context.fetch(file.path)
            by_file.append([])
            assert file.format != "iceberg", "tables are read by the worker itself"
            for section in split_file(path, file.format, SECTION_BYTES, file.csv_options):
                rows = sum(batch.num_rows for batch in self._batches(file, [*duplicates], section)) if duplicates else 0
                marks = _slice_marks(duplicates, start, rows)
                by_file[-1].append(
                    FileSection(self._context.storage, file.path, file.format, section, marks, file.csv_options)
                )
                start += rows
        checked = stack.enter_context(closing(check_sections(list(chain.from_iterable(by_file)), contract)))
        return (islice(checked, len(file_sections)) for file_sections in by_file)

    def _find_duplicates(self, contract: Contract) -> dict[str, np.ndarray]:
        unique = [column.name for column in contract.columns if column.unique]
        return find_duplicate_rows(contract.columns, self._all_batches(unique))

    def _write_file(self, file: SourceFile, checks: Iterator[CheckedRows], outputs: ValidationOutputs) -> FileReport:
        tally = _ErrorTally(file.name)
        kept_before = outputs.data.rows
        for checked in checks:
            if self._open_spellings and _has_open_spelling(checked):
                raise _OpenSpelling
            if checked.errors.num_rows and self._spec.on_error == "reject":
                raise _bad_cell(next(tally.locate(checked)))
            outputs.write(file, checked, tally.rows)
            tally.add(checked)
            self._advance(checked.rows)
        return FileReport(
            file_id=file.file_id,
            total_fields=len(self._column_names(file)),
            total_records=tally.rows,
            kept_records=outputs.data.rows - kept_before,
            error_report=tally.report(),
        )

    def _batches(
        self, file: SourceFile, columns: list[str] | None, section: Section = WHOLE_FILE
    ) -> Iterator[pa.RecordBatch]:
        return read_batches(file, self._context, columns, section)

    def _raw_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows as they came, also those with wrong cells and columns that the template does not have.

        All values are text, after `file_id` and `row`, which locate a row as in the file of quarantined rows.
        """
        names = list(dict.fromkeys(chain.from_iterable(self._column_names(file) for file in self._spec.files)))
        origin = [(name, pa.int64()) for name in QUARANTINE_ORIGIN_COLUMNS]
        schema = pa.schema([*origin, *((name, pa.string()) for name in quarantine_column_names(names))])
        for file in self._spec.files:
            row = 1
            for batch in self._batches(file, None):
                count = batch.num_rows
                present = dict(zip(batch.schema.names, batch.columns, strict=True))
                texts = [to_text(present[name]) if name in present else pa.nulls(count, pa.string()) for name in names]
                place = [np.full(count, file.file_id), np.arange(row, row + count)]
                yield pa.RecordBatch.from_arrays([*map(pa.array, place), *texts], schema=schema)
                row += count

    def _column_names(self, file: SourceFile) -> tuple[str, ...]:
        return read_names(file, self._context)

    def _all_batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        names = None if columns is None else list(columns)
        return chain.from_iterable(self._batches(file, names) for file in self._spec.files)

    def _advance(self, rows: int) -> None:
        self._done_rows += rows
        expected = max(self._expected_rows, self._done_rows, 1)
        self._context.report_progress(self._done_rows / expected, f"{self._done_rows:,} of {expected:,} rows checked")


def _slice_marks(duplicates: dict[str, np.ndarray], start: int, rows: int) -> dict[str, np.ndarray]:
    return {name: marks[start : start + rows] for name, marks in duplicates.items()}


def _has_open_spelling(checked: CheckedRows) -> bool:
    return bool(pc.any(pc.is_in(checked.errors.column("rule"), value_set=_SPELLING_RULES)).as_py())


def _bad_cell(error: CellError) -> Invalid:
    reason = f"{error.value!r}: {error.reason} ({error.rule})"
    return Invalid(f"{error.file}, row {error.row:,}, column {error.column!r}: {reason}.", code="bad_cell")


class _ErrorTally:
    """Counts the errors of one file, of which `rows` rows were checked."""

    def __init__(self, file_name: str) -> None:
        self.rows = 0
        self._file_name = file_name
        self._rows_with_errors = 0
        self._by_column: Counter[str] = Counter()
        self._by_rule: Counter[str] = Counter()
        self._first: list[CellError] = []

    def locate(self, checked: CheckedRows, count: int = 1) -> Iterator[CellError]:
        """Yield the first errors, with the row in the file counted from 1."""
        for error in checked.errors.slice(0, count).to_pylist():
            yield CellError(self._file_name, **error | {"row": self.rows + error["row"] + 1})

    def add(self, checked: CheckedRows) -> None:
        self._first += self.locate(checked, MAX_FIRST_ERRORS - len(self._first))
        self._rows_with_errors += checked.rows - checked.kept.num_rows
        self._by_column += _count_values(checked.errors.column("column"))
        self._by_rule += _count_values(checked.errors.column("rule"))
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


def _count_values(values: pa.Array) -> Counter[str]:
    counts = pc.value_counts(values)
    return Counter(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))
