"""The rows of a dataset as they were uploaded, for the jobs that read them."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.contract.contract import Contract
from dataml.contract.files.reading import read_column_names
from dataml.dataset import lake_tables, service
from dataml.dataset.models import Dataset, File
from dataml.db.scope import Scope
from dataml.jobs.spec import DatasetRows, SourceFile
from dataml.settings import Settings
from dataml.storage.storage import Storage


async def get_rows(session: AsyncSession, scope: Scope, dataset: Dataset) -> DatasetRows:
    """Return the rows of a valid dataset, which models read by contracts of their own.

    Raises:
        NotFound: `schema_not_found`: it is made from a lake table that is no longer shared with the tenant.
    """
    files = await service.list_uploaded_files(session, scope, dataset.id)
    contract, _ = dataset.validated()
    sources = await list_sources(session, scope, dataset, files)
    return DatasetRows(sources, contract, dataset.kept_records == dataset.total_records)


async def is_large(session: AsyncSession, settings: Settings, scope: Scope, dataset_id: int) -> bool:
    """Return whether the uploaded files of a dataset are so large that Ray Data reads them, where that is worth it.

    A lake table counts as nothing: the worker reads it by itself.
    """
    files = await service.list_uploaded_files(session, scope, dataset_id)
    return sum(file.size_bytes for file in files) >= settings.distributed_bytes


async def list_sources(
    session: AsyncSession, scope: Scope, dataset: Dataset, files: Sequence[File]
) -> tuple[SourceFile, ...]:
    """Return these files of a dataset as jobs read them. Raises as `get_rows`."""
    return tuple([await _get_source(session, scope, dataset, file) for file in files])


async def _get_source(session: AsyncSession, scope: Scope, dataset: Dataset, file: File) -> SourceFile:
    if file.format == "iceberg":
        return await lake_tables.get_source_file(session, scope, dataset, file)
    file_format: Literal["csv", "parquet"] = "parquet" if file.format == "parquet" else "csv"
    return SourceFile(
        file.id,
        file.name,
        file.path,
        file_format,
        file.delimiter,
        file.total_records,
        encoding=file.encoding,
        header_row=file.header_row,
        has_row_numbers=file.has_row_numbers,
        repeated_headers=file.repeated_headers,
    )


def list_missing(storage: Storage, rows: DatasetRows, needed: Contract) -> list[str]:
    """Return the columns without a default that are needed, and that the uploaded files do not have. Blocking.

    A column of a file may be missing in its dataset, whose template does not have it.
    """
    missing = [column.name for column in needed.columns if column.default is None]
    missing = [name for name in missing if name not in rows.contract.names]
    if not missing:
        return []
    names = set(missing)
    for file in rows.files:
        if file.format == "iceberg":
            return []  # the job asks the catalog
        names.intersection_update(read_column_names(storage.fetch(file.path), file.format, file.csv_options))
    return [name for name in missing if name not in names]
