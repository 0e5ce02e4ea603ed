"""What routes ask for by type: the caller and what they must hold, the database, the job queue, the model hosts.

Each route states in its signature who may call it, with one of the aliases at the end of this file; an application
with a route that states nothing does not start. `docs/permissions.md` lists what they state.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

from fastapi import Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer

from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal, active_user, bearer_of
from dataml.access.tokens import TokenKeys
from dataml.datalake.service import Lakes
from dataml.db.scope import Origin, Page, Scope
from dataml.db.session import Database
from dataml.errors import Unauthorized
from dataml.jobs import service as job_service
from dataml.jobs.spec import Attempt
from dataml.serving.model_runner import InferenceClient
from dataml.settings import Settings


class JobQueue(Protocol):
    """The way to tell the supervisor that the job table has changed; called after the commit, never before."""

    async def notify(self) -> None: ...


@dataclass(frozen=True)
class Services:
    """What `create_app` was given; one per process."""

    settings: Settings
    database: Database
    keys: TokenKeys
    jobs: JobQueue
    endpoints: InferenceClient

    @property
    def authenticator(self) -> Authenticator:
        return Authenticator(self.database, self.keys)


async def _services(request: Request) -> Services:
    return request.app.state.services


async def _origin(request: Request) -> Origin:
    return request.scope["state"]["origin"]


AppServices = Annotated[Services, Depends(_services)]
RequestOrigin = Annotated[Origin, Depends(_origin)]
_bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/login/access-token", auto_error=False)


async def _authenticated(
    request: Request, services: AppServices, origin: RequestOrigin, _: Annotated[str | None, Depends(_bearer)]
) -> Principal:
    principal = await services.authenticator.authenticate(request.headers.get("authorization"))
    # The error handler tells the audit log whom it has refused.
    request.scope["state"]["principal"] = principal = replace(principal, origin=origin)
    return principal


class Requirement:
    """A dependency that lets a caller through or not; `needs` says in words what it asks for."""

    def __init__(self, needs: str, check: Callable[[Principal], None]) -> None:
        self.needs = needs
        self._check = check

    async def __call__(self, user: Annotated[Principal, Depends(_authenticated)]) -> Principal:
        self._check(user)
        return user


@dataclass(frozen=True)
class Reporter:
    """A worker outside the cluster, with a token for one attempt at one job; it acts for who asked for the token."""

    attempt: Attempt
    scope: Scope


class JobToken:
    """The statement of a call that takes a job's token, and no other."""

    needs = "a job's token"

    async def __call__(
        self,
        request: Request,
        services: AppServices,
        origin: RequestOrigin,
        _: Annotated[str | None, Depends(_bearer)],
    ) -> Reporter:
        claims = services.keys.read_callback(bearer_of(request.headers.get("authorization")))
        async with services.database.reading() as session:
            job = await job_service.find_by_id(session, claims.job_id)
            user = await active_user(session, job.tenant_id, claims.user_id) if job is not None else None
        if job is None or user is None:
            raise Unauthorized("The token is not valid any more.", code="invalid_token")
        return Reporter(
            Attempt(claims.job_id, claims.attempt), Scope(job.tenant_id, user, claims.user_id, origin=origin)
        )


class Open:
    """The statement of a call that anybody may make."""

    needs = "nothing"

    async def __call__(self) -> None:
        return


async def _settings(services: AppServices) -> Settings:
    return services.settings


async def _database(services: AppServices) -> Database:
    return services.database


async def _jobs(services: AppServices) -> JobQueue:
    return services.jobs


async def _lakes(request: Request) -> Lakes:
    return request.app.state.lakes


AppLakes = Annotated[Lakes, Depends(_lakes)]
AppSettings = Annotated[Settings, Depends(_settings)]
Db = Annotated[Database, Depends(_database)]
Jobs = Annotated[JobQueue, Depends(_jobs)]


async def _page(
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows to return at most.")] = 100,
    offset: Annotated[int, Query(ge=0, le=2**53, description="Rows to skip.")] = 0,
) -> Page:
    return Page(limit, offset)


Paged = Annotated[Page, Depends(_page)]


def _holds(permission: Permission) -> Requirement:
    return Requirement(permission.value, lambda user: user.require(permission))


# Who may call.
OPEN = Depends(Open())
JobReporter = Annotated[Reporter, Depends(JobToken())]
Caller = Annotated[Principal, Depends(Requirement("a token or an API key", lambda user: None))]
LoggedIn = Annotated[Principal, Depends(Requirement("a token", Principal.require_session))]
PlatformAdmin = Annotated[Principal, Depends(Requirement("platform admin", Principal.require_platform_admin))]
UserManager = Annotated[Principal, Depends(_holds(Permission.MANAGE_USERS))]
RoleManager = Annotated[Principal, Depends(_holds(Permission.MANAGE_ROLES))]
Viewer = Annotated[Principal, Depends(_holds(Permission.VIEW))]
TemplateEditor = Annotated[Principal, Depends(_holds(Permission.EDIT_TEMPLATES))]
Uploader = Annotated[Principal, Depends(_holds(Permission.UPLOAD_DATASETS))]
DatasetDeleter = Annotated[Principal, Depends(_holds(Permission.DELETE_DATASET))]
Trainer = Annotated[Principal, Depends(_holds(Permission.TRAIN_MODELS))]
ModelDeleter = Annotated[Principal, Depends(_holds(Permission.DELETE_MODELS))]
PredictionUser = Annotated[Principal, Depends(_holds(Permission.PREDICT))]
LakeReader = Annotated[Principal, Depends(_holds(Permission.READ_DATALAKE))]
Terminator = Annotated[Principal, Depends(_holds(Permission.TERMINATE_JOBS))]
