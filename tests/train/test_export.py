"""The export of a predictor over HTTP."""

import io
import json
import zipfile
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.train.training import row_of, small_dataset, train, trained


@pytest.fixture(scope="module")
def training(client: Client) -> dict[str, Any]:
    return trained(client, small_dataset(client), predictor_name="taken.along")


def test_export_is_a_zip_file_named_after_the_version(client: Client, training: dict[str, Any]) -> None:
    answer = client.get(f"/train/{training['id']}/export")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="taken.along-v1.zip"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert {"scorer.py", "README.md", "mlflow/MLmodel", *manifest["files"]} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if name.startswith("/") or ".." in name]
    assert manifest["target"] == "bought"


def test_export_is_audited(client: Client, analyst: Client, training: dict[str, Any]) -> None:
    size = len(analyst.get(f"/train/{training['id']}/export").content)
    query = {"subject": f"training:{training['id']}", "action": "training.export", "limit": 1}
    (event,) = client.get("/audit/list", params=query).json()["data"]
    assert (event["username"], event["outcome"], event["detail"]) == ("analyst", "success", {"size_bytes": size})


def test_export_leaves_nothing_in_storage(platform: Platform, client: Client, training: dict[str, Any]) -> None:
    before = sorted(platform.settings.root.rglob("*"))
    client.get(f"/train/{training['id']}/export")
    assert sorted(platform.settings.root.rglob("*")) == before


def test_unfinished_model_is_not_exported(client: Client) -> None:
    row = train(client, small_dataset(client)).json()
    client.post("/ray/terminate_ray_job", params={"ray_job_id": row["job_id"], "usage": "training"})
    if wait_for_job(client, row["job_id"])["state"] == "cancelled":
        assert row_of(client, row["id"])["train_status"] == "cancelled"
        answer = client.get(f"/train/{row['id']}/export")
        assert (answer.status_code, answer.json()["code"]) == (409, "model_not_ready")


def test_damaged_model_is_not_exported(platform: Platform, client: Client) -> None:
    row = trained(client, small_dataset(client), predictor_name="damaged")
    newest = max((platform.settings.storage_root / "jobs").glob("*/bundle"), key=lambda path: path.stat().st_ctime)
    (newest / "contract.json").write_bytes(b"{}")
    answer = client.get(f"/train/{row['id']}/export")
    assert (answer.status_code, answer.json()["code"]) == (503, "bundle_damaged")
    query = {"subject": f"training:{row['id']}", "action": "training.export"}
    assert client.get("/audit/list", params=query).json()["data"] == []
