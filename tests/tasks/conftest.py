"""One Ray cluster in the process of the tests, for the job bodies that use Ray themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

_NODE: dict[str, Any] = {"num_cpus": 0, "object_store_memory": 500 << 20}


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """With no CPU to give: no job may wait for one."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    # Without CPUs Ray would end each process after one task, and start another for the next one.
    cluster.add_node(**_NODE, include_dashboard=False, _system_config={"num_workers_soft_limit": 4})
    ray.init(address=cluster.address, log_to_driver=False, namespace="tests")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def second_node(ray_cluster: Any) -> Any:
    """Add a node, which shares this machine and its disk, to the cluster."""
    return ray_cluster.add_node(**_NODE)
