"""Check the sections of a dataset side by side, by Ray Data, on all CPUs of the cluster."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import CELL_ERROR_SCHEMA, Contract
from dataml.contract.files.reading import FileFormat, Section, open_batches, scan_file_section
from dataml.errors import Invalid
from dataml.storage.storage import Storage
from dataml.tasks.check import Checked, check, quarantine_schema

SECTION_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class Part:
    """A section of a file in storage; `duplicates` as for `check`, one boolean a row of the section."""

    storage: Storage
    name: str
    format: FileFormat
    section: Section
    duplicates: dict[str, np.ndarray]


def pays() -> bool:
    """Whether the cluster has more CPUs than one worker keeps busy by itself: it checks and writes at a time."""
    return _cpus() > 2


def check_parts(parts: Sequence[Part], contract: Contract) -> Generator[Checked, None, None]:
    """What came of each part, in their order, as soon as it is known. Structure is checked, too. To be closed by who
    does not want all of it, for the tasks go on until then.

    Raises Invalid, as `contract.files.reading.scan_file_section`.
    """
    import ray  # a cluster's own library takes seconds to import, and few datasets need it
    from ray.data import DataContext, TaskPoolStrategy

    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    numbers = ray.data.from_items([{"part": number} for number in range(len(parts))], override_num_blocks=len(parts))
    checked = numbers.map_batches(
        partial(_check_part, parts=list(parts), contract=contract),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=0,  # the platform itself holds most CPUs of a small machine: the number of tasks is limited instead
        compute=TaskPoolStrategy(_cpus()),
    )
    tables: Any = iter(checked.iter_batches(batch_size=None, batch_format="pyarrow"))
    try:
        for table in tables:
            for row in range(table.num_rows):
                yield _unpacked(table.slice(row, 1))
    finally:
        tables.close()  # ends the tasks that still run


def _cpus() -> int:
    import ray

    return int(ray.cluster_resources().get("CPU", 1)) if ray.is_initialized() else 1


def _check_part(numbers: pa.Table, parts: list[Part], contract: Contract) -> pa.Table:
    part = parts[numbers.column("part")[0].as_py()]
    path = part.storage.fetch(part.name)
    try:
        scan_file_section(path, part.format, part.section)
        found = list(_checked_batches(part, path, contract))
    except Invalid as refused:
        return _packed([], contract, refused)
    return _packed(found, contract)


def _checked_batches(part: Part, path: Path, contract: Contract) -> Iterator[Checked]:
    done = 0
    for batch in open_batches(path, part.format, columns=contract.names, section=part.section):
        here = slice(done, done + batch.num_rows)
        yield check(batch, contract, {name: marks[here] for name, marks in part.duplicates.items()})
        done += batch.num_rows


def _packed(found: list[Checked], contract: Contract, refused: Invalid | None = None) -> pa.Table:
    """A table of one row: what travels is rows, and a list of structures carries a table as it is."""
    starts = np.cumsum([0, *(checked.rows for checked in found)])
    errors = [_shifted(checked.errors, start) for checked, start in zip(found, starts[:-1], strict=True)]
    return pa.table(
        {
            "rows": [int(starts[-1])],
            "kept": _one_cell([checked.kept for checked in found], contract.schema),
            "errors": _one_cell(errors, CELL_ERROR_SCHEMA),
            "quarantined": _one_cell([checked.quarantined for checked in found], quarantine_schema(contract)),
            "code": pa.array([refused and refused.code], pa.string()),
            "detail": pa.array([refused and refused.detail], pa.string()),
        }
    )


def _unpacked(row: pa.Table) -> Checked:
    code, detail = row.column("code")[0].as_py(), row.column("detail")[0].as_py()
    if code is not None:
        raise Invalid(detail, code=code)
    kept, errors, quarantined = (_from_cell(row.column(name)) for name in ("kept", "errors", "quarantined"))
    return Checked(row.column("rows")[0].as_py(), kept, errors, quarantined)


def _one_cell(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Array:
    whole = pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=schema)
    return pa.ListArray.from_arrays(pa.array([0, whole.num_rows], pa.int32()), whole.to_struct_array())


def _from_cell(column: pa.ChunkedArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(column.combine_chunks().flatten())


def _shifted(errors: pa.RecordBatch, rows: int) -> pa.RecordBatch:
    return errors.set_column(0, "row", pa.array(errors.column("row").to_numpy() + rows))
