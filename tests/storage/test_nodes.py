"""A platform whose files live in an object store, here another folder; `tests/services/test_s3.py` does it on S3."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform
from tests.database import execute_sql
from tests.datalake.lake import call_lake as ask_lake
from tests.datalake.lake import new_table_name
from tests.dataset.datasets import create_dataset, list_remains, upload
from tests.fakes import SupervisorThread
from tests.storage.nodes import ROW, check_node_with_empty_disk
from tests.storage.stores import away
from tests.train.training import row_of, small_csv, train, trained

DAY_S = 24 * 3600.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "files"


@pytest.fixture(scope="module")
def settings(new_home: NewHome, store: Path) -> Settings:
    return new_home(storage_url=f"file://{store}", storage_timeout_s=0)


def files(store: Path) -> set[str]:
    return {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}


def test_node_with_an_empty_disk_does_all_that_the_first_one_does(
    platform: Platform, store: Path, tmp_path: Path
) -> None:
    check_node_with_empty_disk(platform, tmp_path, lambda: files(store))


def test_upload_that_cannot_be_stored_leaves_nothing(platform: Platform, store: Path) -> None:
    before = list_remains(platform)
    with away(store):
        answer = upload(platform.client, ("small.csv", small_csv()))
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert list_remains(platform) == before


def test_rows_whose_result_cannot_be_stored_are_not_in_the_lake(platform: Platform, store: Path) -> None:
    client, table = platform.client, new_table_name("scores")
    model = trained(client, create_dataset(client, ("small.csv", small_csv()))["id"], predictor_name="to-the-lake")
    scored = create_dataset(client, ("rows.csv", small_csv(target=False)), usage="p")
    request = {"train_id": model["id"], "dataset_id": scored["id"], "result_table": table}
    with away(store):
        batch = client.post("/inference/batch-prediction", json=request).json()
        assert wait_for_job(client, batch["job_id"])["error"]["code"] == "storage_unavailable"
    assert ask_lake(client, "table_metadata", schema="gold", table=table) == (404, "table_not_found")
    batch = client.post("/inference/batch-prediction", json=request).json()
    assert wait_for_job(client, batch["job_id"])["state"] == "succeeded"
    assert ask_lake(client, "table_metadata", schema="gold", table=table)["row_count"] == 300
    assert not any(name.endswith("predictions.parquet") for name in files(store))


def test_job_whose_result_cannot_be_stored_fails(platform: Platform, store: Path) -> None:
    dataset = create_dataset(platform.client, ("small.csv", small_csv()))
    before = files(store)
    with away(store):
        answer = train(platform.client, dataset["id"])
        job = wait_for_job(platform.client, answer.json()["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "storage_unavailable")
    assert row_of(platform.client, answer.json()["id"])["algorithm"] is None
    assert files(store) == before
    assert not (platform.settings.storage_root / "jobs" / f"{job['job_id'].rpartition('-')[2]}.1").exists()


def test_model_whose_bundle_the_store_has_lost_is_damaged_not_absent(platform: Platform, store: Path) -> None:
    client = platform.client
    model = trained(client, create_dataset(client, ("small.csv", small_csv()))["id"])
    number = model["job_id"].rpartition("-")[2]
    for root in (store, platform.settings.storage_root):
        shutil.rmtree(root / "jobs" / f"{number}.1")
    body = {"train_id": model["id"], "preprocess_id": model["preprocess_id"], "target": "bought", "features": ROW}
    answer = client.post("/inference/", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "bundle_damaged")


def test_orphans_are_removed_from_the_store(platform: Platform, store: Path) -> None:
    create_dataset(platform.client, ("small.csv", small_csv()))
    needed = files(store)
    for name in ("files/t/old/1.csv", "files/t/new/1.csv", "jobs/99999.1/data.parquet"):
        path = store / name
        path.parent.mkdir(parents=True)
        path.write_text("left")
    written_at = time.time() - 2 * DAY_S
    os.utime(store / "files/t/old/1.csv", (written_at, written_at))
    SupervisorThread(platform.settings).stop()
    assert files(store) == needed | {"files/t/new/1.csv"}
    shutil.rmtree(store / "files" / "t")


def reopen_training(platform: Platform, client: Client, model: dict[str, Any]) -> dict[str, Any]:
    """Let a training run again, and return what an outside worker gets for it."""
    number = int(model["job_id"].rpartition("-")[2])
    cleared = "status = 'submitted_to_ray', bundle = NULL, summary = NULL, metrics = NULL, algorithm = NULL"
    execute_sql(platform.settings, f"UPDATE training SET {cleared} WHERE id = ?", model["id"])
    execute_sql(
        platform.settings, "UPDATE job SET state = 'running', attempt = 2, finished_at = NULL WHERE id = ?", number
    )
    return client.post(f"/jobs/{model['job_id']}/callback-token").json()


def test_outside_worker_hands_its_bundle_over_in_the_store(platform: Platform, store: Path, tmp_path: Path) -> None:
    client = platform.client
    model = trained(client, create_dataset(client, ("small.csv", small_csv()))["id"], algorithm="LightGBM")
    number = int(model["job_id"].rpartition("-")[2])
    # The folder of an attempt that another one has taken over may be removed at any time.
    shutil.copytree(store / f"jobs/{number}.1/bundle", tmp_path / "bundle")
    grant = reopen_training(platform, client, model)
    shutil.copytree(tmp_path / "bundle", store / grant["directory"] / "bundle")
    # A worker of the platform runs, too, and has written half of its own bundle.
    half = platform.settings.storage_root / grant["directory"] / "bundle"
    half.mkdir(parents=True)
    (half / "manifest.json").write_text("{")
    reporter = Client(client.app, client.portal, {"Authorization": f"Bearer {grant['token']}"})
    result = {"metrics": {}, "checkpoint": None, "error": None, "path": None}
    answer = reporter.post("/train/result", json={"result": result, "train_id": model["id"]})
    assert answer.status_code == 200, answer.text
    (adopted,) = (store / grant["directory"]).glob("reported-*")
    assert {path.name for path in adopted.iterdir()} == {
        path.name for path in (store / grant["directory"] / "bundle").iterdir()
    }
    assert row_of(client, model["id"])["algorithm"] == "LightGBM"
