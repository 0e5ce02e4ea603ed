"""The ingress: the deployment of the HTTP API, with the supervisor's actor beside it.

A replica runs `deployments.gateway`; its imports take seconds, and the process that deploys does not need them.
"""

from typing import TYPE_CHECKING

from ray import serve
from ray.serve.config import DeploymentActorConfig
from ray.serve.handle import DeploymentHandle

from dataml.settings import Settings
from deployments.replica_health import HEALTH_CHECK_PERIOD_S, HEALTH_CHECK_TIMEOUT_S
from deployments.supervisor import NAME, SupervisorActor

if TYPE_CHECKING:
    from dataml.app import GatewayMiddleware


@serve.deployment(
    name="Api",
    # The application limits each class of requests by itself, and answers health checks however many others wait.
    max_ongoing_requests=2048,
    max_queued_requests=256,
    ray_actor_options={"num_cpus": 0.1},
    health_check_period_s=HEALTH_CHECK_PERIOD_S,
    health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
)
@serve.ingress()
class Api:
    """The deployment of the API; the ASGI application is built on the replica, and never pickled."""

    def __init__(self, settings: Settings, pool: DeploymentHandle) -> None:
        from deployments.gateway import Gateway

        self._gateway = Gateway(settings, pool)

    async def __serve_build_asgi_app__(self) -> "GatewayMiddleware":
        """Return the application of the API; Serve calls this."""
        return await self._gateway.application()

    async def __del__(self) -> None:
        # Serve awaits this when the replica stops.
        await self._gateway.close()


def api(settings: Settings, pool: serve.Application) -> serve.Application:
    """Return the Api deployment bound to these settings, with its supervisor."""
    supervisor = DeploymentActorConfig(
        name=NAME,
        actor_class=SupervisorActor,
        init_kwargs={"settings": settings.model_dump_json()},
        actor_options={"num_cpus": 0, "max_concurrency": 100},
    )
    return Api.options(num_replicas=settings.api_replicas, deployment_actors=[supervisor]).bind(settings, pool)
