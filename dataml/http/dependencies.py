"""Dependencies of routes of every feature: settings, the database, the origin of a request, a page of a list."""

from typing import Annotated

from fastapi import Depends, Query, Request

from dataml.db.dependents import Dependents
from dataml.db.scope import Origin, Page
from dataml.db.session import Database
from dataml.settings import Settings


async def _settings(request: Request) -> Settings:
    return request.app.state.settings


async def _database(request: Request) -> Database:
    return request.app.state.database


async def _dependents(request: Request) -> Dependents:
    return request.app.state.dependents


async def _origin(request: Request) -> Origin:
    return request.scope["state"]["origin"]


async def _page(
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows to return at most.")] = 100,
    offset: Annotated[int, Query(ge=0, le=2**53, description="Rows to skip.")] = 0,
) -> Page:
    return Page(limit, offset)


AppSettings = Annotated[Settings, Depends(_settings)]
Db = Annotated[Database, Depends(_database)]
RowDependents = Annotated[Dependents, Depends(_dependents)]
RequestOrigin = Annotated[Origin, Depends(_origin)]
Paged = Annotated[Page, Depends(_page)]
