"""Dependencies of routes of every feature: settings, the database, the origin of a request, a page of a list."""

from typing import Annotated

from fastapi import Depends, Request

from dataml.db.dependents import Dependents
from dataml.db.scope import Origin, Page
from dataml.db.session import Database
from dataml.http.lists import Limit, Offset
from dataml.http.request_hooks import hooks_of
from dataml.metrics.totals import MetricsSource
from dataml.settings import Settings
from dataml.storage.space import DiskSpace


async def _settings(request: Request) -> Settings:
    return request.app.state.settings


AppSettings = Annotated[Settings, Depends(_settings)]


async def _database(request: Request) -> Database:
    return hooks_of(request).database or request.app.state.database


async def _metrics(request: Request) -> MetricsSource:
    return request.app.state.metrics


async def _dependents(request: Request) -> Dependents:
    return request.app.state.dependents


async def _origin(request: Request) -> Origin:
    return request.scope["state"]["origin"]


async def _require_space(request: Request, settings: AppSettings) -> None:
    """Refuse what would take the reserve of the disk: the files of a multipart body, and the job that follows.

    Raises:
        StorageFull: `storage_full`.
    """
    is_upload = request.headers.get("content-type", "").startswith("multipart/")
    length = request.headers.get("content-length", "")
    # A body beyond the limit of uploads is refused by its reader.
    is_known = is_upload and length.isdecimal() and len(length) <= 18
    DiskSpace.from_settings(settings).require(min(int(length), settings.max_upload_bytes) if is_known else 0)


async def _page(limit: Limit = 100, offset: Offset = 0) -> Page:
    return Page(limit, offset)


PlatformMetrics = Annotated[MetricsSource, Depends(_metrics)]
Db = Annotated[Database, Depends(_database)]
RowDependents = Annotated[Dependents, Depends(_dependents)]
RequestOrigin = Annotated[Origin, Depends(_origin)]
RequiredSpace = Annotated[None, Depends(_require_space)]
"""For routes that store files or start a job; behind the parameter that authenticates the caller."""
Paged = Annotated[Page, Depends(_page)]
