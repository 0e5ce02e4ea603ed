"""Drafts a template from sample files, which are read and not kept."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
from starlette.datastructures import UploadFile

from dataml.contract.files import reading
from dataml.contract.files.detection import SNIFF_BYTES, FileFormat, detect_format
from dataml.contract.files.layout import PLAIN_CSV, CsvOptions
from dataml.contract.files.structure_warnings import find_structure_warnings, join_structure_warnings
from dataml.contract.inference import infer_contract
from dataml.contract.lost_digits import find_lost_digits
from dataml.contract.types import DataType
from dataml.contract.warnings import DataWarning
from dataml.http.warnings import list_warnings
from dataml.storage.names import display_name
from dataml.storage.storage import Storage
from dataml.template.schemas import InferredTemplate, TemplateColumn

MAX_SAMPLE_BYTES: Final = 256 * 1024**2


@dataclass(frozen=True)
class _Sample:
    """A sample file on disk whose structure is valid."""

    path: Path
    format: FileFormat
    summary: reading.SourceSummary

    def read(self, max_rows: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """Yield the first `max_rows` rows, of these columns or of all."""
        for batch in reading.open_batches(self.path, self.format, columns, options=self.summary.csv):
            yield batch.slice(0, max_rows)
            max_rows -= batch.num_rows
            if max_rows <= 0:
                return

    def find_structure_warnings(self) -> tuple[DataWarning, ...]:
        """Return the warnings about its structure."""
        return find_structure_warnings(self.path, self.format, self.summary.csv, has_template=False)


async def draft(parts: Sequence[UploadFile], max_rows: int, csv: CsvOptions = PLAIN_CSV) -> InferredTemplate:
    """Return columns that the first `max_rows` rows of each file fit.

    Raises:
        Invalid: the structure of a file is broken, or it lacks a column of another; see `contract.files.reading`.
        TooLarge: `upload_too_large`.
    """
    with tempfile.TemporaryDirectory(prefix="dataml-sample-") as folder:
        storage = Storage(Path(folder))
        samples = [await _store(storage, f"sample/{number}", part, csv) for number, part in enumerate(parts)]

        def read(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
            return chain.from_iterable(sample.read(max_rows, columns) for sample in samples)

        inferred = await asyncio.to_thread(infer_contract, read)
        floats = [column.name for column in inferred.contract.columns if column.data_type is DataType.FLOAT]
        typed = [sample for sample in samples if sample.format == "parquet" and floats]
        structure = [
            (display_name(part.filename or ""), await asyncio.to_thread(sample.find_structure_warnings))
            for part, sample in zip(parts, samples, strict=True)
        ]
        lost = [await asyncio.to_thread(find_lost_digits, sample.read(max_rows, floats)) for sample in typed]
    return InferredTemplate(
        template_schema=[TemplateColumn.from_column(column) for column in inferred.contract.columns],
        warnings=list_warnings((*join_structure_warnings(structure), *inferred.warnings, *chain.from_iterable(lost))),
        rows_read=sum(min(max_rows, sample.summary.total_records) for sample in samples),
        delimiter=samples[0].summary.delimiter if samples[0].format == "csv" else None,
    )


async def _store(storage: Storage, name: str, part: UploadFile, csv: CsvOptions) -> _Sample:
    first_bytes = await part.read(SNIFF_BYTES)
    await part.seek(0)
    file_format = detect_format(display_name(part.filename or ""), first_bytes, csv)
    await storage.write(name, part.file, MAX_SAMPLE_BYTES)
    path = storage.path(name)
    summary = await asyncio.to_thread(reading.scan_file, path, file_format, None, MAX_SAMPLE_BYTES, csv)
    return _Sample(path, file_format, summary)
