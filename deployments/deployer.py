"""Gives the newest predictors a Serve deployment of their own, and takes it away from others."""

import asyncio
import hashlib
import logging

from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from dataml.db.session import Database
from dataml.inference import service as inference
from dataml.inference.hosts import ServableModel
from dataml.settings import Settings
from dataml.train import service as trainings
from dataml.train.models import Training

_PREFIX = "predictor-"
log = logging.getLogger(__name__)


def application_name(tenant_id: str, predictor_name: str) -> str:
    """Name of a predictor's own Serve application, one for all its versions: a new one replaces the old in place."""
    return _PREFIX + hashlib.sha256(f"{tenant_id}/{predictor_name}".encode()).hexdigest()[:16]


class Deployer:
    """Compares what should run (the newest predictors in the database) with what runs (Serve's applications), and
    starts or removes one at a time: a start takes seconds of a core, and the pool answers meanwhile."""

    TICK_S = 10.0
    STARTING_TICK_S = 0.5

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._wake = asyncio.Event()
        # The training each application was last started for; None until the database has told a fresh supervisor.
        self._started: dict[str, int] | None = None

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            starting = True
            try:
                starting = await self.reconcile()
            except (RayServeException, SQLAlchemyError):
                log.exception("predictors could not be deployed; tried again in a moment")
            try:
                await asyncio.wait_for(self._wake.wait(), self.STARTING_TICK_S if starting else self.TICK_S)
            except TimeoutError:
                continue

    async def reconcile(self) -> bool:
        """One step towards what should run; True while a deployment is on its way."""
        async with self._database.reading() as session:
            promoted = await trainings.promoted(session, self._settings.own_endpoints)
            own = await trainings.with_own_endpoint(session)
        models = [inference.as_servable(training, tenant_name) for training, tenant_name in promoted]
        wanted = {application_name(model.tenant_id, model.predictor_name): model for model in models}
        if self._started is None:
            self._started = {name: model.train_id for name, model in wanted.items() if model.train_id in own}
        status = await asyncio.to_thread(serve.status)
        found = {name: app for name, app in status.applications.items() if name.startswith(_PREFIX)}
        started = self._started
        current = {name for name, model in wanted.items() if name in found and started.get(name) == model.train_id}
        await self._record(own, {wanted[name].train_id for name in current if _answers(found[name])})
        for name in found.keys() - wanted.keys():
            if found[name].status != ApplicationStatus.DELETING:
                await asyncio.to_thread(serve.delete, name, _blocking=False)
        for name, model in wanted.items():
            if name not in current:
                started[name] = model.train_id
                await asyncio.to_thread(self._start, name, model)
                return True
            if found[name].status == ApplicationStatus.DEPLOYING:
                return True
        return False

    def _start(self, name: str, model: ServableModel) -> None:
        # Imported here: the predictor's module imports the serving stack, which the supervisor otherwise never needs.
        from deployments.predictor import PredictorDeployment

        log.info("starting a deployment for %s version %s", model.predictor_name, model.train_id)
        bound = PredictorDeployment.options(
            autoscaling_config={
                "min_replicas": self._settings.endpoint_min_replicas,
                "max_replicas": self._settings.endpoint_max_replicas,
                "target_ongoing_requests": 16,
            }
        ).bind(self._settings, model)
        route = f"/models/{model.tenant_name}/{model.predictor_name}"
        target = serve.RunTarget(bound, name=name, route_prefix=route)
        serve.run_many([target], wait_for_applications_running=False)

    async def _record(self, recorded: set[int], own: set[int]) -> None:
        """Write down who answers for each training, where it has changed."""
        if recorded == own:
            return
        async with self._database.transaction() as session:
            await session.execute(update(Training).where(Training.id.in_(recorded - own)).values(endpoint="pool"))
            await session.execute(update(Training).where(Training.id.in_(own - recorded)).values(endpoint="own"))


def _answers(application: ApplicationStatusOverview) -> bool:
    """Whether a replica of it is up: one that is scaled to zero takes seconds to answer."""
    states = [deployment.replica_states for deployment in application.deployments.values()]
    return any(state.get("RUNNING", 0) > 0 for state in states)
