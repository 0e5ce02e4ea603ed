"""Warnings about the first rows of uploaded files, found while the upload is answered."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import pyarrow as pa

from dataml.contract.files import structure_warnings
from dataml.contract.files.reading import open_batches
from dataml.contract.files.structure_warnings import join_structure_warnings
from dataml.contract.inference import infer_contract
from dataml.contract.warnings import DataWarning
from dataml.dataset.stored_upload import StoredFile
from dataml.errors import Invalid
from dataml.storage.storage import Storage

MAX_ROWS: Final = 10_000
MAX_COLUMNS: Final = 1_000
_MAX_CELLS: Final = 500_000
_MIN_ROWS: Final = 50


def find_warnings(storage: Storage, files: Sequence[StoredFile]) -> tuple[DataWarning, ...]:
    """Return what the first block of each file says about the columns, before a validation has read all rows.

    A block has at most `MAX_ROWS` rows, fewer of a wide table, and of the first `MAX_COLUMNS` columns, so the time is
    bounded whatever the size of the files. Files that cannot be read together have no warnings: their validation names
    the reason.
    """
    columns = _first_names(files)
    blocks = [block for file in files if (block := _read_first_block(storage, file, columns)) is not None]

    def read(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for block in blocks:
            names = set(block.schema.names)
            yield block if columns is None else block.select([name for name in columns if name in names])

    with suppress(Invalid):
        return infer_contract(read).warnings
    return ()


def find_structure_warnings(
    storage: Storage, files: Sequence[StoredFile], has_template: bool
) -> tuple[DataWarning, ...]:
    """Return what the beginnings of the files, and the check of their structure, say about rows and columns."""
    return join_structure_warnings(
        [
            (
                file.name,
                structure_warnings.find_structure_warnings(
                    storage.path(file.path), file.format, file.csv, has_template
                ),
            )
            for file in files
        ]
    )


def _read_first_block(storage: Storage, file: StoredFile, columns: Sequence[str]) -> pa.RecordBatch | None:
    rows = max(_MIN_ROWS, min(MAX_ROWS, _MAX_CELLS // max(1, len(columns))))
    path = storage.path(file.path)
    block = next(open_batches(path, file.format, columns, batch_rows=rows, options=file.csv), None)
    return block.slice(0, rows) if block is not None else None


def _first_names(files: Sequence[StoredFile]) -> list[str]:
    """Return the columns that are looked at: they are the same in every file."""
    return list(files[0].summary.names[:MAX_COLUMNS]) if files else []
