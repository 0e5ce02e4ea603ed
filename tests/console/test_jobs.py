"""Jobs: the list, one job, and its end by a user."""

from typing import Any

import pytest

from dataml.console import job_text
from tests.client import Client
from tests.conftest import Platform
from tests.console.browser import Browser, signed_in
from tests.database import execute_sql

ERROR = {"code": "worker_lost", "detail": "The worker ended."}


def test_list_is_filtered_by_state_and_kind(admin: Browser, model: dict[str, Any]) -> None:
    page = admin.get("/jobs?state=succeeded&kind=train").text
    assert f"/jobs/{model['job_id']}" in page
    assert f"/jobs/{model['job_id']}" not in admin.get("/jobs?kind=score").text
    assert 'data-live="10"' in page


def test_job_leads_to_what_it_is_about(admin: Browser, model: dict[str, Any]) -> None:
    page = admin.get(f"/jobs/{model['job_id']}").text
    assert f'href="/predictors/{model["id"]}"' in page
    assert "data-live" not in page, "it has ended"
    assert "/cancel" not in page


def test_failed_job_says_why_and_what_to_do(platform: Platform, admin: Browser, model: dict[str, Any]) -> None:
    number = model["job_id"].rpartition("-")[2]
    failed = "UPDATE job SET state = 'failed', failure_code = ?, failure_detail = ? WHERE id = ?"
    execute_sql(platform.settings, failed, "worker_lost", "The worker <b>ended</b>.", number)
    for path in ("/", "/jobs", f"/jobs/{model['job_id']}"):
        text = admin.get(path).text
        assert "The worker &lt;b&gt;ended&lt;/b&gt;." in text, path
        assert f"Training {model['id']}" in text, path
    assert "try again with fewer rows" in admin.get(f"/jobs/{model['job_id']}").text
    succeeded = "UPDATE job SET state = 'succeeded', failure_code = NULL, failure_detail = NULL WHERE id = ?"
    execute_sql(platform.settings, succeeded, number)


@pytest.fixture
def queued(platform: Platform, model: dict[str, Any]) -> str:
    """A job that no worker takes, for its row says that another one runs it."""
    execute_sql(
        platform.settings,
        "UPDATE job SET state = 'running', progress = 0.25, phrase = 'Half', attempt = 2, finished_at = NULL "
        f"WHERE id = {model['job_id'].rpartition('-')[2]}",
    )
    return model["job_id"]


def test_running_job_is_cancelled(admin: Browser, anonymous: Client, queued: str) -> None:
    page = admin.get(f"/jobs/{queued}").text
    assert 'data-live="1"' in page
    assert "25.0%" in page
    assert "attempt 2" in page
    analyst = signed_in(anonymous, "analyst")
    assert "/cancel" not in analyst.get(f"/jobs/{queued}").text
    assert analyst.send(f"/jobs/{queued}/cancel").status_code == 403
    assert signed_in(anonymous, "stranger").send(f"/jobs/{queued}/cancel").status_code == 404
    answer = admin.send(f"/jobs/{queued}/cancel")
    assert answer.status_code == 303
    assert "cancelled" in admin.get(f"/jobs/{queued}").text
    assert admin.send(f"/jobs/{queued}/cancel").status_code == 303, "a second click changes nothing"


def test_what_a_job_is_called() -> None:
    job = {"kind": "describe", "subject_id": 7, "error": ERROR}
    assert job_text.title(job) == "Statistics of dataset 7"
    assert job_text.subject_url(job) == "/datasets/7/columns"
    assert "memory" in (job_text.advice(job) or "")
    assert job_text.subject_url({"kind": "score", "subject_id": 7}) is None
    assert job_text.advice({"kind": "train", "error": {"code": "bad_cell"}}) is None
    assert job_text.advice({"kind": "train", "error": None}) is None
    times = {"started_at": "2026-05-01T10:00:00Z", "finished_at": "2026-05-01T12:30:00Z"}
    assert job_text.run_time_s(times) == 9000
    assert job_text.run_time_s(times | {"finished_at": None}) is None
