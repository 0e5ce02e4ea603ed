"""A change of a dataset that is being validated supersedes that validation."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from httpx import Response

from dataml.dataset import service, validation
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import JobContext, JobFailure, JobKind, ValidateResult, ValidateSpec
from dataml.settings import Settings
from dataml.tasks import validate
from tests.client import Client, wait_for_job
from tests.conftest import Platform, needs_builtin_lake
from tests.database import execute_sql
from tests.datalake.lake import call_lake, create_in_lake, new_table_name
from tests.dataset.datasets import create_dataset, create_template, get_dataset, list_upload_folders, upload
from tests.test_every_route import refusal

WAIT_S = 60


class HeldTask:
    """A validation that waits, before its work or after it, until the test lets it go on."""

    def __init__(self, *, after_work: bool) -> None:
        self.after_work = after_work
        self._reached, self._may_go_on = threading.Event(), threading.Event()

    def reach(self) -> None:
        """Wait; called by the worker."""
        self._reached.set()
        assert self._may_go_on.wait(WAIT_S)

    def wait_until_reached(self) -> None:
        assert self._reached.wait(WAIT_S)

    def release(self) -> None:
        self._may_go_on.set()


Hold = Callable[..., HeldTask]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Return a function that holds the next validation that begins."""
    waiting: list[HeldTask] = []
    begun: list[HeldTask] = []
    run = validate.run

    def run_held(spec: ValidateSpec, context: JobContext) -> ValidateResult:
        held = waiting.pop(0) if waiting else None
        if held is not None and not held.after_work:
            held.reach()
        result = run(spec, context)
        if held is not None and held.after_work:
            held.reach()
        return result

    def hold_next(*, after_work: bool = False) -> HeldTask:
        waiting.append(HeldTask(after_work=after_work))
        begun.append(waiting[-1])
        return begun[-1]

    monkeypatch.setattr(validate, "run", run_held)
    yield hold_next
    for held in begun:
        held.release()


def add(client: Client, dataset_id: int, *files: tuple[str, bytes]) -> Response:
    return client.post("/files/add", params={"dataset_id": dataset_id}, files=[("files", file) for file in files])


def get_job(client: Client, job_id: str) -> dict[str, Any]:
    return client.get(f"/jobs/{job_id}").json()


def newest_event(client: Client, action: str) -> dict[str, Any]:
    return client.get("/audit/list", params={"action": action, "limit": 1}).json()["data"][0]


def start_held(client: Client, hold: Hold, *files: tuple[str, bytes], **query: Any) -> tuple[dict[str, Any], HeldTask]:
    held = hold()
    answer = upload(client, *files, **query)
    assert answer.status_code == 201, answer.text
    held.wait_until_reached()
    return answer.json(), held


def test_added_files_supersede_a_validation(client: Client, hold: Hold) -> None:
    first, held = start_held(client, hold, ("a.csv", b"n\n1\n"))
    answer = add(client, first["dataset_id"], ("b.csv", b"n\n2.5\n"))
    assert (answer.status_code, answer.json()["state"]) == (201, "validating")
    assert get_job(client, first["job_id"]).items() >= {"state": "cancelled", "error": None}.items()
    assert get_job(client, first["job_id"])["phrase"] == "Superseded by a later change"
    assert newest_event(client, "file.add")["detail"]["cancelled_jobs"] == [first["job_id"]]
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    held.release()
    now = get_dataset(client, first["dataset_id"])
    assert (now["state"], now["version"], now["kept_records"], now["failure"]) == ("valid", 1, 2, None)
    assert get_job(client, first["job_id"])["state"] == "cancelled"


def test_a_deleted_file_supersedes_a_validation(client: Client, hold: Hold) -> None:
    first, held = start_held(client, hold, ("a.csv", b"n\n1\n"), ("b.csv", b"n\n2\n"))
    answer = client.request("DELETE", f"/files/delete/{first['files'][0]['id']}")
    assert (answer.status_code, answer.json()["state"]) == (200, "validating")
    assert newest_event(client, "file.delete")["detail"]["cancelled_jobs"] == [first["job_id"]]
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    held.release()
    assert get_dataset(client, first["dataset_id"])["kept_records"] == 1
    last = client.request("DELETE", f"/files/delete/{first['files'][1]['id']}")
    assert refusal(last) == (409, "last_file")


def test_a_refused_deletion_does_not_cancel_the_validation(client: Client, hold: Hold) -> None:
    first, held = start_held(client, hold, ("a.csv", b"n\n1\n"))
    assert refusal(client.request("DELETE", f"/files/delete/{first['files'][0]['id']}")) == (409, "last_file")
    held.release()
    assert wait_for_job(client, first["job_id"])["state"] == "succeeded"


def test_other_columns_are_refused_before_the_first_validation_has_ended(client: Client, hold: Hold) -> None:
    first, held = start_held(client, hold, ("a.csv", b"n,m\n1,2\n"))
    assert refusal(add(client, first["dataset_id"], ("b.csv", b"n,k\n1,2\n"))) == (422, "different_columns")
    held.release()
    assert wait_for_job(client, first["job_id"])["state"] == "succeeded"


def test_a_deleted_dataset_ends_its_validation(platform: Platform, client: Client, hold: Hold) -> None:
    before = list_upload_folders(platform)
    first, held = start_held(client, hold, ("a.csv", b"n\n1\n"))
    assert client.request("DELETE", f"/dataset/delete/{first['dataset_id']}").status_code == 200
    assert newest_event(client, "dataset.delete")["detail"]["cancelled_jobs"] == [first["job_id"]]
    held.release()
    assert get_job(client, first["job_id"])["state"] == "cancelled"
    assert list_upload_folders(platform) == before


def test_changes_in_a_row_leave_the_last_one(client: Client, hold: Hold) -> None:
    first, held = start_held(client, hold, ("a.csv", b"n\n1\n"))
    second = add(client, first["dataset_id"], ("b.csv", b"n\n2\n")).json()
    third = client.request("DELETE", f"/files/delete/{first['files'][0]['id']}").json()
    fourth = add(client, first["dataset_id"], ("c.csv", b"n\n3\n")).json()
    held.release()
    assert wait_for_job(client, fourth["job_id"])["state"] == "succeeded"
    states = [get_job(client, each["job_id"])["state"] for each in (first, second, third)]
    assert states[0] == "cancelled"
    assert set(states) <= {"cancelled", "succeeded"}
    assert get_dataset(client, first["dataset_id"])["kept_records"] == 2


def test_a_dataset_is_validated_again(platform: Platform, client: Client, analyst: Client, hold: Hold) -> None:
    template_id = create_template(client, n="Integer")
    made = create_dataset(client, ("a.csv", b"n\n1\nx\n"), template_id=template_id)
    assert made["state"] == "invalid"
    call = f"/dataset/{made['id']}/validate"
    assert refusal(analyst.post(call)) == (403, "missing_permission")
    execute_sql(platform.settings, f"UPDATE dataset SET state = 'failed', failure = 'away' WHERE id = {made['id']}")
    held = hold()
    first = client.post(call)
    assert (first.status_code, first.json()["status"]) == (202, "success")
    held.wait_until_reached()
    second = client.post(call)
    assert newest_event(client, "dataset.validate")["detail"]["cancelled_jobs"] == [first.json()["job_id"]]
    held.release()
    assert wait_for_job(client, second.json()["job_id"])["state"] == "succeeded"
    now = get_dataset(client, made["id"])
    assert (now["state"], now["version"], now["failure"]) == ("invalid", 2, None)


def test_a_terminated_validation_is_not_superseded(client: Client, hold: Hold) -> None:
    first, held = start_held(client, hold, ("a.csv", b"n\n1\n"))
    client.post("/ray/terminate_ray_job", params={"ray_job_id": first["job_id"]})
    assert get_dataset(client, first["dataset_id"])["failure"] == "The validation was cancelled."
    held.release()
    again = client.post(f"/dataset/{first['dataset_id']}/validate").json()
    assert wait_for_job(client, again["job_id"])["state"] == "succeeded"
    assert get_dataset(client, first["dataset_id"])["state"] == "valid"


def test_rejected_files_leave_the_rest_to_be_validated(client: Client, hold: Hold) -> None:
    template_id = create_template(client, n="Integer")
    made = create_dataset(client, ("a.csv", b"n\n1\n"), template_id=template_id, on_error="reject")
    held = hold()
    superseded = client.post(f"/dataset/{made['id']}/validate").json()
    held.wait_until_reached()
    assert refusal(add(client, made["id"], ("b.csv", b"n\nx\n"))) == (422, "bad_cell")
    held.release()
    assert get_job(client, superseded["job_id"])["state"] == "cancelled"
    newest = client.get("/jobs/list", params={"kind": "validate", "limit": 1}).json()["data"][0]
    assert wait_for_job(client, newest["job_id"])["state"] == "succeeded"
    now = get_dataset(client, made["id"])
    assert (now["state"], now["file_count"], now["kept_records"]) == ("valid", 1, 1)


def test_an_upload_that_rejects_follows_the_validation_that_supersedes_its_own(client: Client, hold: Hold) -> None:
    template_id = create_template(client, n="Integer")
    answers: list[Response] = []
    for content, expected in ((b"n\n1\n", (201, "valid")), (b"n\nx\n", (422, None))):
        held = hold()
        uploading = threading.Thread(
            target=lambda content=content: answers.append(
                upload(client, ("a.csv", content), template_id=template_id, on_error="reject")
            )
        )
        uploading.start()
        held.wait_until_reached()
        dataset = client.get("/dataset/list", params={"limit": 1}).json()["data"][0]
        assert client.post(f"/dataset/{dataset['id']}/validate").status_code == 202
        held.release()
        uploading.join(WAIT_S)
        assert (answers[-1].status_code, answers[-1].json().get("state")) == expected
    assert client.get("/dataset/get_dataset_by_id", params={"dataset_id": dataset["id"]}).status_code == 404


@needs_builtin_lake
def test_what_a_superseded_validation_has_written_to_the_lake_is_undone(client: Client, hold: Hold) -> None:
    table = new_table_name()
    template_id = create_template(client, id="Integer")
    made = create_in_lake(client, table, b"id\n1\n", template_id=template_id, on_error="reject")
    held = hold(after_work=True)
    adding = threading.Thread(target=lambda: add(client, made["id"], ("b.csv", b"id\n2\n3\n")))
    adding.start()
    held.wait_until_reached()
    assert count_rows(client, table) == 3
    # The next one fails, and commits nothing that would replace these rows.
    rejected = add(client, made["id"], ("c.csv", b"id\nx\n"))
    assert refusal(rejected) == (422, "bad_cell")
    held.release()
    adding.join(WAIT_S)
    again = client.post(f"/dataset/{made['id']}/validate").json()
    assert wait_for_job(client, again["job_id"])["state"] == "succeeded"
    now = get_dataset(client, made["id"])
    assert (now["state"], count_rows(client, table)) == ("valid", now["kept_records"])


def count_rows(client: Client, table: str) -> int:
    return call_lake(client, "numeric_stats", schema="silver", table=table, column_name="id")["count"]


class Rows:
    """A dataset with one validation that runs, below the HTTP layer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings)

    async def create(self, name: str) -> tuple[Scope, Dataset, Job]:
        tenant_id = execute_sql(self.settings, "SELECT id FROM tenant WHERE name = 'default'")[0][0]
        scope = Scope(tenant_id, "tester")
        async with self.database.transaction() as session:
            dataset = Dataset(tenant_id=tenant_id, name=name, usage="t", data_source="csv", created_by="tester")
            session.add(dataset)
            await session.flush()
            job = await validation.validate(session, self.settings, scope, dataset, None)
            job.state, job.attempt = "running", 1
        return scope, dataset, job

    async def change(self, scope: Scope, dataset: Dataset) -> Job:
        async with self.database.transaction() as session:
            return await validation.validate_again(session, self.settings, scope, dataset.id)

    async def state(self, dataset: Dataset) -> str:
        async with self.database.reading() as session:
            return (await session.get_one(Dataset, dataset.id)).state


def run(settings: Settings, body: Callable[[Rows], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        rows = Rows(settings)
        try:
            await asyncio.wait_for(body(rows), WAIT_S)
        finally:
            await rows.database.close()

    asyncio.run(main())


def test_a_late_report_of_a_superseded_validation_changes_nothing(settings: Settings, platform: Platform) -> None:
    async def body(rows: Rows) -> None:
        scope, dataset, old = await rows.create("late")
        new = await rows.change(scope, dataset)
        async with rows.database.transaction() as session:
            assert await jobs.finish(session, old.id, 1, None) is None
            for failure in (None, JobFailure("cancelled", "It was cancelled.")):
                old.failure_detail = failure and failure.detail
                await validation.apply_validation(session, old, None)
        assert await rows.state(dataset) == "validating"
        async with rows.database.transaction() as session:
            await jobs.cancel(session, new)

    run(settings, body)


def test_a_change_waits_for_a_validation_that_is_ending(settings: Settings, platform: Platform) -> None:
    async def body(rows: Rows) -> None:
        scope, dataset, old = await rows.create("ending")
        async with rows.database.transaction() as session:
            ended = await jobs.finish(session, old.id, 1, JobFailure("broken", "It broke."))
            assert ended is not None
            changing = asyncio.create_task(rows.change(scope, dataset))
            await validation.apply_validation(session, ended, None)
        new = await changing
        assert await rows.state(dataset) == "validating"
        async with rows.database.transaction() as session:
            assert (await session.get_one(Job, old.id)).state == "failed"
            await jobs.cancel(session, new)

    run(settings, body)


def test_of_two_changes_at_once_the_second_supersedes_the_first(settings: Settings, platform: Platform) -> None:
    async def body(rows: Rows) -> None:
        scope, dataset, old = await rows.create("twice")
        async with rows.database.transaction() as session:
            held, cancelled = await service.hold_to_change(session, scope, dataset.id)
            assert [job.id for job in cancelled] == [old.id]
            changing = asyncio.create_task(rows.change(scope, dataset))
            await asyncio.sleep(0)
            first = await validation.validate(session, rows.settings, scope, held, None)
        second = await changing
        async with rows.database.transaction() as session:
            unfinished = await jobs.list_for(session, scope, (JobKind.VALIDATE,), dataset.id, unfinished=True)
            assert [job.id for job in unfinished] == [second.id]
            assert (await session.get_one(Job, first.id)).state == "cancelled"
            await jobs.cancel(session, second)

    run(settings, body)


def test_the_successor_waits_for_the_worker_of_a_superseded_job(settings: Settings, platform: Platform) -> None:
    async def body(rows: Rows) -> None:
        scope, dataset, old = await rows.create("waits")
        new = await rows.change(scope, dataset)
        async with rows.database.transaction() as session:
            blocked = await jobs.claim(session, [old.id])
            assert blocked is None or blocked.job_id != new.id
            await jobs.cancel(session, new)

    run(settings, body)
