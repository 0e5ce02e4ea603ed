"""A cancelled validation leaves the dataset as it was before the change."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset, create_template, get_dataset
from tests.dataset.test_changes import wait_until_gone
from tests.dataset.test_supersession import Hold, add, get_job, hold, newest_event
from tests.test_every_route import refusal
from tests.train.training import small_dataset, train

__all__ = ["hold"]
CHANGED = {"modified_at", "job_id"}
TWO_FILES = (("a.csv", b"n\n1\n2\n"), ("b.csv", b"n\n3\n"))


def files_of(client: Client, dataset_id: int) -> list[dict[str, Any]]:
    return client.get("/files/list", params={"dataset_id": dataset_id}).json()["data"]


def cancel(client: Client, job_id: str) -> None:
    answer = client.post("/ray/terminate_ray_job", params={"ray_job_id": job_id, "usage": "validation"})
    assert answer.status_code == 200, answer.text
    assert get_job(client, job_id)["state"] == "cancelled"


def assert_as_before(client: Client, before: dict[str, Any], files: list[dict[str, Any]]) -> None:
    now = get_dataset(client, before["id"])
    assert {name for name in before if now[name] != before[name]} <= CHANGED
    shown = [{**file, "modified_at": None} for file in files_of(client, before["id"])]
    assert shown == [{**file, "modified_at": None} for file in files]


def test_added_files_are_removed_when_their_validation_is_cancelled(
    platform: Platform, client: Client, hold: Hold
) -> None:
    before = create_dataset(client, *TWO_FILES)
    files = files_of(client, before["id"])
    held = hold()
    added = add(client, before["id"], ("c.csv", b"n\n4\n")).json()
    held.wait_until_reached()
    assert get_dataset(client, before["id"])["file_count"] == 3
    cancel(client, added["job_id"])
    held.release()
    assert before["state"] == "valid"
    assert_as_before(client, before, files)
    event = newest_event(client, "dataset.restore")
    assert event["subject"] == f"dataset:{before['id']}"
    assert event["detail"] == {"name": before["dataset_name"], "job_id": added["job_id"]} | {
        "files_restored": [],
        "files_removed": ["c.csv"],
    }
    file = added["files"][0]
    assert refusal(client.get("/files/get_file_by_id", params={"file_id": file["id"]})) == (404, "file_not_found")
    assert refusal(client.get("/files/download", params={"file_path": file["file_path"]})) == (404, "file_not_found")
    # A later validation is of the files that are left, and removes the file from storage.
    again = client.post(f"/dataset/{before['id']}/validate").json()
    assert wait_for_job(client, again["job_id"])["state"] == "succeeded"
    assert get_dataset(client, before["id"])["kept_records"] == 3
    wait_until_gone(platform, file)


def test_deleted_file_is_back_when_the_validation_is_cancelled(platform: Platform, client: Client, hold: Hold) -> None:
    before = create_dataset(client, *TWO_FILES)
    files = files_of(client, before["id"])
    held = hold()
    gone = client.request("DELETE", f"/files/delete/{files[0]['id']}").json()
    held.wait_until_reached()
    assert [file["id"] for file in files_of(client, before["id"])] == [files[1]["id"]]
    assert refusal(client.request("DELETE", f"/files/delete/{files[0]['id']}")) == (404, "file_not_found")
    cancel(client, gone["job_id"])
    held.release()
    assert_as_before(client, before, files)
    assert newest_event(client, "dataset.restore")["detail"]["files_restored"] == [files[0]["file_name"]]
    content = client.get("/files/download", params={"file_id": files[0]["id"]}).content
    assert content == dict(TWO_FILES)[files[0]["file_name"]]
    again = client.post(f"/dataset/{before['id']}/validate").json()
    assert wait_for_job(client, again["job_id"])["state"] == "succeeded"
    assert get_dataset(client, before["id"])["kept_records"] == 3


def test_changes_in_a_row_go_back_to_the_last_that_was_validated(client: Client, hold: Hold) -> None:
    before = create_dataset(client, *TWO_FILES)
    files = files_of(client, before["id"])
    held = hold()
    first = add(client, before["id"], ("c.csv", b"n\n4\n")).json()
    held.wait_until_reached()
    second = client.request("DELETE", f"/files/delete/{files[1]['id']}").json()
    # What was superseded stays so: nothing is restored before the last change ends.
    assert get_job(client, first["job_id"])["phrase"] == "Superseded by a later change"
    assert get_dataset(client, before["id"])["state"] == "validating"
    cancel(client, second["job_id"])
    held.release()
    assert_as_before(client, before, files)


def test_dataset_that_was_invalid_is_invalid_again(client: Client, hold: Hold) -> None:
    template_id = create_template(client, n="Integer")
    before = create_dataset(client, ("a.csv", b"n\n1\nx\n"), template_id=template_id)
    assert before["state"] == "invalid"
    held = hold()
    job = client.post(f"/dataset/{before['id']}/validate").json()
    held.wait_until_reached()
    cancel(client, job["job_id"])
    held.release()
    assert_as_before(client, before, files_of(client, before["id"]))


def test_failed_validation_keeps_the_change(platform: Platform, client: Client, hold: Hold) -> None:
    before = create_dataset(client, *TWO_FILES)
    files = files_of(client, before["id"])
    gone = client.request("DELETE", f"/files/delete/{files[0]['id']}").json()
    wait_for_job(client, gone["job_id"])
    wait_until_gone(platform, files[0])
    held = hold()
    job = client.post(f"/dataset/{before['id']}/validate").json()
    held.wait_until_reached()
    cancel(client, job["job_id"])
    held.release()
    now = get_dataset(client, before["id"])
    assert (now["state"], now["file_count"], now["version"]) == ("valid", 1, 2)


def test_restored_dataset_can_be_trained_on(client: Client, hold: Hold) -> None:
    dataset_id = small_dataset(client)
    held = hold()
    added = add(client, dataset_id, ("more.csv", b"id,age,colour,price,bought\nZ,20,red,1.5,yes\n")).json()
    held.wait_until_reached()
    assert refusal(train(client, dataset_id)) == (409, "dataset_not_validated")
    cancel(client, added["job_id"])
    held.release()
    job = train(client, dataset_id).json()["job_id"]
    assert wait_for_job(client, job)["state"] == "succeeded"


@pytest.mark.parametrize("on_error", ["quarantine", "reject"])
def test_new_dataset_has_nothing_to_go_back_to(platform: Platform, client: Client, hold: Hold, on_error: str) -> None:
    made = create_dataset(client, *TWO_FILES, on_error=on_error)
    (row,) = execute_sql(platform.settings, "SELECT settled FROM dataset WHERE id = ?", made["id"])
    assert row == (None,)
