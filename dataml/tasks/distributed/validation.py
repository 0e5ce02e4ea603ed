"""Checks of the sections of a dataset in parallel, by Ray Data, on all CPUs of the cluster."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import CELL_ERROR_SCHEMA, Contract
from dataml.contract.files.detection import FileFormat
from dataml.contract.files.layout import PLAIN_CSV, CsvOptions
from dataml.contract.files.reading import open_batches, scan_file_section
from dataml.contract.files.sections import Section
from dataml.errors import Invalid
from dataml.storage.storage import Storage
from dataml.tasks.distributed import cluster
from dataml.tasks.row_checks import CheckedRows, check_rows, quarantine_schema

SECTION_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class FileSection:
    """A section of a file in storage; `duplicates` as for `check_rows`, one boolean a row of the section."""

    storage: Storage
    name: str
    format: FileFormat
    section: Section
    duplicates: dict[str, np.ndarray]
    csv: CsvOptions = PLAIN_CSV


def check_sections(sections: Sequence[FileSection], contract: Contract) -> Generator[CheckedRows, None, None]:
    """Yield the result of each section, in their order, as soon as it is known; the structure is checked too.

    The tasks go on until the generator is closed: a caller that does not want all results must close it.

    Raises:
        Invalid: as `contract.files.reading.scan_file_section`.
    """
    import ray  # a cluster's own library takes seconds to import, and few datasets need it
    from ray.data import DataContext, TaskPoolStrategy

    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    count = len(sections)
    numbers = ray.data.from_items([{"section": number} for number in range(count)], override_num_blocks=count)
    checked = numbers.map_batches(
        partial(_check_section, sections=list(sections), contract=contract),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=0,  # the platform itself holds most CPUs of a small machine: the number of tasks is limited instead
        compute=TaskPoolStrategy(cluster.cpu_count()),
    )
    tables: Any = iter(checked.iter_batches(batch_size=None, batch_format="pyarrow"))
    try:
        for table in tables:
            for row in range(table.num_rows):
                yield _unpack(table.slice(row, 1))
    finally:
        tables.close()  # ends the tasks that still run


def _check_section(numbers: pa.Table, sections: list[FileSection], contract: Contract) -> pa.Table:
    section = sections[numbers.column("section")[0].as_py()]
    path = section.storage.fetch(section.name)
    try:
        scan_file_section(path, section.format, section.section, section.csv)
        batches = list(_check_batches(section, path, contract))
    except Invalid as error:
        return _pack([], contract, error)
    return _pack(batches, contract)


def _check_batches(section: FileSection, path: Path, contract: Contract) -> Iterator[CheckedRows]:
    start = 0
    for batch in open_batches(path, section.format, contract.names, section.section, options=section.csv):
        rows = slice(start, start + batch.num_rows)
        yield check_rows(batch, contract, {name: marks[rows] for name, marks in section.duplicates.items()})
        start += batch.num_rows


def _pack(batches: list[CheckedRows], contract: Contract, error: Invalid | None = None) -> pa.Table:
    """Return a table of one row: Ray Data transports rows, and a list of structs holds a table unchanged."""
    starts = np.cumsum([0, *(checked.rows for checked in batches)])
    errors = [_shift_rows(checked.errors, start) for checked, start in zip(batches, starts[:-1], strict=True)]
    return pa.table(
        {
            "rows": [int(starts[-1])],
            "kept": _to_cell([checked.kept for checked in batches], contract.schema),
            "errors": _to_cell(errors, CELL_ERROR_SCHEMA),
            "quarantined": _to_cell([checked.quarantined for checked in batches], quarantine_schema(contract)),
            "code": pa.array([error and error.code], pa.string()),
            "detail": pa.array([error and error.detail], pa.string()),
        }
    )


def _unpack(row: pa.Table) -> CheckedRows:
    code, detail = row.column("code")[0].as_py(), row.column("detail")[0].as_py()
    if code is not None:
        raise Invalid(detail, code=code)
    kept, errors, quarantined = (_from_cell(row.column(name)) for name in ("kept", "errors", "quarantined"))
    return CheckedRows(row.column("rows")[0].as_py(), kept, errors, quarantined)


def _to_cell(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Array:
    whole = pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=schema)
    return pa.ListArray.from_arrays(pa.array([0, whole.num_rows], pa.int32()), whole.to_struct_array())


def _from_cell(column: pa.ChunkedArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(column.combine_chunks().flatten())


def _shift_rows(errors: pa.RecordBatch, rows: int) -> pa.RecordBatch:
    return errors.set_column(0, "row", pa.array(errors.column("row").to_numpy() + rows))
