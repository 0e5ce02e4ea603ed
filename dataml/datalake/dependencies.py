"""Dependencies of routes that read a lake."""

from typing import Annotated, TypeVar

from fastapi import Depends, Request

from dataml.datalake import service
from dataml.datalake.executor import Deadline
from dataml.datalake.service import LakeQuery, Lakes
from dataml.db.scope import Scope
from dataml.http.dependencies import Db

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

    async def run(self, scope: Scope, schema_name: str, query: LakeQuery[T]) -> T:
        """Return the result of a query on a schema, which is named as the tenant names it.

        Raises:
            NotFound: `schema_not_found`, or what the query raises.
            Unavailable: `lake_timeout`, or what the query raises.
        """
        async with self._database.reading() as session:
            schema = await service.resolve_schema(session, scope, schema_name)
        lake, executor = self._lakes.get(schema.source)

        def work(deadline: Deadline) -> T:
            return query(lake, schema.name, deadline)

        return await executor.run(work, self._http)


RequestLakeQueries = Annotated[LakeQueries, Depends()]
