"""Dependencies of routes that authenticate the caller and check what they may do.

Each route states in its signature who may call it, with one of the aliases at the end of this file (or `JobReporter` of
`jobs.dependencies`). An application with a route that states nothing does not start.
"""

import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Final, Protocol, runtime_checkable

from fastapi import Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer

from dataml.access import tenants
from dataml.access.permissions import Permission
from dataml.access.service import Authenticator, Principal
from dataml.access.tokens import TokenKeys
from dataml.db.scope import Scope
from dataml.http.dependencies import AppSettings, Db, RequestOrigin
from dataml.http.idempotency import call as idempotency

AUTHENTICATED: Final = "authenticated"
"""Where in the state of a call within the process its caller is, if they are authenticated already."""


async def _keys(request: Request) -> TokenKeys:
    return request.app.state.keys


Keys = Annotated[TokenKeys, Depends(_keys)]
BearerToken = Annotated[
    str | None, Depends(OAuth2PasswordBearer(tokenUrl="/api/v1/login/access-token", auto_error=False))
]
"""Documents in OpenAPI that a route takes a bearer token; the token itself is read from the header."""


async def _authenticator(database: Db, keys: Keys) -> Authenticator:
    return Authenticator(database, keys)


CallerAuthenticator = Annotated[Authenticator, Depends(_authenticator)]


async def _authenticated(
    request: Request, authenticator: CallerAuthenticator, origin: RequestOrigin, _: BearerToken
) -> Principal:
    state = request.scope["state"]
    # A page of the console has authenticated its caller; no request from outside has this.
    principal = state.get(AUTHENTICATED) or await authenticator.authenticate(request.headers.get("authorization"))
    # The audit log of a refusal needs the caller, and error handlers only have the request.
    state["principal"] = principal = replace(principal, origin=origin)
    return principal


@runtime_checkable
class AccessRule(Protocol):
    """A dependency that lets a caller through or not; `needs` says in words what it asks for."""

    needs: str


class Requirement:
    """The rule of a call for authenticated callers."""

    def __init__(self, needs: str, check: Callable[[Principal], None]) -> None:
        self.needs = needs
        self._check = check

    async def __call__(
        self, request: Request, user: Annotated[Principal, Depends(_authenticated)], keys: Keys
    ) -> Principal:
        """Return the caller. Raises Unauthorized or Forbidden, and what `idempotency.begin` raises."""
        self._check(user)
        await idempotency.begin(request, user.scope, keys.digests)
        return user


class Open:
    """The rule of a call that anybody may make."""

    needs = "nothing"

    async def __call__(self) -> None:
        """Let everybody through."""
        return


class MetricsRequirement:
    """The rule of the metrics: for administrators of the platform, and whoever has `DATAML_METRICS_TOKEN`."""

    needs = "platform admin or the metrics token"

    async def __call__(
        self,
        request: Request,
        settings: AppSettings,
        authenticator: CallerAuthenticator,
        origin: RequestOrigin,
        token: BearerToken,
    ) -> None:
        """Let the caller through. Raises Unauthorized or Forbidden."""
        secret = settings.metrics_token
        # The token needs no database: metrics are read while it is away.
        if secret is not None and token is not None and _is_equal(token, secret.get_secret_value()):
            return
        (await _authenticated(request, authenticator, origin, token)).require_platform_admin()


def _is_equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode())


def _holds(permission: Permission) -> Requirement:
    return Requirement(permission.value, lambda user: user.require(permission))


OPEN = Depends(Open())
METRICS_READER = Depends(MetricsRequirement())
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


async def audited_scope(
    user: UserManager,
    database: Db,
    tenant_id: Annotated[
        str | None, Query(max_length=300, description="Another tenant's log, for an administrator of the platform.")
    ] = None,
) -> Scope:
    """Return the tenant whose audit log the caller reads: the own one, or any for an administrator of the platform."""
    async with database.reading() as session:
        return Scope(await tenants.named_in_query(session, user, tenant_id), user.username)
