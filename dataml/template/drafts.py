"""Drafts a template from sample files, which are looked at and not kept."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
from starlette.datastructures import UploadFile

from dataml.contract.files import reading
from dataml.storage.names import display_name
from dataml.storage.storage import Storage
from dataml.template.schemas import InferredTemplate, TemplateColumn

MAX_SAMPLE_BYTES: Final = 256 * 1024**2


async def draft(parts: Sequence[UploadFile], rows: int) -> InferredTemplate:
    """The columns that the first `rows` rows of each file fit.

    Raises:
        Invalid: the structure of a file is broken, or one lacks a column of another; see `contract.files.reading`.
        TooLarge: `upload_too_large`.
    """
    with tempfile.TemporaryDirectory(prefix="dataml-sample-") as folder:
        storage = Storage(Path(folder))
        files: list[tuple[Path, reading.FileFormat, reading.SourceSummary]] = []
        for number, part in enumerate(parts):
            name = display_name(part.filename or "")
            first_bytes = await part.read(reading.SNIFF_BYTES)
            await part.seek(0)
            file_format = reading.detect_format(name, first_bytes)
            await storage.write(f"sample/of/{number}", part.file, MAX_SAMPLE_BYTES)
            path = storage.path(f"sample/of/{number}")
            files.append(
                (
                    path,
                    file_format,
                    await asyncio.to_thread(reading.scan_file, path, file_format, None, MAX_SAMPLE_BYTES),
                )
            )
        batches = (_first_rows(path, kind, summary.delimiter, rows) for path, kind, summary in files)
        contract = await asyncio.to_thread(reading.infer_contract, chain.from_iterable(batches))
    read = sum(min(rows, summary.total_records) for _, _, summary in files)
    _, kind, summary = files[0]
    return InferredTemplate(
        template_schema=[TemplateColumn.of(column) for column in contract.columns],
        rows_read=read,
        delimiter=summary.delimiter if kind == "csv" else None,
    )


def _first_rows(path: Path, kind: reading.FileFormat, delimiter: str, rows: int) -> Iterator[pa.RecordBatch]:
    for batch in reading.open_batches(path, kind, delimiter):
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return
