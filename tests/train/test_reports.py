"""The report of a model: its JSON, its HTML page, and the errors when there is none."""

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dataml.train import reports
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.ml.pages import Page
from tests.train.training import small_dataset, train, trained


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def model(client: Client, dataset_id: int) -> dict[str, Any]:
    return trained(client, dataset_id, predictor_name="shop.v1", algorithm="LightGBM")


@pytest.fixture(scope="module")
def price(client: Client, dataset_id: int) -> dict[str, Any]:
    columns = [{"column_name": "price", "attribute_name": "Target"}, {"column_name": "id", "attribute_name": "Id"}]
    return trained(client, dataset_id, problem_type="Regression", columns=columns, algorithm="LightGBM")


def find_bundle(platform: Platform, row: dict[str, Any]) -> Path:
    """Return the folder of a model's files."""
    folders = [path.parent for path in platform.settings.storage_root.glob("jobs/*/bundle/manifest.json")]
    job = row["job_id"].rpartition("-")[2]
    (folder,) = [folder for folder in folders if folder.parent.name.split(".")[0] == job]
    return folder


def test_the_report_has_the_manifest_and_the_evaluation(client: Client, model: dict[str, Any]) -> None:
    answer = client.get(f"/train/{model['id']}/report")
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["train_id"], body["predictor_name"], body["version"]) == (model["id"], "shop.v1", 1)
    assert body["summary"]["metrics"].keys() == body["report"]["confidence"].keys()
    assert body["report"]["rows"] == body["summary"]["rows"]["test"]
    assert set(body["report"]["per_class"]) <= {"false", "true"}
    assert {"confusion_matrix", "calibration_curve", "thresholds"} <= body["report"]["charts"].keys()
    assert "files" not in body["summary"]
    assert body["feature_importance"] == {}


def test_the_page_is_a_file_to_download(client: Client, model: dict[str, Any]) -> None:
    answer = client.get(f"/train/{model['id']}/report", params={"format": "html"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="shop.v1-v1-report.html"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = Page(answer.text)
    accuracy = client.get(f"/train/{model['id']}/report").json()["summary"]["accuracy"]
    assert {"shop.v1", "LightGBMClassifier", "admin", f"{accuracy:.4g}"} <= set(page.texts)
    assert page.count("svg") >= 4


def test_a_regression_has_a_page_too(client: Client, price: dict[str, Any]) -> None:
    body = client.get(f"/train/{price['id']}/report").json()
    assert {"rmse", "mae", "r2"} <= body["report"]["confidence"].keys()
    page = Page(client.get(f"/train/{price['id']}/report?format=html").text)
    assert "R²" in page.texts
    assert page.count("svg") >= 2


def test_the_page_has_the_feature_importance_once_it_was_computed(client: Client, price: dict[str, Any]) -> None:
    job = client.post("/train/generate-feature-importance", params={"train_id": price["id"]}).json()["shap_job_id"]
    wait_for_job(client, job)
    body = client.get(f"/train/{price['id']}/report").json()
    view = client.get("/train/view-feature-importance", params={"train_id": price["id"]}).json()
    assert list(body["feature_importance"].items()) == list(view["feature_importance"].items())
    page = Page(client.get(f"/train/{price['id']}/report?format=html").text)
    assert {"Feature importance", "age", "colour"} <= set(page.texts)


def test_a_model_without_a_report_has_a_page_of_its_manifest(
    client: Client, platform: Platform, dataset_id: int
) -> None:
    row = trained(client, dataset_id, algorithm="LightGBM")
    folder = find_bundle(platform, row)
    (folder / "report.json").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["report.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    body = client.get(f"/train/{row['id']}/report").json()
    assert body["report"] == {}
    assert body["summary"]["accuracy"] == row["accuracy"]
    page = Page(client.get(f"/train/{row['id']}/report?format=html").text)
    assert {"Metrics", "Training details", row["predictor_name"]} <= set(page.texts)


@pytest.mark.parametrize("damaged", ["manifest.json", "report.json"])
@pytest.mark.parametrize("report_format", ["json", "html"])
def test_a_damaged_bundle_is_503(
    client: Client, platform: Platform, model: dict[str, Any], damaged: str, report_format: str
) -> None:
    path = find_bundle(platform, model) / damaged
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b" ")
    try:
        answer = client.get(f"/train/{model['id']}/report", params={"format": report_format})
    finally:
        path.write_bytes(content)
    assert (answer.status_code, answer.json()["code"]) == (503, "bundle_damaged")


@pytest.mark.parametrize("report_format", ["json", "html"])
def test_a_training_that_has_not_completed_has_no_report(client: Client, dataset_id: int, report_format: str) -> None:
    row = train(client, dataset_id).json()
    client.post("/ray/terminate_ray_job", params={"ray_job_id": row["job_id"], "usage": "training"})
    answer = client.get(f"/train/{row['id']}/report", params={"format": report_format})
    if wait_for_job(client, row["job_id"])["state"] == "cancelled":
        assert (answer.status_code, answer.json()["code"]) == (409, "model_not_ready")


def test_the_report_of_another_tenant_is_not_found(client: Client, stranger: Client, model: dict[str, Any]) -> None:
    for answer in (stranger.get(f"/train/{model['id']}/report"), client.get("/train/999999/report?format=html")):
        assert (answer.status_code, answer.json()["code"]) == (404, "training_not_found")


def test_an_unknown_format_is_refused(client: Client, model: dict[str, Any]) -> None:
    answer = client.get(f"/train/{model['id']}/report", params={"format": "pdf"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_page_that_is_not_drawn_in_time_is_503(
    client: Client, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_TIMEOUT_S", 0.01)
    answer = client.get(f"/train/{model['id']}/report?format=html")
    assert (answer.status_code, answer.json()["code"]) == (503, "report_not_drawn")


def test_a_page_that_cannot_be_drawn_is_503_and_the_log_has_the_cause(
    client: Client, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reports, "_PAGE_MODULE", "dataml.ml.nothing")
    answer = client.get(f"/train/{model['id']}/report?format=html")
    assert (answer.status_code, answer.json()["code"]) == (503, "report_not_drawn")
    assert "dataml.ml.nothing" in caplog.text
    assert "dataml.ml" not in answer.text


def test_too_many_waiting_pages_are_refused(
    client: Client, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_limiter", dataclasses.replace(reports._limiter, max_waiting=0))
    answer = client.get(f"/train/{model['id']}/report?format=html")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_reports")
    assert answer.headers["retry-after"] == "10"


def test_the_page_process_does_not_get_the_platforms_secrets(
    client: Client, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAML_ADMIN_PASSWORD", "a password for tests")
    environment: dict[str, Any] = {}
    run = subprocess.run

    def watched(*args: Any, **options: Any) -> Any:
        environment.update(options["env"])
        return run(*args, **options)

    monkeypatch.setattr(reports.subprocess, "run", watched)
    assert client.get(f"/train/{model['id']}/report?format=html").status_code == 200
    assert environment
    assert not [name for name in environment if name.startswith(("DATAML_", "RAY_"))]
