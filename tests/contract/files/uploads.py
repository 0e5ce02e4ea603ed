"""Uploaded files for tests: written, refused, read."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Contract
from dataml.contract.files.detection import FileFormat
from dataml.contract.files.layout import PLAIN_CSV, CsvOptions
from dataml.contract.files.reading import open_batches, scan_file
from dataml.errors import Invalid

WriteFile = Callable[[bytes | str], Path]


def refused_code(
    path: Path, format: FileFormat = "csv", contract: Contract | None = None, options: CsvOptions = PLAIN_CSV
) -> str:
    with pytest.raises(Invalid) as caught:
        scan_file(path, format, contract, options=options)
    return caught.value.code


def read_rows(path: Path, options: CsvOptions = PLAIN_CSV) -> list[tuple[str | None, ...]]:
    batches = open_batches(path, "csv", options=options)
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def write_parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path
