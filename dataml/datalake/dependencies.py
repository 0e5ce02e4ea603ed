"""Dependencies of routes that read a lake."""

from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from dataml.access.permissions import Permission
from dataml.access.service import Principal
from dataml.datalake import service
from dataml.datalake.executor import Deadline
from dataml.datalake.lake import Lake, TableInfo
from dataml.datalake.service import LakeQuery, Lakes, OwnTable, SchemaRef
from dataml.db.dependents import Dependents
from dataml.db.scope import Scope
from dataml.errors import NotFound, Unavailable
from dataml.http.dependencies import Db
from dataml.suggestions import add_suggestion

T = TypeVar("T")


async def _lakes(request: Request) -> Lakes:
    return request.app.state.lakes


AppLakes = Annotated[Lakes, Depends(_lakes)]


class LakeQueries:
    """Runs queries on the lakes, no longer than the client of the request waits."""

    def __init__(self, http: Request, database: Db, lakes: AppLakes) -> None:
        self._http = http
        self._database = database
        self._lakes = lakes

    async def run(self, scope: Scope, schema_name: str, query: LakeQuery[T], *, table: str | None = None) -> T:
        """Return the result of a query on a schema, which is named as the tenant names it, for who may list its tables.

        With `table`, the table of the query, the error about one that does not exist names a similar one.

        Raises:
            NotFound: `schema_not_found`, or what the query raises.
            Unavailable: `lake_timeout`, or what the query raises.
        """
        return await self._run(await self._resolve(scope, schema_name), query, table)

    async def read(self, scope: Scope, schema_name: str, table: str, query: LakeQuery[T]) -> T:
        """Return the result of a query that reads rows of a table, and record the access. Raises as `run`."""
        schema = await self._resolve(scope, schema_name)
        result = await self._run(schema, query, table)
        async with self._database.transaction() as session:
            await service.record_access(session, schema, table)
        return result

    async def get_table_info(self, scope: Scope, schema_name: str, table: str) -> tuple[TableInfo, datetime | None]:
        """Return the metadata of a table, and when it was last accessed. Raises as `run`."""
        schema = await self._resolve(scope, schema_name)
        info = await self._run(schema, lambda lake, name, deadline: lake.get_table_info(name, table, deadline), table)
        async with self._database.reading() as session:
            return info, await service.find_last_access(session, schema, table, info)

    async def delete_table(self, user: Principal, table: OwnTable, dependents: Dependents) -> None:
        """Delete a table that nothing uses.

        The error about one that does not exist names a similar one for who may list them.

        The lake is not asked within a transaction, since it may take its time. Of two calls at once, the catalog lets
        one delete the table; the other one does not find it.

        Raises:
            NotFound: `schema_not_found`, `table_not_found`.
            Forbidden: `schema_is_shared`.
            Conflict: `table_in_use`.
            Unavailable: the lake does not answer; the table may be deleted all the same.
        """
        scope, lakes = user.scope, self._lakes
        async with self._database.reading() as session:
            schema = await service.require_own_schema(session, scope, table.schema)
        # Without this, one that is not there would be said to be in use.
        await self._run(
            schema,
            lambda lake, name, deadline: lake.get_table_info(name, table.table, deadline),
            table.table if Permission.READ_DATALAKE in user.permissions else None,
        )
        async with self._database.reading() as session:
            await service.refuse_table_in_use(session, scope, schema, table)
            await dependents.release(session, scope, OwnTable, table)
        # Not for as long as the client waits only: what was deleted is recorded.
        await lakes.iceberg_executor.run(lambda deadline: lakes.iceberg.delete_table(schema.name, table.table))
        async with self._database.transaction() as session:
            service.record_deletion(session, scope, table)

    async def _resolve(self, scope: Scope, schema_name: str) -> SchemaRef:
        async with self._database.reading() as session:
            return await service.resolve_schema(session, scope, schema_name)

    async def _run(self, schema: SchemaRef, query: LakeQuery[T], table: str | None) -> T:
        lake, executor = self._lakes.get(schema.source)

        def work(deadline: Deadline) -> T:
            try:
                return query(lake, schema.name, deadline)
            except NotFound as error:
                if table is None or error.code != "table_not_found":
                    raise
                raise _suggest_table(error, lake, schema.name, table, deadline) from None

        return await executor.run(work, self._http)


def _suggest_table(error: NotFound, lake: Lake, schema: str, table: str, deadline: Deadline) -> NotFound:
    """Return the error about a table that does not exist, with a similar name where the lake lists them in time."""
    try:
        names = lake.list_tables(schema, deadline)
    except (NotFound, Unavailable):
        return error
    return NotFound(add_suggestion(error.detail, table, names), code=error.code)


RequestLakeQueries = Annotated[LakeQueries, Depends()]
