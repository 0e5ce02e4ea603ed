"""The HTTP API as one ASGI application. Imports no Ray: what runs on Ray comes in through `Services`."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataml import __version__
from dataml.access import api_key_routes, role_routes, session_routes, tenant_routes, user_routes
from dataml.access import routes as access
from dataml.access.dependencies import AccessRule, audited_scope
from dataml.access.models import Tenant
from dataml.access.service import Principal
from dataml.access.tokens import TokenKeys
from dataml.audit import routes as audit
from dataml.audit import service as audit_log
from dataml.audit.service import Outcome
from dataml.concurrency import ConcurrencyLimiter
from dataml.console.routes import create_routes
from dataml.datalake import routes as datalake
from dataml.datalake import share_routes
from dataml.datalake.service import Lakes, OwnTable
from dataml.dataset import file_routes
from dataml.dataset import routes as dataset
from dataml.dataset import service as dataset_service
from dataml.dataset.models import Dataset, File
from dataml.db.dependents import Dependents
from dataml.db.scope import Origin
from dataml.db.scope import Scope as TenantScope
from dataml.db.session import Database
from dataml.endpoint import routes as endpoint
from dataml.endpoint import service as endpoint_service
from dataml.errors import Forbidden, Unavailable
from dataml.http.errors import add_exception_handlers
from dataml.http.headers import client_address, request_id_of, security_headers
from dataml.http.openapi import Application
from dataml.http.overload import PREDICTIONS, limiter_of
from dataml.http.pages import add_pages
from dataml.http.request_metrics import measure_request
from dataml.inference import comparison_routes, forecast_routes
from dataml.inference import routes as inference
from dataml.inference import service as inference_service
from dataml.inference.open_inference import routes as open_inference
from dataml.inference.open_inference.app import OpenInferenceApp
from dataml.inference.open_inference.service import OpenInferenceService
from dataml.inference.realtime import RealTimeApp, send_response
from dataml.jobs import routes as jobs
from dataml.jobs.dependencies import JobQueue
from dataml.jobs.results import ResultHandlers
from dataml.jobs.watcher import JobWatcher
from dataml.metrics.totals import LocalMetrics, MetricsSource
from dataml.ops import health, ray_jobs, status
from dataml.ops import metrics as platform_metrics
from dataml.serving.model_metrics import MeasuredInferenceClient
from dataml.serving.model_runner import InferenceClient, NoLog, PredictionLog
from dataml.settings import Settings
from dataml.template import routes as template
from dataml.template.models import Template
from dataml.train import explanation_routes, export_routes, report_routes
from dataml.train import routes as train
from dataml.train import service as train_service
from dataml.train.callbacks import routes as callbacks
from dataml.train.lifecycle import routes as lifecycle
from dataml.train.lifecycle import service as lifecycle_service
from dataml.train.models import Training
from dataml.train.predictors import routes as predictors
from dataml.train.preparation import routes as preparation
from dataml.train.series import routes as series
from dataml.train.threshold import routes as threshold

_MODULES = (
    access,
    session_routes,
    user_routes,
    role_routes,
    tenant_routes,
    api_key_routes,
    template,
    dataset,
    file_routes,
    train,
    preparation,
    callbacks,
    lifecycle,
    explanation_routes,
    threshold,
    series,
    predictors,
    export_routes,
    report_routes,
    inference,
    forecast_routes,
    comparison_routes,
    endpoint,
    datalake,
    share_routes,
    jobs,
    health,
    status,
    ray_jobs,
)


@dataclass(frozen=True)
class Services:
    """What the application is made of; one per process.

    `jobs` wakes the supervisor, `inference_client` calls the models, `result_handlers` record the end of jobs that a
    call has cancelled, and `metrics` has what all processes of the platform have recorded. `prediction_log` gets the
    answers of shadows; models log their own.
    """

    settings: Settings
    database: Database
    keys: TokenKeys
    jobs: JobQueue
    inference_client: InferenceClient
    result_handlers: ResultHandlers
    metrics: MetricsSource = field(default_factory=LocalMetrics)
    prediction_log: PredictionLog = field(default_factory=NoLog)


def create_app(services: Services) -> "GatewayMiddleware":
    """Return the API: every router under `/api/v1`, docs at `/docs`, prediction by name under `/models` and `/v2`.

    Raises:
        RuntimeError: a route does not state what its caller needs.
    """
    app = Application(
        title="dataml",
        version=__version__,
        description=_DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    inference_client = MeasuredInferenceClient(services.inference_client)
    realtime = RealTimeApp(
        services.database, services.settings, services.keys, inference_client, services.prediction_log
    )
    open_inference_calls = OpenInferenceService(services.database, realtime)
    # Each feature's `dependencies` reads what it needs from here.
    app.state.settings = services.settings
    app.state.database = services.database
    app.state.keys = services.keys
    app.state.jobs = services.jobs
    app.state.job_watcher = JobWatcher(services.database)
    app.state.result_handlers = services.result_handlers
    app.state.inference_client = inference_client
    app.state.metrics = services.metrics
    app.state.dependents = _dependents(services)
    app.state.lakes = Lakes(services.settings)
    app.state.realtime = realtime
    app.state.open_inference = open_inference_calls
    api = APIRouter(prefix="/api/v1")
    for router in (*(module.router for module in _MODULES), audit.create_router(audited_scope)):
        api.include_router(_with_stated_needs(router))
    app.include_router(api)
    at_root = (inference.direct, forecast_routes.direct, open_inference.router)
    for router in (*at_root, platform_metrics.router) if services.settings.metrics else at_root:
        app.include_router(_with_stated_needs(router))
    add_pages(app)
    app.router.routes.extend(create_routes())
    add_exception_handlers(app, services.settings, _record_refusal)
    gateway = GatewayMiddleware(app, realtime, OpenInferenceApp(open_inference_calls), services.settings.forwarded_hops)
    # The console calls the API through all of it.
    app.state.gateway = gateway
    return gateway


def _dependents(services: Services) -> Dependents:
    """Return what each feature does before a row that it refers to goes."""

    async def end_jobs(session: AsyncSession, scope: TenantScope, tenant_id: str) -> None:
        await services.result_handlers.cancel_all(session, scope)

    return Dependents(
        {
            Tenant: (end_jobs, lifecycle_service.forget_deleted),
            Template: (dataset_service.refuse_template_in_use,),
            Dataset: (inference_service.release_dataset, train_service.refuse_dataset_in_use),
            File: (inference_service.release_file, train_service.refuse_file_in_use),
            Training: (inference_service.refuse_training_in_use, endpoint_service.release_training),
            OwnTable: (dataset_service.refuse_lake_table_in_use,),
        }
    )


def needs_of(route: APIRoute) -> list[str]:
    """Return what a route states in its signature that a caller needs; see `access.dependencies`."""
    return _needs(route.dependant)


def _needs(dependant: Dependant) -> list[str]:
    own = [dependant.call.needs] if isinstance(dependant.call, AccessRule) else []
    return own + [needs for dependency in dependant.dependencies for needs in _needs(dependency)]


def _with_stated_needs(router: APIRouter) -> APIRouter:
    """Write what each route of a router needs of its caller into its OpenAPI description, as `x-needs`.

    Raises:
        RuntimeError: a route states nothing, or two things.
    """
    for route in router.routes:
        assert isinstance(route, APIRoute)
        needs = needs_of(route)
        if len(needs) != 1:
            raise RuntimeError(f"{route.path} states {needs} as what its caller needs; it has to be one thing")
        route.openapi_extra = {**(route.openapi_extra or {}), "x-needs": needs[0]}
    return router


class GatewayMiddleware:
    """The outermost layer of the application.

    It gives each request its id, takes a trailing slash off the path, and answers real-time predictions itself, since
    FastAPI's stack costs more than such a prediction.
    """

    def __init__(
        self, app: ASGIApp, realtime: RealTimeApp, open_inference: OpenInferenceApp, forwarded_hops: int
    ) -> None:
        self.app = app
        self.open_inference = open_inference
        self._prediction_apps = (realtime, open_inference)
        self._forwarded_hops = forwarded_hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        await measure_request(self._answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            path = path.rstrip("/") or "/"
            scope["path"] = path
        request_id = request_id_of(scope)
        state = scope["state"]
        state["request_id"] = request_id
        if scope["method"] == "POST":
            for app in self._prediction_apps:
                if app.serves(path):
                    state["route"] = app.route_of(path)
                    await _answer_within_limit(PREDICTIONS, app, scope, receive, send)
                    return
        state["origin"] = Origin(client_address(scope, self._forwarded_hops), request_id)
        headers = [(b"x-request-id", request_id.encode()), *security_headers(path)]

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", [])
                names = {name.lower() for name, _ in own}
                message["headers"] = [*own, *(header for header in headers if header[0] not in names)]
            await send(message)

        limiter = limiter_of(path)
        if limiter is None:
            await self.app(scope, receive, send_with_id)
        else:
            # A refusal has these headers already.
            await _answer_within_limit(limiter, partial(self._call, send_with_id), scope, receive, send)

    async def _call(self, send_with_id: Send, scope: Scope, receive: Receive, _: Send) -> None:
        await self.app(scope, receive, send_with_id)


async def _answer_within_limit(
    limiter: ConcurrencyLimiter, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let an application answer when its turn comes, or refuse the request."""
    async with AsyncExitStack() as stack:
        try:
            # A request that only waits releases it.
            scope["state"]["slot"] = await stack.enter_async_context(limiter.acquire())
        except Unavailable as error:
            await send_response(scope, send, error)
            return
        await app(scope, receive, send)


async def _record_refusal(request: Request, error: Forbidden) -> None:
    """Record a refused call in the audit log."""
    principal: Principal = request.scope["state"]["principal"]
    database: Database = request.app.state.database
    async with database.transaction() as session:
        # As the server has decoded it: it may hold what no database takes.
        path = request.scope["path"].replace("\0", "\ufffd").encode(errors="replace").decode()
        tried = f"{request.method} {path}"[:300]
        audit_log.record(session, principal.scope, "access.refuse", tried, Outcome.REFUSED, code=error.code)


_DESCRIPTION = """
Describe data once, upload and validate datasets against the description, train predictors, look at their quality,
and predict in real time and in batch. Log in with **Authorize**, or send the token of `POST /api/v1/login/access-token`
as a bearer token.
"""
