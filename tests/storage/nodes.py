"""Nodes of one platform that share an object store, and a check that any of them can do everything."""

import csv
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataml.access.tokens import TokenKeys
from dataml.app import Services, create_app
from dataml.db.session import Database
from dataml.runner.result_handlers import RESULT_HANDLERS
from dataml.serving.model_runner import NoLog
from dataml.settings import load_settings
from dataml.storage.storage import Storage
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.dataset.datasets import create_dataset, new_name
from tests.fakes import InProcessInferenceClient
from tests.train.training import small_csv, trained

ROW = {"age": 64, "colour": "red", "price": 12.5}
BAD_CELL = b"A1000,old,red,1.5,yes\n"


class NullNotifier:
    """A notifier that reaches no supervisor: the one on the other node polls."""

    async def notify(self) -> None:
        return


@contextmanager
def run_node(platform: Platform, home: Path) -> Iterator[Client]:
    """Run another node with an empty disk, which shares database, key and store, and yield its administrator."""
    settings = load_settings(
        home=home, database_url=platform.settings.sqlalchemy_url, storage_url=platform.settings.storage_url
    )
    shutil.copy(platform.settings.key_file, settings.key_file)
    database = Database(settings)
    inference_client = InProcessInferenceClient(Storage.from_settings(settings), NoLog())
    keys = TokenKeys.load(settings.key_file)
    app = create_app(Services(settings, database, keys, NullNotifier(), inference_client, RESULT_HANDLERS))
    yield Client(app, platform.client.portal, platform.client.headers)
    platform.client.portal.call(database.close)


def wipe_disk(platform: Platform) -> None:
    """Empty the disk of the node where jobs run."""
    shutil.rmtree(platform.settings.storage_root)


def download(client: Client, name: str) -> bytes:
    answer = client.get("/files/download", params={"file_path": name})
    assert answer.status_code == 200, answer.text
    return answer.content


def predict(client: Client, model: dict[str, Any]) -> Any:
    body = {"train_id": model["id"], "preprocess_id": model["preprocess_id"], "target": "bought", "features": ROW}
    answer = client.post("/inference/", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["probabilities"]


def check_node_with_empty_disk(platform: Platform, home: Path, stored: Callable[[], set[str]]) -> None:
    """Upload, validate and train; then, with nothing on any disk, do all that reads a file; then delete.

    `stored` returns the names in the store.
    """
    client = platform.client
    before, content = stored(), small_csv() + BAD_CELL
    template = _template(client)
    rows = create_dataset(client, ("small.csv", content), template_id=template)
    assert rows["state"] == "valid", rows
    model = trained(client, rows["id"])
    predicted = predict(client, model)
    wipe_disk(platform)
    with run_node(platform, home) as other:
        assert predict(other, model) == predicted
        _files_are_read(other, rows["id"], content)
        _the_model_is_looked_at(other, model["id"])
        _jobs_run(platform, other, rows["id"], model["id"])
        _is_removed(other, before, stored, [model["id"]])


def _template(client: Client) -> int:
    schema = [
        {"column_name": name, "data_type": kind}
        for name, kind in (("id", "String"), ("age", "Integer"), ("colour", "String"), ("price", "Float"))
    ]
    schema.append({"column_name": "bought", "data_type": "String"})
    answer = client.post("/template/", json={"template_name": new_name("template"), "template_schema": schema})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def _files_are_read(client: Client, dataset_id: int, content: bytes) -> None:
    about = {"dataset_id": dataset_id}
    file = client.get("/files/list", params=about).json()["data"][0]
    whole = client.get("/files/get_file_by_id", params={"file_id": file["id"]}).json()
    assert download(client, whole["file_path"]) == content
    assert download(client, whole["hdf_file_path"]).startswith(b"\x89HDF")
    parquet = client.get("/dataset/get_dataset_by_id", params=about).json()["validated_path"]
    assert download(client, parquet).startswith(b"PAR1")
    assert client.get("/files/view", params={"file_id": file["id"]}).json()["content_preview"][0].startswith("id,age")
    assert len(client.get("/dataset/view", params=about).json()["preview"]) == 100
    quarantined = client.get("/dataset/view", params=about | {"rows": "set_aside"}).json()["preview"]
    assert [row["age"] for row in quarantined] == ["old"]
    errors = client.get("/dataset/error-report", params=about | {"format": "csv"}).text
    assert errors.splitlines()[1].startswith("small.csv,301,age,old")


def _the_model_is_looked_at(client: Client, train_id: int) -> None:
    assert client.get(f"/train/{train_id}/report").json()["report"]
    exported = client.get(f"/train/{train_id}/export")
    assert any(name.endswith("scorer.py") for name in zipfile.ZipFile(io.BytesIO(exported.content)).namelist())


def _jobs_run(platform: Platform, client: Client, dataset_id: int, train_id: int) -> None:
    """Run jobs, each on a disk that has no file of the ones before."""
    job = client.post("/train/generate-feature-importance", params={"train_id": train_id}).json()["shap_job_id"]
    assert wait_for_job(client, job)["state"] == "succeeded"
    assert client.get(f"/train/{train_id}/explanation/beeswarm.png").content.startswith(b"\x89PNG")
    wipe_disk(platform)
    job = client.post("/dataset/generate_statistics", params={"dataset_id": dataset_id}).json()["job_id"]
    assert wait_for_job(client, job)["state"] == "succeeded"
    wipe_disk(platform)
    scored = create_dataset(client, ("rows.csv", small_csv(target=False)), usage="p")
    started = client.post("/inference/batchPrediction", json={"train_id": train_id, "dataset_id": scored["id"]}).json()
    assert wait_for_job(client, started["job_id"])["state"] == "succeeded"
    result = client.get("/inference/result", params={"prediction_id": started["prediction_id"]}).json()
    lines = list(csv.DictReader(io.StringIO(download(client, result["result_path"]).decode())))
    assert [line["id"] for line in lines] == [f"A{number}" for number in range(300)]


def _is_removed(client: Client, before: set[str], stored: Callable[[], set[str]], models: list[int]) -> None:
    assert stored() > before
    for train_id in models:
        assert client.request("DELETE", f"/train/delete/{train_id}").status_code == 200
    for row in client.get("/dataset/list", params={"limit": 1000}).json()["data"]:
        answer = client.request("DELETE", f"/dataset/delete/{row['id']}")
        assert answer.status_code == 200, answer.text
    # The logs of jobs go after some days.
    assert {name for name in stored() if not name.startswith("logs/")} == set()
