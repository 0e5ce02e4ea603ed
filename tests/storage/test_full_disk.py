"""A platform whose home is on a file system of a few megabytes, which a file fills."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from httpx import Response

from dataml.jobs.spec import JobContext, JobReport
from dataml.runner.supervisor import Supervisor
from dataml.settings import Settings
from dataml.tasks import train as train_task
from dataml.tasks import validate as validate_task
from tests.client import PASSWORD, Client, wait_for_job
from tests.conftest import NewHome, Platform, log_in, needs_sqlite, run_platform
from tests.dataset.datasets import create_dataset, new_name, upload
from tests.storage.small_disks import filled, small_disk
from tests.train.training import small_csv, train

pytestmark = needs_sqlite
MIB = 1 << 20


class HeldTask:
    """A task that begins only once the test says so."""

    def __init__(self, task: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_started, self.may_run = threading.Event(), threading.Event()
        run = task.run

        def run_when_told(spec: Any, context: JobContext) -> Any:
            self.has_started.set()
            assert self.may_run.wait(60)
            return run(spec, context)

        monkeypatch.setattr(task, "run", run_when_told)


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def upload_small(client: Client, rows: int = 300) -> Response:
    return upload(client, ("small.csv", small_csv(rows)))


@pytest.fixture(scope="module")
def settings(new_home: NewHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with small_disk(tmp_path_factory.mktemp("disk"), 24 * MIB) as folder:
        yield new_home(home=folder / "home", storage_reserve_bytes=0)


@pytest.fixture(scope="module")
def platform(settings: Settings, migrated_database: Path) -> Iterator[Platform]:
    settings.root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervisor, "SPACE_RETRY_S", 0.2)
        with run_platform(settings, migrated_database) as platform:
            yield platform


@pytest.fixture(scope="module")
def client(platform: Platform) -> Client:
    return platform.client


@pytest.fixture(scope="module")
def dataset(client: Client) -> dict[str, Any]:
    return create_dataset(client, ("small.csv", small_csv()))


def test_writes_are_storage_full_and_reads_go_on(
    platform: Platform, client: Client, dataset: dict[str, Any], settings: Settings
) -> None:
    with filled(settings.root.parent):
        login = platform.anonymous.post("/login/access-token", data={"username": "analyst", "password": PASSWORD})
        template = client.post("/template/", json={"template_name": new_name("t")})
        for answer in (login, template, upload_small(client), train(client, dataset["id"])):
            assert refusal(answer) == (507, "storage_full")
        assert "database" in template.json()["detail"]
        assert client.get("/dataset/view", params={"dataset_id": dataset["id"]}).status_code == 200
    assert log_in(platform.anonymous, "analyst")
    accepted = upload_small(client)
    assert accepted.status_code == 201
    # Its job would give space back while another test needs a full disk.
    assert wait_for_job(client, accepted.json()["job_id"])["state"] == "succeeded"


def test_upload_without_space_leaves_nothing(client: Client, settings: Settings) -> None:
    before = sorted(settings.storage_root.glob("files/*/*"))
    with filled(settings.root.parent, left_bytes=MIB):
        assert refusal(upload_small(client, 60_000)) == (507, "storage_full")
        assert sorted(settings.storage_root.glob("files/*/*")) == before


def test_training_on_a_full_disk_waits_and_ends_once_there_is_space(
    client: Client, dataset: dict[str, Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, has_failed, report = HeldTask(train_task, monkeypatch), threading.Event(), Supervisor.report

    async def watch_report(self: Supervisor, sent: JobReport) -> bool:
        is_recorded = await report(self, sent)
        if sent.failure is not None and sent.failure.code == "storage_full":
            has_failed.set()
        return is_recorded

    monkeypatch.setattr(Supervisor, "report", watch_report)
    job_id = train(client, dataset["id"]).json()["job_id"]
    assert held.has_started.wait(60)
    with filled(settings.root.parent):
        held.may_run.set()
        assert has_failed.wait(120), client.get(f"/jobs/{job_id}").json()
        # Queued where the database had room in its log for the report of the failure, which the disk has not.
        assert client.get(f"/jobs/{job_id}").json()["state"] in {"running", "queued"}
    job = wait_for_job(client, job_id)
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert job["attempts"] > 1


def test_job_that_never_finds_space_fails_with_storage_full(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "SPACE_RETRY_S", 0.01)
    held = HeldTask(validate_task, monkeypatch)
    job_id = upload_small(client, 60_000).json()["job_id"]
    assert held.has_started.wait(60)
    # Enough for the database, and not for a copy of the rows.
    with filled(settings.root.parent, left_bytes=300 << 10):
        held.may_run.set()
        job = wait_for_job(client, job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "storage_full")
    assert job["attempts"] == Supervisor.SPACE_ATTEMPTS
