"""A supervisor with real workers, one of which is stopped in the middle of its job."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray.experimental.internal_kv import _internal_kv_list

from dataml.access import tenants
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.iceberg.catalog import LakeConfig
from dataml.installation import prepare
from dataml.jobs import service
from dataml.jobs.models import Job
from dataml.jobs.spec import DescribeSpec, JobKind, JobProgress
from dataml.runner.worker import RayWorkers, WorkerProcess
from dataml.settings import Settings
from dataml.storage.storage import Storage
from tests.conftest import NewHome
from tests.deployments.cluster import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("ray_cluster")]
INPUT = "files/tenant/upload/data.parquet"


@pytest.fixture
def settings(new_home: NewHome) -> Settings:
    settings = new_home(workers=1, worker_cpus=0)
    prepare(settings)
    return settings


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Any]:
    """An actor with a supervisor, for which a worker hangs after 3 s."""

    # Sent by value: the process of the actor cannot import this module.
    class Host:
        def __init__(self, settings: str) -> None:
            from dataml.db.session import Database
            from dataml.iceberg.catalog import LakeConfig
            from dataml.runner import heartbeat
            from dataml.runner import worker as worker_module
            from dataml.runner.supervisor import Supervisor
            from dataml.runner.worker import RayWorkers, Worker
            from dataml.settings import Settings
            from dataml.storage.storage import Storage

            class ColdWorker(Worker):
                """A worker that imports nothing beforehand: that takes longer than all else here."""

                async def warm(self) -> None:
                    return

            worker_module.Worker = ColdWorker  # type: ignore[misc]
            heartbeat.TIMEOUT_S, heartbeat._INSPECT_AFTER_S, heartbeat.INTERVAL_S = 3.0, 1.0, 0.5  # type: ignore[misc]
            self._settings = Settings.model_validate_json(settings)
            storage, lake = Storage.for_jobs(self._settings), LakeConfig.from_settings(self._settings)
            self._workers = RayWorkers(storage, lake, 1, 0)
            self._supervisor = Supervisor(
                Database(self._settings), self._settings, self._workers, lambda: None, "supervisor"
            )

        async def run(self) -> None:
            await self._supervisor.run()

        async def stop(self) -> None:
            self._supervisor.stop()

        async def kill_workers(self) -> None:
            for name in self._workers.names:
                await self._workers.kill(name)

        async def worker_process(self) -> Any:
            return self._workers._processes.get("worker-0")

        async def report(self, report: Any) -> bool:
            return await self._supervisor.report(report)

        async def record_progress(self, job_id: int, attempt: int, progress: JobProgress) -> None:
            await self._supervisor.record_progress(job_id, attempt, progress)

        async def record_metrics(self, recording: Any) -> None:
            return

    host: Any = (
        ray.remote(Host)
        .options(num_cpus=0, max_concurrency=16)
        .remote(settings.model_dump_json(exclude={"admin_password"}))
    )
    running = host.run.remote()
    yield host
    ray.get(host.stop.remote())
    ray.get(running)
    ray.get(host.kill_workers.remote())
    ray.kill(host)


async def queue_statistics(settings: Settings) -> int:
    """Queue a job that describes the file `INPUT`, and return its number."""
    database = Database(settings)
    contract = Contract.build([Column("n", DataType.INTEGER)])
    async with database.transaction() as session:
        tenant = await tenants.add(session, "tenant")
        dataset = Dataset(tenant_id=tenant.id, name="d", usage="t", data_source="csv", created_by="tester")
        session.add(dataset)
        await session.flush()
        spec = DescribeSpec(dataset.id, INPUT, contract)
        job = await service.enqueue(session, Scope(tenant.id, "tester"), JobKind.DESCRIBE, dataset.id, spec)
    await database.close()
    return job.id


def read_job(settings: Settings, job_id: int) -> Job:
    async def read() -> Job:
        database = Database(settings)
        async with database.reading() as session:
            job = await session.get_one(Job, job_id)
        await database.close()
        return job

    return asyncio.run(read())


def test_the_job_of_a_stopped_worker_is_tried_again_by_another_process(settings: Settings, supervisor: Any) -> None:
    data = settings.storage_root / INPUT
    data.parent.mkdir(parents=True)
    # The first attempt waits for a writer of this pipe, for ever and outside of Python.
    os.mkfifo(data)
    job_id = asyncio.run(queue_statistics(settings))
    wait_until(lambda: read_job(settings, job_id).state, lambda state: state == "running", timeout_s=300)
    first: WorkerProcess = wait_until(lambda: ray.get(supervisor.worker_process.remote()), lambda found: found)
    os.kill(first.pid, signal.SIGSTOP)
    data.unlink()
    pq.write_table(pa.table({"n": [1, 2, 3]}), data)

    job = wait_until(
        lambda: read_job(settings, job_id), lambda job: job.state in ("succeeded", "failed"), timeout_s=300
    )

    assert (job.state, job.attempt, job.failure_code) == ("succeeded", 2, None)
    second: WorkerProcess = ray.get(supervisor.worker_process.remote())
    assert second.pid != first.pid
    wait_until(lambda: psutil.pid_exists(first.pid), lambda exists: not exists, timeout_s=30)


def test_the_node_of_a_worker_says_whether_its_process_works(tmp_path: Path, second_node: Any) -> None:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    workers = RayWorkers(Storage(tmp_path), LakeConfig({}, tmp_path), 1, 0)

    def is_active() -> bool:
        return asyncio.run(workers.is_active("worker-0"))

    try:
        assert is_active(), "nothing is known of a worker that has not begun"
        for node_id in (ray.get_runtime_context().get_node_id(), second_node.node_id):
            process.send_signal(signal.SIGCONT)
            workers._processes["worker-0"] = WorkerProcess(node_id, process.pid)
            assert is_active()
            process.send_signal(signal.SIGSTOP)
            wait_until(psutil.Process(process.pid).status, lambda status: status == psutil.STATUS_STOPPED)
            assert not is_active()
        workers._processes["worker-0"] = WorkerProcess("0" * 56, process.pid)
        assert is_active(), "a node that is away shows nothing"
    finally:
        process.kill()
        process.wait()


def test_a_call_exports_no_class_again(tmp_path: Path, second_node: Any) -> None:
    def exported() -> set[bytes]:
        return set(_internal_kv_list(b"ActorClass:", namespace="fun")) | set(
            _internal_kv_list(b"RemoteFunction:", namespace="fun")
        )

    workers = RayWorkers(Storage(tmp_path), LakeConfig({}, tmp_path), 1, 0)

    async def call() -> None:
        await workers.ping("worker-0")
        process = workers._processes["worker-0"]
        workers._processes["worker-0"] = WorkerProcess(second_node.node_id, process.pid)
        await workers.is_active("worker-0")

    try:
        asyncio.run(call())
        before = exported()
        asyncio.run(call())
        assert exported() == before
        assert before
    finally:
        asyncio.run(workers.kill("worker-0"))
