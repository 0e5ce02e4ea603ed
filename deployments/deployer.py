"""Gives the newest predictors a Serve deployment of their own, and takes it away from others."""

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview
from sqlalchemy.exc import SQLAlchemyError

from dataml.db import every_tenant
from dataml.db.session import Database
from dataml.inference import service as inference
from dataml.serving.model_runner import ServableModel
from dataml.settings import Settings
from dataml.train import service as trainings
from dataml.train.models import Training
from deployments.platform import LOGGING

_PREFIX = "predictor-"
log = logging.getLogger(__name__)


def application_name(tenant_id: str, predictor_name: str) -> str:
    """Name of a predictor's own Serve application, one for all its versions: a new one replaces the old in place."""
    return _PREFIX + hashlib.sha256(f"{tenant_id}/{predictor_name}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Started:
    """What an application was last started for, and whether the direct route leads to it."""

    train_id: int
    routed: bool


class Deployer:
    """Compares what should run (the newest predictors in the database) with what runs (Serve's applications), and
    takes one step at a time: a start takes seconds of a core, and the pool answers meanwhile.

    An application gets its HTTP route only once a replica is up, and loses it when none is: without the route the
    request goes to the API, which asks the pool. With it, Serve would answer 503.
    """

    TICK_S = 2.0
    STARTING_TICK_S = 0.5
    RETRY_S = 30.0
    LONGEST_RETRY_S = 3600.0

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._wake = asyncio.Event()
        # None until the database has told a fresh supervisor what its predecessor had started.
        self._started: dict[str, Started] | None = None
        # When a failed application is tried again, and the pause that led there.
        self._retries: dict[str, tuple[float, float]] = {}

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            starting = False
            try:
                starting = await self.reconcile()
            except (RayServeException, RayError, RuntimeError, SQLAlchemyError):
                log.exception("predictors could not be deployed; tried again in a moment")
            try:
                await asyncio.wait_for(self._wake.wait(), self.STARTING_TICK_S if starting else self.TICK_S)
            except TimeoutError:
                continue

    async def reconcile(self) -> bool:
        """One step towards what should run; True while a deployment is on its way."""
        started_for = {started.train_id for started in (self._started or {}).values()}
        async with self._database.reading() as session:
            deleted = started_for - await trainings.existing(session, started_for)
            promoted = await trainings.promoted(session, self._settings.own_endpoints)
            recorded = await trainings.with_own_endpoint(session)
        models = [inference.as_servable(training, tenant_name) for training, tenant_name in promoted]
        wanted = {application_name(model.tenant_id, model.predictor_name): model for model in models}
        if self._started is None:
            self._started = {
                name: Started(model.train_id, True) for name, model in wanted.items() if model.train_id in recorded
            }
        # A deleted model answers nobody: its deployment goes before one of the version before it is started.
        for name, started in self._started.items():
            if started.train_id in deleted:
                wanted.pop(name, None)
        found = await asyncio.to_thread(_applications)
        for name in self._started.keys() - found.keys():
            del self._started[name]
        routed = {name: started for name, started in self._started.items() if started.routed and name in wanted}
        own = {started.train_id for name, started in routed.items() if _has_replica(found[name])}
        await self._record(recorded, own)
        for name in found.keys() - wanted.keys():
            if found[name].status != ApplicationStatus.DELETING:
                await asyncio.to_thread(serve.delete, name, _blocking=False)
        return any([await self._step(name, model, found) for name, model in wanted.items()])

    async def _step(self, name: str, model: ServableModel, found: dict[str, ApplicationStatusOverview]) -> bool:
        """Start, replace, route, unroute or retry one application; True while it is on its way."""
        assert self._started is not None
        application, started = found.get(name), self._started.get(name)
        if application is not None and application.status == ApplicationStatus.DELETING:
            return True
        if application is None or started is None or started.train_id != model.train_id:
            others = [app.status for other, app in found.items() if other != name and not self._is_routed(other)]
            if ApplicationStatus.DEPLOYING not in others:
                log.info("starting a deployment for %s (training %s)", model.predictor_name, model.train_id)
                await self._run(name, model, routed=False)
            return True
        if application.status == ApplicationStatus.DEPLOY_FAILED:
            await self._retry_later(name, application)
        elif not started.routed and _answers(application):
            self._retries.pop(name, None)
            await self._run(name, model, routed=True)
        elif started.routed and not _has_replica(application):
            await self._run(name, model, routed=False)
        return application.status == ApplicationStatus.DEPLOYING and not self._is_routed(name)

    def _is_routed(self, name: str) -> bool:
        started = (self._started or {}).get(name)
        return started is not None and started.routed

    async def _run(self, name: str, model: ServableModel, *, routed: bool) -> None:
        assert self._started is not None
        await asyncio.to_thread(_deploy, name, model, self._settings, routed=routed)
        self._started[name] = Started(model.train_id, routed)

    async def _retry_later(self, name: str, application: ApplicationStatusOverview) -> None:
        """Serve leaves a failed application as it is: it is removed, and so started anew, after ever longer pauses."""
        now = time.monotonic()
        if name not in self._retries:
            self._retries[name] = (now + self.RETRY_S, self.RETRY_S)
            log.error("%s failed: %s", name, application.message)
        at, pause_s = self._retries[name]
        if now >= at:
            pause_s = min(2 * pause_s, self.LONGEST_RETRY_S)
            self._retries[name] = (now + pause_s, pause_s)
            await asyncio.to_thread(serve.delete, name, _blocking=False)

    async def _record(self, recorded: set[int], own: set[int]) -> None:
        """Write down who answers for each training, where it has changed."""
        if recorded == own:
            return
        async with self._database.transaction() as session:
            for changed, endpoint in ((recorded - own, "pool"), (own - recorded, "own")):
                rows = every_tenant.update(Training).where(Training.id.in_(changed))
                await session.execute(rows.values(endpoint=endpoint))


def _applications() -> dict[str, ApplicationStatusOverview]:
    return {name: app for name, app in serve.status().applications.items() if name.startswith(_PREFIX)}


def _has_replica(application: ApplicationStatusOverview) -> bool:
    states = [state for deployment in application.deployments.values() for state in deployment.replica_states.items()]
    return any(count for state, count in states if state == "RUNNING")


def _answers(application: ApplicationStatusOverview) -> bool:
    """Whether a replica of what was started last is up: while it deploys, replicas may be those of an older version."""
    return application.status == ApplicationStatus.RUNNING and _has_replica(application)


def _deploy(name: str, model: ServableModel, settings: Settings, *, routed: bool) -> None:
    # The predictor's module brings the serving stack, which the supervisor otherwise never needs.
    from deployments.predictor import PredictorDeployment

    bound = PredictorDeployment.options(
        # Serve restarts replicas when the version changes, and without one it makes a new one for every deploy. With
        # the training as the version, a change of route alone leaves them as they are. The public options lost it.
        version=str(model.train_id),
        _internal=True,
        autoscaling_config={
            "min_replicas": settings.endpoint_min_replicas,
            "max_replicas": settings.endpoint_max_replicas,
            # A replica's event loop is one core: one request in it at any time means that it is busy all the time.
            "target_ongoing_requests": 0.8,
            "upscale_delay_s": 5,
            "metrics_interval_s": 2,
            "look_back_period_s": 6,
        },
    ).bind(settings, model)
    route = f"/models/{model.tenant_name}/{model.predictor_name}" if routed else None
    target = serve.RunTarget(bound, name=name, route_prefix=route, logging_config=LOGGING)
    serve.run_many([target], wait_for_applications_running=False)
