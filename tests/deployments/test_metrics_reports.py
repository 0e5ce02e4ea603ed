"""What processes send to the supervisor is counted once."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from ray.exceptions import RayError

from dataml.metrics.definitions import HTTP_ERRORS, POOL_MODELS, PROCESS_MEMORY, PROCESSES, RECORDED
from dataml.metrics.recording import Recording, take_recording
from dataml.metrics.totals import Snapshot, Totals
from deployments import metrics_reports
from deployments.metrics_reports import MetricsReporter, SupervisorMetrics
from deployments.supervisor_lookup import SupervisorAway

CODE = ("a_code_of_this_test",)


class Call:
    """A method of an actor."""

    def __init__(self, method: Any) -> None:
        self.remote = method


class FakeSupervisor:
    """The methods of `SupervisorActor` about metrics; it may die before or after it has taken a recording."""

    def __init__(self) -> None:
        self.totals = Totals(10)
        self.is_away = False
        self.dies: str | None = None
        self.record_metrics, self.collect_metrics = Call(self._record), Call(self._collect)

    async def find(self) -> "FakeSupervisor":
        if self.is_away:
            raise SupervisorAway
        return self

    async def _record(self, recording: Recording) -> None:
        if self.dies == "before":
            raise RayError
        self.totals.add(recording)
        if self.dies == "after":
            raise RayError
        if self.dies == "hangs":
            await asyncio.sleep(60)

    async def _collect(self, recording: Recording) -> Snapshot:
        await self._record(recording)
        return self.totals.snapshot()

    @property
    def errors(self) -> float:
        return self.totals.snapshot().counters.get(HTTP_ERRORS.name, {}).get(CODE, 0.0)


@pytest.fixture
def supervisor() -> Iterator[FakeSupervisor]:
    take_recording("nobody", RECORDED)
    yield FakeSupervisor()
    take_recording("nobody", RECORDED)


def reporter_of(supervisor: FakeSupervisor) -> MetricsReporter:
    return MetricsReporter("pool", supervisor.find, lambda: POOL_MODELS.set(3))


def test_report_has_what_is_new_and_the_gauges(supervisor: FakeSupervisor) -> None:
    reporter = reporter_of(supervisor)
    for _ in range(3):
        HTTP_ERRORS.add(*CODE)
        asyncio.run(reporter.report())
    assert supervisor.errors == 3
    gauges = supervisor.totals.snapshot().gauges
    assert gauges[POOL_MODELS.name] == {(): 3}
    assert gauges[PROCESSES.name] == {("pool",): 1}
    assert gauges[PROCESS_MEMORY.name]["pool",] > 1e6


def test_two_processes_of_a_kind_are_two(supervisor: FakeSupervisor) -> None:
    for _ in range(2):
        asyncio.run(reporter_of(supervisor).report())
    assert supervisor.totals.snapshot().gauges[PROCESSES.name] == {("pool",): 2}


def test_recording_waits_while_there_is_no_supervisor(supervisor: FakeSupervisor) -> None:
    reporter = reporter_of(supervisor)
    supervisor.is_away = True
    for _ in range(3):
        HTTP_ERRORS.add(*CODE)
        asyncio.run(reporter.report())
    assert supervisor.errors == 0
    supervisor.is_away = False
    asyncio.run(reporter.report())
    assert supervisor.errors == 3


@pytest.mark.parametrize("dies", ["before", "after", "hangs"])
def test_nothing_is_counted_twice_when_a_supervisor_dies(
    supervisor: FakeSupervisor, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    monkeypatch.setattr(metrics_reports, "_TIMEOUT_S", 0.01)
    reporter = reporter_of(supervisor)
    HTTP_ERRORS.add(*CODE)
    asyncio.run(reporter.report())
    HTTP_ERRORS.add(*CODE)
    supervisor.dies = dies
    asyncio.run(reporter.report())
    seen_before = supervisor.errors
    # Another one takes over, with totals of its own.
    supervisor.dies, supervisor.totals = None, Totals(10)
    HTTP_ERRORS.add(*CODE)
    asyncio.run(reporter.report())
    assert supervisor.errors == 1
    assert seen_before + supervisor.errors <= 3


def test_replica_of_the_api_answers_the_totals_of_all(supervisor: FakeSupervisor) -> None:
    HTTP_ERRORS.add(*CODE)
    asyncio.run(reporter_of(supervisor).report())
    HTTP_ERRORS.add(*CODE)

    async def collect() -> tuple[Snapshot | None, Snapshot | None]:
        metrics = SupervisorMetrics(supervisor.find)
        known = await metrics.collect()
        supervisor.is_away = True
        return known, await metrics.collect()

    known, unknown = asyncio.run(collect())
    assert known is not None
    assert known.counters[HTTP_ERRORS.name][CODE] == 2
    assert unknown is None


def test_traffic_is_unknown_without_a_supervisor(supervisor: FakeSupervisor) -> None:
    async def ask() -> Any:
        return await SupervisorMetrics(supervisor.find).list_recent_calls([("t", "p", "1")] * 2)

    supervisor.is_away = True
    assert asyncio.run(ask()) == [None, None]
