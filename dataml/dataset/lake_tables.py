"""The lake tables that the rows of datasets are written to or read from, and what is checked before any row is read."""

import uuid
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.contract.column_case import distinguish_by_case
from dataml.contract.contract import Contract
from dataml.contract.files.column_names import check_columns
from dataml.datalake import service as lake
from dataml.datalake.service import Lakes
from dataml.dataset.models import Dataset, File
from dataml.dataset.upload_options import LakeOptions
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, Invalid
from dataml.iceberg.names import TableName, parse_table_name, tenant_namespace
from dataml.iceberg.writing import LakeTarget, WriteMode
from dataml.jobs.spec import SourceFile

VALIDATED_SCHEMA: Final = "silver"
"""The schema of validated rows, and of tables that are named without one."""
RAW_SCHEMA: Final = "bronze"
"""The schema of rows as they were uploaded."""


@dataclass(frozen=True)
class TargetTable:
    """A table of the tenant's own that rows will be written to."""

    schema: str
    table: str
    mode: WriteMode

    @property
    def name(self) -> str:
        """`schema.table`, as the tenant names it."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class TargetTables:
    """The tables that a dataset is written to: its validated rows, and all rows as they were uploaded."""

    validated: TargetTable | None = None
    raw: TargetTable | None = None


@dataclass(frozen=True)
class SourceTable:
    """A snapshot of a table that a dataset is made from; `name` is `schema.table`, as the tenant names it."""

    name: str
    snapshot_id: int
    columns: tuple[str, ...]
    rows: int

    def to_file(self, dataset: Dataset) -> File:
        """Return the row that stands for the table among the files of a dataset; storage has no file of its path."""
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


async def resolve_targets(lakes: Lakes, scope: Scope, options: LakeOptions, contract: Contract | None) -> TargetTables:
    """Return the tables that an upload names, which rows of this contract can be written to.

    Raises:
        Invalid: `bad_table_name`; `same_table`: both names are of one table.
        Conflict: `table_differs`: the table exists with columns that the template does not have.
        Unavailable: the lake does not answer.
    """
    validated = _parse_target(options.iceberg_table_name, VALIDATED_SCHEMA, options.lake_mode)
    raw = _parse_target(options.raw_table_name, RAW_SCHEMA, options.lake_mode)
    if raw is not None and raw == validated:
        detail = "raw_table_name and iceberg_table_name are the same table; raw rows have other columns, so name two."
        raise Invalid(detail, code="same_table")
    if raw is not None:
        await _check_target(lakes, scope, raw, None)
    if validated is not None:
        await _check_target(lakes, scope, validated, contract)
    return TargetTables(validated, raw)


def _parse_target(text: str | None, schema: str, mode: WriteMode) -> TargetTable | None:
    return TargetTable(*parse_table_name(text, schema), mode) if text else None


async def _check_target(lakes: Lakes, scope: Scope, target: TargetTable, contract: Contract | None) -> None:
    name = TableName(tenant_namespace(scope.tenant_id, target.schema), target.table)
    schema = await lakes.iceberg_executor.run(lambda deadline: lakes.iceberg.find_arrow_schema(name))
    if schema is not None and contract is not None and target.mode == "append":
        _check_same_columns(schema, contract, target.name)


def _check_same_columns(schema: pa.Schema, contract: Contract, table: str) -> None:
    columns = {*zip(schema.names, schema.types, strict=True)}
    names = distinguish_by_case(contract.names, schema.names)
    differing = sorted(columns ^ {*zip(names, contract.schema.types, strict=True)}, key=str)
    if differing:
        names = ", ".join(dict.fromkeys(repr(name) for name, _ in differing[:10]))
        detail = f"The lake table {table} and the template differ in columns or types: {names}."
        raise Conflict(detail, code="table_differs")


async def find_source(
    database: Database, lakes: Lakes, scope: Scope, options: LakeOptions, contract: Contract | None, *, partial: bool
) -> SourceTable:
    """Return the table that an upload names, at the snapshot that it names or the newest.

    With `partial`, as for prediction data, it need not have all columns of the contract.

    Raises:
        NotFound: `schema_not_found`, `table_not_found`, `snapshot_not_found`.
        Invalid: `not_iceberg`, `no_rows`, `unsupported_column_type`, or an error of `check_columns`.
        Unavailable: the lake does not answer.
    """
    schema, table = _split_name(options.iceberg_table_name or "")
    async with database.reading() as session:
        name = await _resolve_table(session, scope, schema, table)
    snapshot = await lakes.iceberg_executor.run(lambda deadline: lakes.iceberg.get_snapshot(name, options.snapshot_id))
    columns = tuple(snapshot.schema.names)
    check_columns(columns, contract, partial=partial)
    return SourceTable(f"{schema}.{table}", snapshot.snapshot_id, columns, snapshot.rows)


async def get_source_file(session: AsyncSession, scope: Scope, dataset: Dataset, file: File) -> SourceFile:
    """Return the table that stands among a dataset's files, for the job that reads it.

    Raises:
        NotFound: `schema_not_found`: the schema is no longer shared with the tenant.
    """
    name = await _resolve_table(session, scope, *_split_name(dataset.iceberg_table_name or ""))
    await lake.record_access(session, lake.SchemaRef("iceberg", name.namespace), name.table)
    return SourceFile(
        file.id,
        file.name,
        file.path,
        "iceberg",
        records=file.total_records,
        table=name,
        snapshot_id=dataset.iceberg_snapshot_id,
    )


def validated_target(dataset: Dataset) -> LakeTarget | None:
    """Return the table that the validated rows are written to, in place of those of the dataset's earlier versions."""
    return _lake_target(dataset, dataset.iceberg_table_name)


def raw_target(dataset: Dataset) -> LakeTarget | None:
    """Return the table that all uploaded rows are written to, in place of those of the dataset's earlier versions."""
    return _lake_target(dataset, dataset.raw_table_name, widens=True)


def _lake_target(dataset: Dataset, name: str | None, *, widens: bool = False) -> LakeTarget | None:
    if name is None or dataset.lake_mode is None:
        return None
    schema, table = _split_name(name)
    return LakeTarget(
        TableName(tenant_namespace(dataset.tenant_id, schema), table),
        source=f"dataset-{dataset.id}",
        owner=dataset.created_by,
        mode="replace" if dataset.lake_mode == "replace" else "append",
        made_by={"dataset-id": str(dataset.id), "dataset-version": str(dataset.version + 1)},
        widens=widens,
    )


def file_in_lake(file: File) -> Conflict:
    """Return the error for a call that wants the content of a lake table as a file."""
    detail = f"These rows are in the lake table {file.name}; download the dataset's parquet_file_path to get a file."
    return Conflict(detail, code="file_in_lake")


def _split_name(name: str) -> tuple[str, str]:
    """Return the schema, which stands before the first dot, and the table."""
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else (VALIDATED_SCHEMA, name)


async def _resolve_table(session: AsyncSession, scope: Scope, schema: str, table: str) -> TableName:
    schema_ref = await lake.resolve_schema(session, scope, schema)
    if schema_ref.source != "iceberg":
        detail = "Datasets are made from Iceberg tables of the platform's catalog; this schema is Trino's."
        raise Invalid(detail, code="not_iceberg")
    return TableName(schema_ref.name, table)
