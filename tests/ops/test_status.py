"""The state of the platform, which its administrators see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dataml import __version__
from dataml.metrics.definitions import (
    HTTP_REQUEST_DURATION,
    HTTP_REQUESTS,
    LOGGED_PREDICTIONS,
    PREDICTION_DURATION,
    PREDICTION_LOG_LAG,
    PROCESS_MEMORY,
    PROCESSES,
    WAITING_PREDICTIONS,
    WORKER_RESTARTS,
)
from dataml.metrics.totals import Snapshot
from dataml.ops import status
from dataml.ops.activity import ActivityStatus
from tests.client import Client
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset
from tests.test_every_route import refusal

LONG_AGO = "2001-01-01 00:00:00.000000"


def read_status(client: Client) -> dict[str, Any]:
    answer = client.get("/utils/status")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_status_says_what_there_is(client: Client, stranger: Client) -> None:
    before = read_status(client)
    create_dataset(stranger, ("a.csv", b"a,b\n1,2\n"))
    after = read_status(client)
    assert after["version"] == __version__
    assert after["health"]["status"] == "ok"
    assert after["tenants"] == 2
    assert after["storage"]["file_bytes"] == before["storage"]["file_bytes"] + 8
    assert after["storage"]["free_bytes"] > after["storage"]["reserve_bytes"]
    usage = {row["name"]: row["file_bytes"] for row in after["largest_tenants"]}
    assert usage["other"] == 8
    assert [row["file_bytes"] for row in after["largest_tenants"]] == sorted(usage.values(), reverse=True)


def test_quota_of_a_tenant_is_shown(client: Client, stranger: Client) -> None:
    tenant_id = stranger.post("/login/test-token").json()["tenant_id"]
    client.request("PUT", f"/tenants/{tenant_id}", json={"quota_bytes": 5000})
    quotas = {row["tenant_id"]: row["quota_bytes"] for row in read_status(client)["largest_tenants"]}
    assert quotas.pop(tenant_id) == 5000
    assert set(quotas.values()) == {None}


def test_queue_counts_the_jobs_of_all_tenants(platform: Platform, client: Client, stranger: Client) -> None:
    for user in (client, stranger):
        create_dataset(user, ("b.csv", b"a,b\n1,2\n"))
    ids = [row[0] for row in execute_sql(platform.settings, "SELECT id FROM job ORDER BY id")]
    assert len(ids) >= 2
    # Rows alone: no worker takes a job that runs.
    execute_sql(platform.settings, "UPDATE job SET state = 'running'")
    execute_sql(platform.settings, "UPDATE job SET state = 'failed' WHERE id = ?", ids[0])
    jobs = read_status(client)["jobs"]
    assert (jobs["running"], jobs["failed_last_day"], jobs["queued"]) == (len(ids) - 1, 1, 0)
    assert jobs["oldest_queued_at"] is None
    assert jobs["workers"] == platform.settings.workers
    execute_sql(platform.settings, "UPDATE job SET finished_at = ? WHERE id = ?", LONG_AGO, ids[0])
    assert read_status(client)["jobs"]["failed_last_day"] == 0
    execute_sql(platform.settings, "UPDATE job SET state = 'succeeded'")


def test_supervisor_is_active_while_its_lease_lasts(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = read_status(client)["supervisor"]
    assert supervisor["is_active"]
    assert supervisor["holder"]
    # The supervisor of these tests renews its lease in time, so the clock of the call is set.
    monkeypatch.setattr(status, "utc_now", lambda: datetime.now(UTC) + timedelta(days=1))
    assert read_status(client)["supervisor"]["is_active"] is False


def test_status_is_for_administrators_of_the_platform(stranger: Client, analyst: Client, anonymous: Client) -> None:
    for user in (stranger, analyst):
        assert refusal(user.get("/utils/status")) == (403, "missing_permission")
    assert anonymous.get("/utils/status").status_code == 401


def test_activity_is_what_the_metrics_of_all_processes_say() -> None:
    fast, slow = [0.0] * (len(HTTP_REQUEST_DURATION.bounds) + 2), [0.0] * (len(HTTP_REQUEST_DURATION.bounds) + 2)
    fast[0], slow[-2] = 99.0, 1.0
    stream, waiting = [0.0] * len(fast), "/api/v1/jobs/{job_id}/events"
    stream[-2] = 500.0
    counters = {
        HTTP_REQUESTS.name: {("GET", "/a", "200"): 90.0, ("GET", "/a", "404"): 7.0, ("POST", "/b", "503"): 3.0},
        LOGGED_PREDICTIONS.name: {("written",): 50.0, ("dropped",): 4.0},
        WORKER_RESTARTS.name: {("lost",): 2.0},
    }
    calls = ("tenant", "churn", "1", "")
    histograms = {
        HTTP_REQUEST_DURATION.name: {("GET", "/a"): fast, ("POST", "/b"): slow, ("GET", waiting): stream},
        PREDICTION_DURATION.name: {(*calls, "2xx"): fast, (*calls, "5xx"): slow},
    }
    gauges = {
        WAITING_PREDICTIONS.name: {(): 12.0},
        PREDICTION_LOG_LAG.name: {(): 1.5},
        PROCESSES.name: {("worker",): 2.0, ("api",): 1.0},
        PROCESS_MEMORY.name: {("worker",): 300.0, ("api",): 200.0},
    }
    found = ActivityStatus.from_metrics(Snapshot(counters, histograms, gauges)).model_dump()
    assert found["requests"].pop("p50_ms") < found["requests"]["p99_ms"] == HTTP_REQUEST_DURATION.bounds[0] * 1000
    assert {**found["requests"], "p99_ms": 0} == {"calls": 100, "errors": 3, "p99_ms": 0}
    assert (found["predictions"]["calls"], found["predictions"]["errors"]) == (100, 1)
    assert found["prediction_log"] == {"waiting": 12, "lag_s": 1.5, "dropped": 4}
    assert found["worker_restarts"] == {"lost": 2}
    assert found["processes"] == [
        {"process": "api", "count": 1, "resident_bytes": 200},
        {"process": "worker", "count": 2, "resident_bytes": 300},
    ]


def test_activity_of_a_platform_that_has_done_nothing_is_zero() -> None:
    found = ActivityStatus.from_metrics(Snapshot({}, {}, {})).model_dump()
    nothing = {"calls": 0, "errors": 0, "p50_ms": None, "p99_ms": None}
    assert found["requests"] == found["predictions"] == nothing
    assert found["worker_restarts"] == {}


def test_requests_are_counted(client: Client) -> None:
    before = read_status(client)["activity"]["requests"]
    client.get("/jobs/list")
    after = read_status(client)["activity"]["requests"]
    # That of the status itself is recorded after its answer.
    assert after["calls"] == before["calls"] + 2
    assert after["p99_ms"] > 0
