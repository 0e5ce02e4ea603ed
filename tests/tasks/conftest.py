"""One Ray cluster in the process of the tests, for the job bodies that use Ray themselves."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """With no CPU to give: no job may wait for one."""
    import ray

    ray.init(
        address="local",
        num_cpus=0,
        include_dashboard=False,
        log_to_driver=False,
        namespace="tests",
        # Without CPUs Ray would end each process after one task, and start another for the next one.
        _system_config={"num_workers_soft_limit": 4},
    )
    yield
    ray.shutdown()
