"""The rows of a dataset as a model reads them: by the model's contract, from the files that were uploaded."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.adaptation import adopt_spellings, list_open_decimals, reads_alike, spell_plainly
from dataml.contract.columns import parse_column
from dataml.contract.contract import Contract, ParsedBatch
from dataml.contract.types import DataType
from dataml.contract.warnings import MAX_EXAMPLES, DataWarning
from dataml.jobs.spec import DatasetRows, JobContext, SourceFile
from dataml.tasks.row_sections import RowSection, prepare_batches, split_rows
from dataml.tasks.source_files import read_batches, read_names

_BATCH_ROWS: Final = 65_536
_MAX_LOOKED_AT: Final = 1_000
_MISFIT_ROWS: Final = 10_000


class LeftOutRows:
    """The rows that a contract refuses: how many there are, and why."""

    def __init__(self) -> None:
        self._rows = 0
        self._examples: dict[str, str] = {}

    def add(self, parsed: ParsedBatch) -> None:
        """Count the refused rows of a batch."""
        count = len(parsed.kept) - parsed.table.num_rows
        if not count:
            return
        self._rows += count
        for error in parsed.errors.slice(0, _MAX_LOOKED_AT).to_pylist():
            self._examples.setdefault(error["column"], f"{error['column']} {error['value']!r}: {error['reason']}")

    def example(self, column: str) -> str | None:
        """Return why a value of this column was refused; None where none was."""
        return self._examples.get(column)

    def warnings(self) -> tuple[DataWarning, ...]:
        """Return the warning about these rows; none when there are none."""
        if not self._rows:
            return ()
        examples = tuple(self._examples.values())[:MAX_EXAMPLES]
        message = (
            f"{self._rows:,} rows have values that the model's contract refuses, and were left out: "
            f"{'; '.join(examples)}."
        )
        return (DataWarning("rows_left_out", message, None, self._rows, examples),)


class ModelRows:
    """The rows of a dataset, in the order of its files.

    Attributes:
        contract: reads them: the columns that are needed, in the spelling of the dataset.
        names: the columns that the rows have.
        total: number of rows, as it was counted at the upload.
        left_out: of `parse`, which counts the rows that the contract refuses.
    """

    def __init__(self, rows: DatasetRows | None, parquet: str, needed: Contract, context: JobContext) -> None:
        """Find out from where to read the rows.

        Args:
            rows: the rows as they were uploaded; None where only the validated copy is known.
            parquet: storage name of the validated copy.
            needed: the columns that are read, as a model has settled them.
            context: of the job that reads.

        Raises:
            Invalid: a file is not readable any more.
            DatamlError: what `tasks.lake.table_names` raises, for a lake table.
        """
        self._context = context
        self._parquet = parquet
        self._files: tuple[SourceFile, ...] = ()
        self.left_out = LeftOutRows()
        self.contract = needed
        if rows is not None:
            self.contract = adopt_spellings(needed, rows.contract)
            # Without a lake, as in a call that only checks, the typed copy of a table stands for it.
            is_readable = context.lake is not None or all(file.format != "iceberg" for file in rows.files)
            if is_readable and not (rows.is_whole and reads_alike(self.contract, rows.contract)):
                self._files = rows.files
        self._names_of_all, self.names = self._read_names()
        if rows is not None and self._files:
            self.contract = self._settle_decimals(rows.contract)
        self.total = sum(file.records for file in self._files) if self._files else self._copy().metadata.num_rows

    def copied_type(self, name: str) -> DataType:
        """Return the type of a column of the validated copy."""
        kind = self._copy().schema_arrow.field(name).type
        return next((each for each in DataType if each.arrow == kind), DataType.STRING)

    @property
    def is_copy(self) -> bool:
        """Whether the validated copy is read, since it says the same as the files."""
        return not self._files

    def missing(self) -> list[str]:
        """Return the needed columns that the rows do not have, and that have no default."""
        names = self._names_of_all
        return [column.name for column in self.contract.columns if column.name not in names and column.default is None]

    def batches(self, columns: Collection[str], batch_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Return the rows with those of these columns that they have, for `contract` to parse.

        Raises:
            Invalid: as `contract.files.reading.open_batches`.
            DatamlError: what `tasks.lake.table_batches` raises, for a lake table.
        """
        wanted = [name for name in self.names if name in columns]
        return prepare_batches(self._read(wanted, batch_rows), self.contract, batch_rows)

    def split(self, section_bytes: int) -> list[RowSection]:
        """Return sections of the rows for other processes to read, with `contract`; none of rows in a lake table.

        Raises:
            Invalid: as `tasks.row_sections.split_rows`.
        """
        return split_rows(self._context.storage, self._files, self._parquet, section_bytes)

    def parse(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the contract accepts, typed; the others are counted in `left_out`.

        Args:
            columns: some of the contract's columns, which alone are read and checked; None for all.

        Raises:
            Invalid: `missing_column`, and as `batches`.
        """
        contract = self.contract if columns is None else self.contract.select(columns)
        for batch in self.batches(contract.names):
            parsed = contract.parse_batch(batch)
            self.left_out.add(parsed)
            yield parsed.table

    def find_misfit(self, name: str, share: float) -> str | None:
        """Return why a column's values do not fit the contract, with an example.

        Only the first rows are looked at. None where at most this share of their values does not fit.

        Raises:
            Invalid: as `batches`.
        """
        column = self.contract.column(name)
        batch = next(self.batches([name], _MISFIT_ROWS), None)
        if batch is None or not batch.num_columns:
            return None
        cells = batch.column(0)
        parsed = parse_column(cells, column.data_type, column.value_format)
        if len(parsed.invalid_rows) <= share * (len(cells) - cells.null_count):
            return None
        violation = parsed.violations[0]
        return f"{violation.value!r} is {violation.reason}"

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return what `parse` yields as a table. Raises as `parse`."""
        schema = (self.contract if columns is None else self.contract.select(columns)).schema
        return pa.Table.from_batches(self.parse(columns), schema)

    def _read(self, wanted: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        if not self._files:
            # A file that no column is read of still has rows.
            return self._copy().iter_batches(batch_rows, columns=list(wanted))
        return chain.from_iterable(read_batches(file, self._context, wanted) for file in self._files)

    def _read_names(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the columns that all files have, and those that one has."""
        files = [read_names(file, self._context) for file in self._files] or [tuple(self._copy().schema_arrow.names)]
        return frozenset(files[0]).intersection(*files), tuple(dict.fromkeys(chain.from_iterable(files)))

    def _copy(self) -> pq.ParquetFile:
        # Without pre-buffering, which would keep all that it has read of a large file.
        return pq.ParquetFile(self._context.fetch(self._parquet), pre_buffer=False)

    def _settle_decimals(self, dataset: Contract) -> Contract:
        """Return the contract in which columns are plain that the model's decimal comma does not read."""
        names = list_open_decimals(self.contract, dataset)
        plain = {name for name in names if not self._is_read_by(name)}
        return spell_plainly(self.contract, plain) if plain else self.contract

    def _is_read_by(self, name: str) -> bool:
        column = self.contract.column(name)
        cells = (batch.column(0) for batch in self.batches([name]) if batch.num_columns)
        return not any(len(parse_column(each, column.data_type, column.value_format).invalid_rows) for each in cells)
