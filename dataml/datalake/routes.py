"""Lake calls: the schemas, the tables, and statistics of their columns."""

from typing import Annotated

from fastapi import Query

from dataml.access.dependencies import DatasetDeleter, LakeReader
from dataml.datalake import service
from dataml.datalake.dependencies import RequestLakeQueries
from dataml.datalake.schemas import DistinctCount, NumericStats, TableColumn, TableDeleted, TableMetadata, TablePreview
from dataml.datalake.service import OwnTable
from dataml.http.dependencies import Db, Paged, RowDependents
from dataml.http.lists import PagedNames
from dataml.http.routing import Router

router = Router(prefix="/datalake", tags=["Datalake"])

SchemaQuery = Annotated[str, Query(description="Name of the schema.", min_length=1, max_length=255)]
TableQuery = Annotated[str, Query(description="Name of the table.", min_length=1, max_length=255)]
ColumnQuery = Annotated[str, Query(description="Name of the column.", min_length=1, max_length=255)]


@router.get("/schemas")
async def list_lake_schemas(user: LakeReader, database: Db, page: PagedNames) -> list[str]:
    """List the tenant's own schemas, then those that are shared with it."""
    async with database.reading() as session:
        names = await service.list_schemas(session, user.scope)
    return page.select(names)


@router.get("/schemas/tables")
async def list_lake_tables(
    user: LakeReader, lakes: RequestLakeQueries, schema_name: SchemaQuery, page: PagedNames
) -> list[str]:
    """List the names of the tables of a schema, sorted."""
    names = await lakes.run(user.scope, schema_name, lambda lake, schema, deadline: lake.list_tables(schema, deadline))
    return page.select(names)


@router.delete("/tables")
async def delete_lake_table(
    user: DatasetDeleter,
    lakes: RequestLakeQueries,
    dependents: RowDependents,
    schema_name: SchemaQuery,
    table_name: TableQuery,
) -> TableDeleted:
    """Delete a table of one of the tenant's own schemas, with all its snapshots.

    A table that a job reads or writes, or that a dataset of the tenant was made from, is in use (409). Datasets whose
    rows were written to it keep their own copy, and the next validation of one of them creates the table again. Tables
    of shared schemas cannot be deleted (403). The files of the table are removed a day later.
    """
    await lakes.delete_table(user, OwnTable(schema_name, table_name), dependents)
    return TableDeleted(message="Table deleted successfully")


@router.get("/tables/columns")
async def list_lake_columns(
    user: LakeReader, lakes: RequestLakeQueries, schema_name: SchemaQuery, table_name: TableQuery, page: Paged
) -> list[TableColumn]:
    """List the columns of a table, in their order, with Trino's names of their types."""
    columns = await lakes.run(
        user.scope,
        schema_name,
        lambda lake, schema, deadline: lake.list_columns(schema, table_name, deadline),
        table=table_name,
    )
    return [TableColumn.model_validate(column) for column in columns[page.offset : page.offset + page.limit]]


@router.get("/tables/rows")
async def view_lake_table(
    user: LakeReader,
    lakes: RequestLakeQueries,
    schema_name: SchemaQuery,
    table_name: TableQuery,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows to return at most.")] = 20,
) -> TablePreview:
    """Return some rows of a table as it is now."""
    rows = await lakes.read(
        user.scope,
        schema_name,
        table_name,
        lambda lake, schema, deadline: lake.read_first_rows(schema, table_name, limit, deadline),
    )
    return TablePreview.from_rows(rows)


@router.get("/table_metadata")
async def get_table_metadata(
    user: LakeReader, lakes: RequestLakeQueries, schema_name: SchemaQuery, table_name: TableQuery, page: Paged
) -> TableMetadata:
    """Return the metadata of a table: its owner, location and size, and its snapshots with what made them."""
    info, last_access_at = await lakes.get_table_info(user.scope, schema_name, table_name)
    return TableMetadata.from_info(schema_name, table_name, info, last_access_at, page)


@router.get("/numeric_stats")
async def get_numeric_stats(
    user: LakeReader,
    lakes: RequestLakeQueries,
    schema_name: SchemaQuery,
    table_name: TableQuery,
    column_name: ColumnQuery,
) -> NumericStats:
    """Return count, mean, standard deviation, extremes and median of a numeric column; no other column is read."""
    statistics = await lakes.read(
        user.scope,
        schema_name,
        table_name,
        lambda lake, schema, deadline: lake.compute_statistics(schema, table_name, column_name, deadline),
    )
    return NumericStats.from_statistics(column_name, statistics)


@router.get("/distinct-count")
async def get_distinct_count(
    user: LakeReader, lakes: RequestLakeQueries, schema: SchemaQuery, table: TableQuery, column: ColumnQuery
) -> DistinctCount:
    """Return the number of distinct values of a column."""
    estimate = await lakes.read(
        user.scope, schema, table, lambda lake, name, deadline: lake.count_distinct(name, table, column, deadline)
    )
    return DistinctCount(column=column, distinct_count=estimate.distinct, is_exact=estimate.is_exact)
