"""The deployer: gives predictors a Serve deployment of their own, and removes those of others.

The newest predictors have one, and those that a user has asked for.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview
from sqlalchemy.exc import SQLAlchemyError

from dataml.db import every_tenant
from dataml.db.session import Database, log_failure
from dataml.endpoint import service as endpoints
from dataml.endpoint.scaling import Scaling
from dataml.endpoint.service import WantedDeployment
from dataml.inference import service as inference
from dataml.serving.model_runner import ServableModel
from dataml.settings import Settings
from dataml.train import service as trainings
from dataml.train.models import Training
from deployments.applications import (
    Applications,
    application_name,
    count_replicas,
    find_pool_application,
    is_serving,
    list_applications,
)
from deployments.autoscaling import autoscaling_config
from deployments.platform import LOGGING_CONFIG

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WantedApplication:
    """The model that an application should serve, and by how many replicas."""

    model: ServableModel
    scaling: Scaling


@dataclass(frozen=True)
class DeployedVersion:
    """The training that an application was last deployed for, and whether the direct route leads to it.

    `scaling` is None for an application of a previous supervisor.
    """

    train_id: int
    is_routed: bool
    scaling: Scaling | None = None


class Deployer:
    """Reconciles Serve's applications with the predictors that should have one, one step at a time.

    A start takes seconds of a core; the pool serves the model meanwhile. An application gets its HTTP route only once a
    replica is up, and loses it when none is: without the route the request goes to the API, which calls the pool. With
    it, Serve would respond with 503.
    """

    POLL_INTERVAL_S = 2.0
    DEPLOYING_POLL_INTERVAL_S = 0.5
    MIN_RETRY_S = 30.0
    MAX_RETRY_S = 3600.0

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._wake = asyncio.Event()
        # None until the deployments of the previous supervisor are read from the database.
        self._deployed: dict[str, DeployedVersion] | None = None
        # For each failed application, when it is deployed again, and the pause before that.
        self._retries: dict[str, tuple[float, float]] = {}

    def wake(self) -> None:
        """Reconcile at once: the models have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Reconcile forever; an error of Ray or of the database is logged and tried again."""
        while True:
            self._wake.clear()
            is_deploying = False
            try:
                is_deploying = await self.reconcile()
            except SQLAlchemyError as error:
                log_failure(log, error, "predictors could not be deployed; trying again")
            except (RayServeException, RayError, RuntimeError):
                log.exception("predictors could not be deployed; trying again")
            interval_s = self.DEPLOYING_POLL_INTERVAL_S if is_deploying else self.POLL_INTERVAL_S
            try:
                await asyncio.wait_for(self._wake.wait(), interval_s)
            except TimeoutError:
                continue

    async def reconcile(self) -> bool:
        """Take one step towards what should run; return whether a deployment is under way."""
        deployed_ids = {version.train_id for version in (self._deployed or {}).values()}
        async with self._database.reading() as session:
            deleted_ids = deployed_ids - await trainings.filter_existing(session, deployed_ids)
            wanted = _to_applications(await endpoints.list_wanted(session, self._settings))
            recorded_ids = await trainings.list_with_own_endpoint(session)
        if self._deployed is None:
            self._deployed = {
                name: DeployedVersion(each.model.train_id, is_routed=True)
                for name, each in wanted.items()
                if each.model.train_id in recorded_ids
            }
        # A deleted model serves nobody: its deployment is removed before one of the previous version is started.
        for name, version in self._deployed.items():
            if version.train_id in deleted_ids:
                wanted.pop(name, None)
        applications = await asyncio.to_thread(list_applications)
        for name in self._deployed.keys() - applications.keys():
            del self._deployed[name]
        await self._record_endpoints(recorded_ids, self._own_endpoints(wanted.keys(), applications))
        for name in applications.keys() - wanted.keys():
            if applications[name].status != ApplicationStatus.DELETING:
                await asyncio.to_thread(serve.delete, name, _blocking=False)
        return any([await self._reconcile_one(name, each, applications) for name, each in wanted.items()])

    async def _reconcile_one(self, name: str, wanted: WantedApplication, applications: Applications) -> bool:
        """Start, replace, route, unroute, resize or retry one application; return whether it is being deployed."""
        assert self._deployed is not None
        model = wanted.model
        application, version = applications.get(name), self._deployed.get(name)
        if application is not None and application.status == ApplicationStatus.DELETING:
            return True
        if application is None or version is None or version.train_id != model.train_id:
            others = [app.status for other, app in applications.items() if other != name and not self._is_routed(other)]
            if ApplicationStatus.DEPLOYING not in others:
                log.info("starting a deployment for %s (training %s)", model.predictor_name, model.train_id)
                await self._deploy(name, wanted, is_routed=False)
            return True
        if application.status == ApplicationStatus.DEPLOY_FAILED:
            await self._retry_later(name, application)
        elif not version.is_routed and is_serving(application):
            self._retries.pop(name, None)
            await self._deploy(name, wanted, is_routed=True)
        elif version.is_routed and not count_replicas(application):
            await self._deploy(name, wanted, is_routed=False)
        elif version.scaling != wanted.scaling:
            await self._deploy(name, wanted, is_routed=version.is_routed)
        return application.status == ApplicationStatus.DEPLOYING and not self._is_routed(name)

    def _is_routed(self, name: str) -> bool:
        version = (self._deployed or {}).get(name)
        return version is not None and version.is_routed

    def _own_endpoints(self, wanted: Collection[str], applications: Applications) -> set[int]:
        """Return the trainings that are served by a deployment of their own."""
        return {
            version.train_id
            for name, version in (self._deployed or {}).items()
            if version.is_routed and name in wanted and count_replicas(applications[name])
        }

    async def _deploy(self, name: str, wanted: WantedApplication, *, is_routed: bool) -> None:
        assert self._deployed is not None
        await asyncio.to_thread(_deploy, name, wanted, self._settings, is_routed=is_routed)
        self._deployed[name] = DeployedVersion(wanted.model.train_id, is_routed, wanted.scaling)

    async def _retry_later(self, name: str, application: ApplicationStatusOverview) -> None:
        """Delete a failed application, so that it is deployed again, after pauses that double each time.

        Serve itself does not deploy a failed application again.
        """
        now = time.monotonic()
        if name not in self._retries:
            self._retries[name] = (now + self.MIN_RETRY_S, self.MIN_RETRY_S)
            log.error("%s failed: %s", name, application.message)
        due_at, pause_s = self._retries[name]
        if now >= due_at:
            pause_s = min(2 * pause_s, self.MAX_RETRY_S)
            self._retries[name] = (now + pause_s, pause_s)
            await asyncio.to_thread(serve.delete, name, _blocking=False)

    async def _record_endpoints(self, recorded_ids: set[int], own_ids: set[int]) -> None:
        """Write which deployment serves each training, where it has changed."""
        if recorded_ids == own_ids:
            return
        async with self._database.transaction() as session:
            for changed_ids, endpoint in ((recorded_ids - own_ids, "pool"), (own_ids - recorded_ids, "own")):
                rows = every_tenant.update(Training).where(Training.id.in_(changed_ids))
                await session.execute(rows.values(endpoint=endpoint))


def _to_applications(wanted: Sequence[WantedDeployment]) -> dict[str, WantedApplication]:
    applications: dict[str, WantedApplication] = {}
    for each in wanted:
        model = inference.to_servable_model(each.training, each.tenant_name)
        name = application_name(model.tenant_id, model.predictor_name)
        applications[name] = WantedApplication(model, each.scaling)
    return applications


def _deploy(name: str, wanted: WantedApplication, settings: Settings, *, is_routed: bool) -> None:
    # The predictor's module imports the serving stack, which the supervisor otherwise never needs.
    from deployments.predictor import PredictorDeployment

    model = wanted.model
    bound = PredictorDeployment.options(
        # Serve restarts replicas when the version changes, and without one it makes a new one for every deploy. With
        # the training as the version, a change of the route alone does not restart them. The public options of Serve
        # no longer have it.
        version=str(model.train_id),
        _internal=True,
        autoscaling_config=autoscaling_config(wanted.scaling),
    ).bind(settings, model, find_pool_application())
    route = f"/models/{model.tenant_name}/{model.url_name}" if is_routed else None
    target = serve.RunTarget(bound, name=name, route_prefix=route, logging_config=LOGGING_CONFIG)
    serve.run_many([target], wait_for_applications_running=False)
