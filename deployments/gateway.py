"""The gateway: what a replica of the API runs, with the clients of the models and of the supervisor."""

import asyncio
import logging
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.handle import DeploymentHandle

from dataml import redaction, tracing
from dataml.access.tokens import TokenKeys
from dataml.app import GatewayMiddleware, Services, create_app
from dataml.db import schema
from dataml.db.session import Database
from dataml.errors import StartupError
from dataml.inference.open_inference.grpc_server import OpenInferenceServer
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.serving.model_runner import NoLog
from dataml.settings import Settings
from deployments.inference_client import RayInferenceClient
from deployments.metrics_reports import SupervisorMetrics
from deployments.prediction_log import BufferedLog
from deployments.supervisor import NAME
from deployments.supervisor_lookup import SupervisorAway

GRPC_GRACE_S: Final = 5.0
"""How long calls over gRPC may take that are under way when the replica stops."""
log = logging.getLogger(__name__)


async def find_own_supervisor() -> Any:
    """Return a handle of the supervisor beside this replica of the API; it needs no database.

    Raises:
        SupervisorAway: there is none.
    """
    try:
        return serve.get_deployment_actor(NAME)
    except (ValueError, RayError) as error:
        raise SupervisorAway from error


class SupervisorQueue:
    """The `JobQueue` that wakes the supervisor; after a lost wake-up the supervisor polls within a second."""

    async def notify(self) -> None:
        """Wake the supervisor: a job was added or cancelled."""
        try:
            serve.get_deployment_actor(NAME).wake.remote()
        except (ValueError, RayError):
            log.warning("the supervisor is down; it finds the job when it polls the queue")


class Gateway:
    """The services of one replica of the API."""

    def __init__(self, settings: Settings, pool: DeploymentHandle) -> None:
        """Open the database and connect to the models.

        Raises:
            StartupError: the database is not at this version's schema, or is SQLite on more than one node.
        """
        redaction.install()
        tracing.start(settings.otlp_endpoint, "api")
        schema.check(settings)
        if settings.is_sqlite and sum(node["Alive"] for node in ray.nodes()) > 1:
            raise StartupError("SQLite serves one node: set DATAML_DATABASE_URL to a PostgreSQL database")
        self._inference_client = RayInferenceClient(pool, settings)
        database = Database(settings)
        self._log = BufferedLog(database) if settings.prediction_log else NoLog()
        self._metrics = SupervisorMetrics(find_own_supervisor, self._measure)
        self._services = Services(
            settings=settings,
            database=database,
            keys=TokenKeys.load(settings.key_file),
            jobs=SupervisorQueue(),
            inference_client=self._inference_client,
            result_handlers=RESULT_HANDLERS,
            metrics=self._metrics,
            prediction_log=self._log,
        )
        self._grpc_server: OpenInferenceServer | None = None
        self._warming = asyncio.get_running_loop().create_task(self._warm())

    async def application(self) -> GatewayMiddleware:
        """Return the ASGI application, and answer over gRPC too where there is a port for it.

        Raises:
            StartupError: that port is taken.
        """
        app = create_app(self._services)
        settings = self._services.settings
        if settings.grpc_port is not None:
            self._grpc_server = OpenInferenceServer(app.open_inference.calls, settings.host, settings.grpc_port)
            await self._grpc_server.start()
        return app

    async def close(self) -> None:
        """End the calls over gRPC, and send what this replica has recorded."""
        if self._grpc_server is not None:
            await self._grpc_server.stop(GRPC_GRACE_S)
        if isinstance(self._log, BufferedLog):
            await self._log.flush()
        await self._metrics.close()

    def _measure(self) -> None:
        if isinstance(self._log, BufferedLog):
            self._log.measure()

    async def _warm(self) -> None:
        # Until now the pool and the supervisor have imported nothing, so that this replica starts sooner.
        await self._services.jobs.notify()
        await self._inference_client.warm()
