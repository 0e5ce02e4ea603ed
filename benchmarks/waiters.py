"""Many clients that wait for a job which does not end: what they cost the other requests, and the memory of the API."""

import asyncio
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import dataml
from benchmarks.health import HealthProbes
from benchmarks.load import resident_mb
from benchmarks.platform_run import CHURN, running_platform
from deployments.platform import private_folder

PORT = 8174
WAIT_S = 60
_SETTLE_S = 10
"""Until all wait."""
_API = "ServeReplica:dataml:Api"


def waiters(folder: Path) -> None:
    """Print health checks and the API's memory before, during and after `?wait=60` of `CLIENTS` (500) clients."""
    count = int(os.environ.get("CLIENTS", "500"))
    home = folder / "home"
    # A worker that holds more than the machine has never starts, so that a job stays queued.
    with running_platform(home, PORT, DATAML_WORKER_CPUS="1000") as client:
        api_key = client.api.create_api_key({"name": "waiters", "permissions": ["can_view"]})["key"]
        job = client.datasets.upload(CHURN, "churn", wait=False)
        _measure("before", home, client.url)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(asyncio.run, _wait_all(client.url, api_key, job.id, count))
            time.sleep(_SETTLE_S)
            _measure(f"{count} wait", home, client.url)
            outcomes = waiting.result()
        time.sleep(_SETTLE_S)
        _measure("after", home, client.url)
        job.cancel()
    if outcomes != {"queued": count}:
        raise RuntimeError(f"not all have waited: {dict(outcomes)}")


def _measure(label: str, home: Path, url: str) -> None:
    """Print the health checks of the next seconds, in which nobody begins or ends to wait, and the memory."""
    with HealthProbes(url) as probes:
        time.sleep(WAIT_S / 2)
    size_mb = resident_mb(private_folder(home)).get(_API, 0.0)
    print(f"{label}: health checks {probes}; memory of the API {size_mb:.0f} MB (proportional set size)", flush=True)


async def _wait_all(url: str, api_key: str, job_id: str, count: int) -> Counter[str]:
    """Wait for a job by so many clients, each with a connection of its own, and count the states in the answers."""
    async with AsyncExitStack() as stack:
        clients = [
            # To verify, each would read the certificates of all authorities. Those who are refused while many begin at
            # once ask again, as clients do.
            await stack.enter_async_context(dataml.aio.connect(url, api_key=api_key, verify=False))
            for _ in range(count)
        ]
        return Counter(await asyncio.gather(*(_wait(client, job_id) for client in clients)))


async def _wait(client: "dataml.aio.Client", job_id: str) -> str:
    try:
        return (await client.api.get_job(job_id, wait=WAIT_S))["state"]
    except dataml.ClientError as error:
        return f"{error.status} {error.code}"
