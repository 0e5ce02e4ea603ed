"""Datasets and the lake: which table their rows go to, or come from, and what is refused before any row is read."""

import uuid
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.contract.contract import Contract
from dataml.contract.files.reading import check_columns
from dataml.datalake import service as lake
from dataml.datalake.service import Lakes
from dataml.dataset.lake_options import LakeOptions
from dataml.dataset.models import Dataset, File
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, Invalid
from dataml.iceberg.names import TableName, parse_table_name, tenant_namespace
from dataml.iceberg.writing import LakeTarget, WriteMode
from dataml.jobs.spec import SourceFile

SCHEMA: Final = "silver"
"""Where validated rows go, and tables without a schema are looked for."""
RAW_SCHEMA: Final = "bronze"
"""Where rows go as they were uploaded."""


@dataclass(frozen=True)
class Target:
    """A table of the tenant's own that rows will go to."""

    schema: str
    table: str
    mode: WriteMode

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Source:
    """A snapshot of a table that a dataset is made from; `name` is `schema.table` in the tenant's eyes."""

    name: str
    snapshot_id: int
    columns: tuple[str, ...]
    rows: int

    def new_file(self, dataset: Dataset) -> File:
        """What stands for it among the files of a dataset; its name in storage leads nowhere."""
        return File(
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
            name=self.name[:255],
            path=f"lake/{uuid.uuid4().hex}/table",
            format="iceberg",
            size_bytes=0,
            total_fields=len(self.columns),
            total_records=self.rows,
        )


async def targets(
    lakes: Lakes, scope: Scope, asked: LakeOptions, contract: Contract | None
) -> tuple[Target | None, Target | None]:
    """Where validated rows go, and where all of them as they came.

    Raises:
        Invalid: `bad_table_name`; `same_table`: both are one.
        Conflict: `table_differs`: the table is there, with columns that the template has not.
        Unavailable: the lake does not answer.
    """
    valid, raw = (
        Target(*parse_table_name(text, schema), asked.lake_mode) if text else None
        for text, schema in ((asked.iceberg_table_name, SCHEMA), (asked.raw_table_name, RAW_SCHEMA))
    )
    if raw is not None and raw == valid:
        detail = "raw_table_name and iceberg_table_name are one table; rows as they came have other columns."
        raise Invalid(detail, code="same_table")
    for target in filter(None, (raw, valid)):
        await _check_target(lakes, scope, target, contract if target is valid else None)
    return valid, raw


async def _check_target(lakes: Lakes, scope: Scope, target: Target, contract: Contract | None) -> None:
    name = TableName(tenant_namespace(scope.tenant_id, target.schema), target.table)
    there = await lakes.iceberg_asker.ask(lambda patience: lakes.iceberg.find_schema(name))
    if there is not None and contract is not None and target.mode == "append":
        _check_same(there, contract, target.name)


def _check_same(there: pa.Schema, contract: Contract, table: str) -> None:
    differing = sorted(
        {*zip(there.names, there.types, strict=True)} ^ {(f.name, f.type) for f in contract.schema}, key=str
    )
    if differing:
        names = ", ".join(dict.fromkeys(repr(name) for name, _ in differing[:10]))
        detail = f"The lake table {table} and the template differ in columns or types: {names}."
        raise Conflict(detail, code="table_differs")


async def find_source(
    database: Database, lakes: Lakes, scope: Scope, asked: LakeOptions, contract: Contract | None
) -> Source:
    """The table that is asked for, of the schema before its first dot, as it is now or was at a snapshot.

    Raises:
        NotFound: `schema_not_found`, `table_not_found`, `snapshot_not_found`.
        Invalid: `not_iceberg`, `no_rows`, `unsupported_column_type`; what a file with such columns is refused for.
        Unavailable: the lake does not answer.
    """
    schema, table = _parted(asked.iceberg_table_name or "")
    async with database.reading() as session:
        name = await _located(session, scope, schema, table)
    taken, columns, rows = await lakes.iceberg_asker.ask(lambda patience: lakes.iceberg.source(name, asked.snapshot_id))
    check_columns(tuple(columns.names), contract)
    return Source(f"{schema}.{table}", taken, tuple(columns.names), rows)


async def source_file(session: AsyncSession, scope: Scope, dataset: Dataset, file: File) -> SourceFile:
    """The table that stands among a dataset's files, for the job that reads it.

    Raises:
        NotFound: `schema_not_found`: it is shared with the tenant no more.
    """
    name = await _located(session, scope, *_parted(dataset.iceberg_table_name or ""))
    return SourceFile(
        file.id,
        file.name,
        file.path,
        "iceberg",
        records=file.total_records,
        table=name,
        snapshot_id=dataset.iceberg_snapshot_id,
    )


def target_of(dataset: Dataset) -> LakeTarget | None:
    """Where the rows of a dataset go when they have been validated. Those of its earlier versions make room."""
    return _lake_target(dataset, dataset.iceberg_table_name)


def raw_target_of(dataset: Dataset) -> LakeTarget | None:
    """Where the rows of a dataset go as they came, those of its earlier versions again making room."""
    return _lake_target(dataset, dataset.raw_table_name, widens=True)


def _lake_target(dataset: Dataset, text: str | None, *, widens: bool = False) -> LakeTarget | None:
    if text is None or dataset.lake_mode is None:
        return None
    schema, table = _parted(text)
    return LakeTarget(
        TableName(tenant_namespace(dataset.tenant_id, schema), table),
        source=f"dataset-{dataset.id}",
        owner=dataset.created_by,
        mode="replace" if dataset.lake_mode == "replace" else "append",
        made_by={"dataset-id": str(dataset.id), "dataset-version": str(dataset.version + 1)},
        widens=widens,
    )


def in_lake(file: File) -> Conflict:
    """What whoever wants the content of a table as a file is told."""
    detail = f"These rows are those of the lake table {file.name}; the dataset's parquet_file_path has them as a file."
    return Conflict(detail, code="file_in_lake")


def _parted(text: str) -> tuple[str, str]:
    schema, dot, table = text.partition(".")
    return (schema, table) if dot else (SCHEMA, text)


async def _located(session: AsyncSession, scope: Scope, schema: str, table: str) -> TableName:
    place = await lake.place(session, scope, schema)
    if place.source != "iceberg":
        detail = "Datasets are made from Iceberg tables of the platform's catalog; this schema is Trino's."
        raise Invalid(detail, code="not_iceberg")
    return TableName(place.schema, table)
