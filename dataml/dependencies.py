"""What routes ask for by type: the database, the caller, the job queue and the model hosts."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer

from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal
from dataml.access.tokens import TokenKey
from dataml.db.scope import Page
from dataml.db.session import Database
from dataml.inference.hosts import Endpoints
from dataml.settings import Settings


class JobQueue(Protocol):
    """The way to tell the supervisor that the job table has changed; called after the commit, never before."""

    async def notify(self) -> None: ...


@dataclass(frozen=True)
class Services:
    """What `create_app` was given; one per process."""

    settings: Settings
    database: Database
    key: TokenKey
    jobs: JobQueue
    endpoints: Endpoints

    @property
    def authenticator(self) -> Authenticator:
        return Authenticator(self.database, self.key)


def _services(request: Request) -> Services:
    return request.app.state.services


_bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/login/access-token", auto_error=False)


async def _current_user(
    request: Request, services: Annotated[Services, Depends(_services)], _: Annotated[str | None, Depends(_bearer)]
) -> Principal:
    return await services.authenticator.authenticate(request.headers.get("authorization"))


AppServices = Annotated[Services, Depends(_services)]
CurrentUser = Annotated[Principal, Depends(_current_user)]


def _settings(services: AppServices) -> Settings:
    return services.settings


def _database(services: AppServices) -> Database:
    return services.database


def _jobs(services: AppServices) -> JobQueue:
    return services.jobs


AppSettings = Annotated[Settings, Depends(_settings)]
Db = Annotated[Database, Depends(_database)]
Jobs = Annotated[JobQueue, Depends(_jobs)]


def _page(
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows to return at most.")] = 100,
    offset: Annotated[int, Query(ge=0, le=2**53, description="Rows to skip.")] = 0,
) -> Page:
    return Page(limit, offset)


Paged = Annotated[Page, Depends(_page)]


def require(permission: Permission) -> Any:
    """The caller, when they hold `permission`; 403 otherwise. Every route states its own, in its signature."""

    async def check(user: CurrentUser) -> Principal:
        user.require(permission)
        return user

    return Depends(check)


Viewer = Annotated[Principal, require(Permission.VIEW)]
TemplateEditor = Annotated[Principal, require(Permission.EDIT_TEMPLATES)]
Uploader = Annotated[Principal, require(Permission.UPLOAD_DATASETS)]
Trainer = Annotated[Principal, require(Permission.TRAIN_MODELS)]
PredictionUser = Annotated[Principal, require(Permission.PREDICT)]
Terminator = Annotated[Principal, require(Permission.TERMINATE_JOBS)]
