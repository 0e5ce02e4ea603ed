"""Lake calls: what schemas and tables there are, what is in their columns."""

from typing import Annotated, TypeVar

from fastapi import Query, Request

from dataml.access.dependencies import LakeReader
from dataml.datalake import service
from dataml.datalake.dependencies import AppLakes
from dataml.datalake.executor import Patience
from dataml.datalake.schemas import DistinctCount, NumericStats, TableColumn, TableMetadata
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.http.dependencies import Db, Paged
from dataml.http.routing import Router

router = Router(prefix="/datalake", tags=["Datalake"])

T = TypeVar("T")
SchemaQuery = Annotated[str, Query(description="Name of the schema.", min_length=1, max_length=255)]
TableQuery = Annotated[str, Query(description="Name of the table.", min_length=1, max_length=255)]
ColumnQuery = Annotated[str, Query(description="Name of the column.", min_length=1, max_length=255)]


@router.get("/schemas")
async def list_schemas(user: LakeReader, database: Db, page: Paged) -> list[str]:
    """The tenant's own schemas, then those that are shared with it."""
    async with database.reading() as session:
        names = await service.schemas(session, user.scope)
    return names[page.offset : page.offset + page.limit]


@router.get("/schemas/tables")
async def list_tables(
    http: Request, schema_name: SchemaQuery, user: LakeReader, database: Db, lakes: AppLakes, page: Paged
) -> list[str]:
    """Names of the tables of a schema, in their order."""
    at = _At(database, lakes, user.scope, http)
    names = await at.ask(schema_name, lambda lake, schema, patience: lake.tables(schema, patience))
    return names[page.offset : page.offset + page.limit]


@router.get("/tables/columns")
async def list_columns(
    http: Request,
    schema_name: SchemaQuery,
    table_name: TableQuery,
    user: LakeReader,
    database: Db,
    lakes: AppLakes,
    page: Paged,
) -> list[TableColumn]:
    """Columns of a table, in their order, with Trino's names for their types."""
    at = _At(database, lakes, user.scope, http)
    found = await at.ask(schema_name, lambda lake, schema, patience: lake.columns(schema, table_name, patience))
    return [TableColumn.of(column) for column in found[page.offset : page.offset + page.limit]]


@router.get("/table_metadata")
async def get_table_metadata(
    http: Request,
    schema_name: SchemaQuery,
    table_name: TableQuery,
    user: LakeReader,
    database: Db,
    lakes: AppLakes,
    page: Paged,
) -> TableMetadata:
    """A table: who made it, where it lies, how large it is, and its snapshots with what made them."""
    at = _At(database, lakes, user.scope, http)
    info = await at.ask(schema_name, lambda lake, schema, patience: lake.table_info(schema, table_name, patience))
    return TableMetadata.of(schema_name, table_name, info, page)


@router.get("/numeric_stats")
async def get_numeric_stats(
    http: Request,
    schema_name: SchemaQuery,
    table_name: TableQuery,
    column_name: ColumnQuery,
    user: LakeReader,
    database: Db,
    lakes: AppLakes,
) -> NumericStats:
    """Count, mean, standard deviation, extremes and median of a column of numbers; the column alone is read."""
    at = _At(database, lakes, user.scope, http)
    found = await at.ask(
        schema_name, lambda lake, schema, patience: lake.numeric(schema, table_name, column_name, patience)
    )
    return NumericStats.of(column_name, found)


@router.get("/distinct-count")
async def get_distinct_count(
    http: Request,
    schema: SchemaQuery,
    table: TableQuery,
    column: ColumnQuery,
    user: LakeReader,
    database: Db,
    lakes: AppLakes,
) -> DistinctCount:
    """How many different values a column has."""
    at = _At(database, lakes, user.scope, http)
    found = await at.ask(schema, lambda lake, place, patience: lake.distinct(place, table, column, patience))
    return DistinctCount.of(column, found)


class _At:
    """Questions to the lake that a schema's name stands for, in the eyes of one caller."""

    def __init__(self, database: Database, lakes: service.Lakes, scope: Scope, http: Request) -> None:
        self._database = database
        self._lakes = lakes
        self._scope = scope
        self._http = http

    async def ask(self, schema: str, question: service.Question[T]) -> T:
        async with self._database.reading() as session:
            place = await service.place(session, self._scope, schema)
        lake, asker = self._lakes.at(place.source)

        def work(patience: Patience) -> T:
            return question(lake, place.schema, patience)

        return await asker.ask(work, self._http)
