"""The Serve applications that are predictors' own deployments: their names, and what runs of them."""

import asyncio
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

import ray
from ray import serve
from ray.serve._private.common import RequestProtocol
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, DeploymentStatusOverview, TargetGroup

from dataml.serving.model_runner import DeploymentStatus

MAX_AGE_S: Final = 2.0
"""How old the answer of Serve is at most that `RecentApplications` gives."""
_PREFIX = "predictor-"
Applications = dict[str, ApplicationStatusOverview]
ReplicaAddresses = dict[str, tuple[str, ...]]
"""Host and port of each replica, by application."""


def application_name(tenant_id: str, predictor_name: str) -> str:
    """Return the name of a predictor's own Serve application, the same for all its versions.

    A new version replaces the old one in place.
    """
    return _PREFIX + hashlib.sha256(f"{tenant_id}/{predictor_name}".encode()).hexdigest()[:16]


def list_applications() -> Applications:
    """Return the applications of all predictors. Blocking.

    Raises:
        RayServeException, RayError: Serve cannot be reached.
    """
    return {name: app for name, app in serve.status().applications.items() if name.startswith(_PREFIX)}


def list_replica_addresses() -> ReplicaAddresses:
    """Return where the replicas of these applications listen themselves. Blocking.

    Raises:
        RayServeException, RayError: Serve cannot be reached.
    """
    # Serve's public list has the addresses of its proxies instead.
    client = _get_global_client()
    assert client is not None
    groups: list[TargetGroup] = ray.get(client._controller.get_target_groups.remote(from_proxy_manager=True))
    # Serve names the address of the node, also where the replicas listen on this machine alone.
    host: str | None = client.http_config.host if _is_loopback(client.http_config.host) else None
    return {
        # Serve's own proxy stands in for an application without replicas.
        group.app_name: tuple(
            _join_host(host or each.ip, each.port) for each in group.targets if group.app_name in each.name
        )
        for group in groups
        if group.app_name.startswith(_PREFIX) and group.protocol == RequestProtocol.HTTP
    }


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _join_host(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Running:
    """What runs of the applications of all predictors."""

    applications: Applications
    addresses: ReplicaAddresses


def list_running() -> Running:
    """Return what runs. Blocking. Raises as `list_applications`."""
    return Running(list_applications(), list_replica_addresses())


class RecentApplications:
    """What Serve has answered lately about the applications of all predictors.

    Its controller describes every replica for one answer, which takes longer than the rest of a page.
    """

    def __init__(self) -> None:
        self._asked: asyncio.Task[Running] | None = None
        self._asked_at = 0.0

    async def read(self) -> Running:
        """Return the applications as they were at most `MAX_AGE_S` ago. All calls that wait share one question.

        Raises:
            RayServeException, RayError: Serve cannot be reached.
        """
        now = asyncio.get_running_loop().time()
        asked = self._asked
        is_stale = asked is None or now - self._asked_at > MAX_AGE_S
        if asked is None or (asked.done() and (is_stale or asked.cancelled() or asked.exception() is not None)):
            asked = self._asked = asyncio.create_task(asyncio.to_thread(list_running))
            self._asked_at = now
        return await asyncio.shield(asked)


def find_pool_application() -> str:
    """Return the application of the pool, which is that of the platform. Blocking.

    Raises:
        RayServeException, RayError: Serve cannot be reached, or there is no pool.
    """
    for name, application in serve.status().applications.items():
        if "PredictorPool" in application.deployments:
            return name
    raise RayServeException("no application has the pool of models")


def count_replicas(application: ApplicationStatusOverview) -> int:
    """Return how many replicas run, of any version."""
    return sum(map(count_running, application.deployments.values()))


def count_running(deployment: DeploymentStatusOverview) -> int:
    """Return how many replicas of a deployment run, of any version."""
    return sum(count for state, count in deployment.replica_states.items() if state == "RUNNING")


def is_serving(application: ApplicationStatusOverview) -> bool:
    """Return whether a replica of the last deployed version runs.

    While the application deploys, its replicas may be those of an older version.
    """
    return application.status == ApplicationStatus.RUNNING and count_replicas(application) > 0


def describe(application: ApplicationStatusOverview, addresses: tuple[str, ...] = ()) -> DeploymentStatus:
    """Return what runs of an application, whose replicas have these addresses."""
    replicas = count_replicas(application)
    return DeploymentStatus(_state(application.status, replicas), replicas, addresses)


def _state(status: ApplicationStatus, replicas: int) -> Literal["starting", "running", "failed", "stopping"]:
    if status == ApplicationStatus.DELETING:
        return "stopping"
    if status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY) and replicas == 0:
        return "failed"
    is_up = replicas > 0 and status != ApplicationStatus.DEPLOYING
    return "running" if is_up else "starting"
