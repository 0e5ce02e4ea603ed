"""The fake workers end as real ones do, and leave neither a thread nor a transaction behind."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from dataml.jobs.spec import DescribeSpec, JobFailure, JobKind, JobProgress, JobReport, JobSpec
from dataml.runner.supervisor import WorkerLost
from dataml.storage.storage import Storage
from tests import fakes
from tests.fakes import InProcessWorkers
from tests.ml.samples import churn_contract


class SlowSupervisor:
    """Records progress once it is released."""

    def __init__(self) -> None:
        self.recording, self.release = asyncio.Event(), asyncio.Event()
        self.events: list[str] = []

    async def record_progress(self, job_id: int, attempt: int, progress: JobProgress) -> None:
        self.recording.set()
        await self.release.wait()
        self.events.append(progress.message)

    async def report(self, report: JobReport) -> bool:
        self.events.append("reported")
        return True


def start(tmp_path: Path) -> tuple[InProcessWorkers, SlowSupervisor, JobSpec]:
    workers, supervisor = InProcessWorkers(Storage(tmp_path)), SlowSupervisor()
    workers.supervisor = supervisor  # type: ignore[assignment]
    return (
        workers,
        supervisor,
        JobSpec(1, 1, JobKind.DESCRIBE, DescribeSpec(1, "data.parquet", churn_contract()), "jobs/1.1"),
    )


def failed(spec: JobSpec) -> JobReport:
    return JobReport(spec.job_id, spec.attempt, failure=JobFailure("broken", "It broke."))


def test_a_kill_interrupts_no_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(spec: JobSpec, storage: Storage, report_progress: Any, lake: Any) -> JobReport:
        report_progress(JobProgress(0.5, "half"))
        return failed(spec)

    async def body() -> None:
        workers, supervisor, spec = start(tmp_path)
        await workers.start("worker-0", spec, 1)
        await supervisor.recording.wait()
        await asyncio.wait(workers._executing)
        await asyncio.sleep(0)  # the report waits for the progress
        await workers.kill("worker-0")
        settling = asyncio.create_task(workers.settle())
        await asyncio.sleep(0)
        assert not settling.done()
        supervisor.release.set()
        await settling
        assert supervisor.events[0] == "half"

    monkeypatch.setattr(fakes, "execute", execute)
    asyncio.run(asyncio.wait_for(body(), 30))


def test_the_thread_of_a_killed_worker_ends_at_its_next_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, ended = threading.Event(), threading.Event()

    def execute(spec: JobSpec, storage: Storage, report_progress: Any, lake: Any) -> JobReport:
        try:
            report_progress(JobProgress(0.1, "before"))
            killed.wait(30)
            report_progress(JobProgress(0.9, "after"))
        finally:
            ended.set()
        return failed(spec)

    async def body() -> None:
        workers, supervisor, spec = start(tmp_path)
        supervisor.release.set()
        await workers.start("worker-0", spec, 1)
        await supervisor.recording.wait()
        await workers.kill("worker-0")
        with pytest.raises(WorkerLost):
            await workers.join("worker-0")
        killed.set()
        await workers.settle()
        assert ended.is_set()
        assert supervisor.events == ["before"]

    monkeypatch.setattr(fakes, "execute", execute)
    asyncio.run(asyncio.wait_for(body(), 30))
