"""A supervisor that starts removes the folders that no row refers to, and never one that a row refers to."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from dataml.dataset import service as datasets
from dataml.db.scope import Scope
from dataml.db.session import Database
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.dataset.datasets import create_dataset, create_template, get_dataset
from tests.fakes import SupervisorThread
from tests.sample_tenant import customers_csv, training_request

HOUR_S = 3600.0


def list_folders(platform: Platform) -> set[str]:
    """Return the storage names of all folders of uploads and attempts."""
    root = platform.settings.storage_root
    return {path.relative_to(root).as_posix() for path in (*root.glob("files/*/*"), *root.glob("jobs/*"))}


def collect(platform: Platform, hours: float) -> set[str]:
    """Return what the next supervisor removes when all folders were written that long ago."""
    before = list_folders(platform)
    for name in before:
        os.utime(platform.settings.storage_root / name, (time.time() - hours * HOUR_S,) * 2, follow_symlinks=False)
    SupervisorThread(platform.settings).stop()
    return before - list_folders(platform)


def add_orphan(platform: Platform, name: str) -> Path:
    """Write a folder with a file in it that no row refers to."""
    folder = platform.settings.storage_root / name
    folder.mkdir(parents=True)
    (folder / "left").write_bytes(b"n\n1\n")
    return folder


def delete_and_crash(platform: Platform, dataset_id: int) -> None:
    """Delete a dataset in a process that dies before it removes the folders."""
    tenant_id = platform.client.post("/login/test-token").json()["tenant_id"]

    async def die() -> None:
        database = Database(platform.settings)
        async with database.transaction() as session:
            dataset, cancelled = await datasets.hold_to_delete(session, Scope(tenant_id, "admin"), dataset_id)
            await datasets.delete(session, Scope(tenant_id, "admin"), dataset, cancelled)
        await database.close()

    platform.client.portal.call(die)


def add(client: Client, dataset_id: int, content: bytes) -> None:
    answer = client.post("/files/add", params={"dataset_id": dataset_id}, files=[("files", ("more.csv", content))])
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"


@pytest.mark.parametrize("name", ["files/tenant/cut-off", "jobs/999.1"])
def test_uncommitted_folders_are_removed(platform: Platform, name: str) -> None:
    folder = add_orphan(platform, name)
    assert collect(platform, hours=25) == {name}
    assert not folder.exists()


def test_an_upload_that_may_still_run_is_kept(platform: Platform) -> None:
    add_orphan(platform, "files/tenant/under-way")
    assert collect(platform, hours=23) == set()
    assert collect(platform, hours=25) == {"files/tenant/under-way"}


def test_folders_of_a_dataset_deleted_just_before_a_crash_are_removed_after_a_day(platform: Platform) -> None:
    before = list_folders(platform)
    made = create_dataset(platform.client, ("a.csv", b"n\n1\n2\n"))
    add(platform.client, made["id"], b"n\n3\n")
    left = list_folders(platform) - before
    assert len(left) == 4, "two uploads and two validations"
    delete_and_crash(platform, made["id"])
    assert collect(platform, hours=23) == set()
    assert collect(platform, hours=25) == left


def test_an_unreferenced_version_of_a_dataset_is_removed(platform: Platform) -> None:
    made = create_dataset(platform.client, ("a.csv", b"n\n1\n2\n"))
    (first,) = [
        name for name in list_folders(platform) if name == f"jobs/{made['job_id'].removeprefix('validate-job-')}.1"
    ]
    add(platform.client, made["id"], b"n\n3\n")
    assert collect(platform, hours=25) == {first}
    assert get_dataset(platform.client, made["id"])["kept_records"] == 3


def test_referenced_folders_are_kept_at_any_age(platform: Platform, client: Client) -> None:
    """Uploads, kept rows, errors, quarantined rows, a bundle, an explanation, the result of a batch."""
    template = create_template(client, id="Integer", age="Integer", plan="String", left="Boolean")
    made = create_dataset(client, ("customers.csv", customers_csv() + b"\nx,1,basic,true\n"), template_id=template)
    training = client.post("/train/", json=training_request(made["id"], "kept")).json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    add(client, made["id"], customers_csv(50))
    to_score = create_dataset(client, ("customers.csv", customers_csv(20)), usage="p")
    body = {"train_id": training["id"], "dataset_id": to_score["id"]}
    batch = client.post("/inference/batchPrediction", json=body).json()
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    explained = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()
    assert wait_for_job(client, explained["shap_job_id"])["state"] == "succeeded"

    assert collect(platform, hours=1000) == set()

    assert len(page(client, made["id"], "kept")) == 250
    assert [row["id"] for row in page(client, made["id"], "set_aside")] == ["x"]
    report = client.get("/dataset/error-report", params={"dataset_id": made["id"], "format": "csv"})
    assert len(report.text.splitlines()) == 2
    result = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
    assert client.get("/files/download", params={"file_id": result["file_id"]}).status_code == 200
    assert client.get(f"/train/{training['id']}/explanation").status_code == 200
    again = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()
    assert wait_for_job(client, again["shap_job_id"])["state"] == "succeeded"
    # The explanation that the newer one replaces is removed.
    number = explained["shap_job_id"].rpartition("-")[2]
    assert collect(platform, hours=1000) == {f"jobs/{number}.1"}
    assert client.get(f"/train/{training['id']}/explanation").status_code == 200


def test_a_symlink_is_not_followed(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"x")
    link = platform.settings.storage_root / "jobs" / "998.1"
    link.symlink_to(tmp_path)
    assert collect(platform, hours=25) == set()
    assert (tmp_path / "kept").exists()


def page(client: Client, dataset_id: int, rows: str) -> list[dict[str, Any]]:
    query = {"dataset_id": dataset_id, "rows": rows, "limit": 1000}
    return client.get("/dataset/view", params=query).json()["preview"]
