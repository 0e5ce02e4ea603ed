"""The ingress: the HTTP API in a replica, with the supervisor's actor beside it."""

import asyncio
import logging

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import DeploymentActorConfig
from ray.serve.handle import DeploymentHandle

from dataml.access.tokens import TokenKey
from dataml.app import Front, create_app
from dataml.db import schema
from dataml.db.session import Database
from dataml.dependencies import Services
from dataml.errors import StartupError
from dataml.settings import Settings
from deployments.endpoints import RayEndpoints
from deployments.supervisor import NAME, SupervisorActor

log = logging.getLogger(__name__)


class SupervisorQueue:
    """Wakes the supervisor. A wake-up that is lost costs a second: the supervisor looks by itself as well."""

    async def notify(self) -> None:
        try:
            serve.get_deployment_actor(NAME).wake.remote()
        except (ValueError, RayError):
            log.warning("the supervisor is away; it will find the job by itself")


@serve.deployment(name="Api", max_ongoing_requests=256, max_queued_requests=2048, ray_actor_options={"num_cpus": 0.1})
@serve.ingress()
class Api:
    """Builds the ASGI application on the replica: nothing of it is ever pickled."""

    def __init__(self, settings: Settings, pool: DeploymentHandle) -> None:
        schema.check(settings)
        if settings.is_sqlite and sum(node["Alive"] for node in ray.nodes()) > 1:
            raise StartupError("SQLite serves one node: set DATAML_DATABASE_URL to a PostgreSQL database")
        self._endpoints = RayEndpoints(pool, settings.request_timeout_s)
        self._services = Services(
            settings=settings,
            database=Database(settings),
            key=TokenKey.load(settings.key_file),
            jobs=SupervisorQueue(),
            endpoints=self._endpoints,
        )
        self._warming = asyncio.get_running_loop().create_task(self._endpoints.warm())

    def __serve_build_asgi_app__(self) -> Front:
        return create_app(self._services)


def api(settings: Settings, pool: serve.Application) -> serve.Application:
    """The Api deployment bound to these settings, with its supervisor."""
    supervisor = DeploymentActorConfig(
        name=NAME,
        actor_class=SupervisorActor,
        init_kwargs={"settings": settings},
        actor_options={"num_cpus": 0, "max_concurrency": 100},
    )
    return Api.options(num_replicas=settings.api_replicas, deployment_actors=[supervisor]).bind(settings, pool)
