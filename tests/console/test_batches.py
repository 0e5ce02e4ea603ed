"""Batches of a model: the form, the list, and the result of one."""

import re
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.console.browser import Browser, signed_in
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset
from tests.train.training import small_csv, small_dataset


@pytest.fixture(scope="module")
def to_score(client: Client) -> int:
    """A dataset for prediction, whose name and one of whose values are HTML."""
    content = small_csv(20, target=False).replace(b"A0,", b"<i>A0</i>,", 1).replace(b"A1,", b"A1,old", 1)
    return create_dataset(client, ("new.csv", content), usage="p", name="<b>new")["id"]


def started(browser: Browser, model: dict[str, Any], **form: Any) -> str:
    """Start a batch and return the path of its page."""
    answer = browser.send(f"/predictors/{model['id']}/batches", **form)
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    assert re.fullmatch(rf"/predictors/{model['id']}/batches/\d+", path)
    return path


def result_of(client: Client, path: str) -> dict[str, Any]:
    """Return the answer of `GET /inference/result` once the batch has ended."""
    params = {"prediction_id": path.rsplit("/", 1)[1]}
    wait_for_job(client, client.get("/inference/result", params=params).json()["job_id"])
    return client.get("/inference/result", params=params).json()


def test_batch_is_started_followed_and_shown_with_reasons(
    client: Client, admin: Browser, model: dict[str, Any], to_score: int
) -> None:
    path = started(admin, model, dataset_id=to_score, explain="1", threshold="0.3")
    result = result_of(client, path)
    assert (result["status"], result["no_of_records"], result["failed_records"], result["threshold"]) == (
        "completed",
        20,
        1,
        0.3,
    )
    page = admin.get(path).text
    assert f"/console/api/files/download?file_id={result['file_id']}" in page
    assert "&lt;i&gt;A0&lt;/i&gt;" in page
    assert "<i>A0" not in page
    assert re.search(r'<span class="reason">(age|colour|price) -?\d', page)
    assert "explanation_1_feature" not in page
    assert "data-live" not in page
    listed = admin.get(f"/predictors/{model['id']}/batches").text
    assert f'href="{path}"' in listed
    assert "&lt;b&gt;new (20 rows)" in listed
    link = re.search(r'href="(/console/api/inference/result/download[^"]+)"', page)
    assert link is not None
    assert admin.get(link[1].replace("&amp;", "&")).content[:4] == b"PAR1"
    download = admin.get(f"/console/api/files/download?file_id={result['file_id']}")
    assert download.text.count("\n") == 21


def test_list_has_batches_only(client: Client, admin: Browser, model: dict[str, Any], to_score: int) -> None:
    path = started(admin, model, dataset_id=to_score)
    result_of(client, path)
    features = {"age": 70, "colour": "red", "price": 10}
    client.post("/inference", json={"train_id": model["id"], "features": features})
    params = {"train_id": model["id"], "prediction_type": "batch"}
    rows = client.get("/inference/predictions", params=params).json()
    assert {row["prediction_type"] for row in rows["data"]} == {"batch"}
    page = admin.get(f"/predictors/{model['id']}/batches").text
    ids = re.findall(rf'href="/predictors/{model["id"]}/batches/(\d+)"', page)
    assert ids == [str(row["prediction_id"]) for row in rows["data"]]
    assert "Nothing matches." in admin.get(f"/predictors/{model['id']}/batches?status=failed").text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "dataset"),
        ({"dataset_id": "x"}, "dataset_id"),
        ({"dataset_id": "999999"}, "dataset"),
        ({"dataset_id": "{to_score}", "threshold": "2"}, "threshold"),
        ({"dataset_id": "{to_score}", "result_table": "bad name!"}, "lake table"),
    ],
    ids=str,
)
def test_refusal_is_said_and_what_was_typed_stays(
    admin: Browser, model: dict[str, Any], to_score: int, form: dict[str, str], said: str
) -> None:
    filled = {name: value.format(to_score=to_score) for name, value in form.items()}
    answer = admin.send(f"/predictors/{model['id']}/batches", **filled)
    assert answer.status_code in (404, 422)
    alert = re.search(r'role="alert">(.*?)</div>', answer.text, re.S)
    assert alert is not None
    assert said in alert[1]
    if "dataset_id" in filled and filled["dataset_id"] == str(to_score):
        assert f'value="{to_score}" selected' in answer.text
    for name in filled.keys() - {"dataset_id"}:
        assert re.search(rf'name="{name}"[^>]*value="{filled[name]}"', answer.text)


def test_dataset_of_a_training_is_refused(client: Client, admin: Browser, model: dict[str, Any]) -> None:
    answer = admin.send(f"/predictors/{model['id']}/batches", dataset_id=small_dataset(client))
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text


def test_result_is_deleted_and_its_entry_stays(
    client: Client, admin: Browser, model: dict[str, Any], to_score: int
) -> None:
    path = started(admin, model, dataset_id=to_score)
    file_id = result_of(client, path)["file_id"]
    assert admin.send(f"{path}/delete").status_code == 303
    assert client.get("/files/get_file_by_id", params={"file_id": file_id}).status_code == 404
    assert admin.get(path).status_code == 200
    assert admin.send(f"{path}/delete").status_code == 404


def test_running_batch_is_cancelled(
    platform: Platform, client: Client, admin: Browser, model: dict[str, Any], to_score: int
) -> None:
    path = started(admin, model, dataset_id=to_score)
    job_id = result_of(client, path)["job_id"]
    # No worker takes it, for its row says that another one runs it.
    running = "UPDATE job SET state = 'running', finished_at = NULL WHERE id = ?"
    execute_sql(platform.settings, running, job_id.rpartition("-")[2])
    answer = admin.send(f"{path}/cancel")
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, path)
    assert client.get(f"/jobs/{job_id}").json()["state"] == "cancelled"


def test_batch_of_another_model_or_tenant_is_absent(
    client: Client, anonymous: Client, admin: Browser, model: dict[str, Any], to_score: int
) -> None:
    path = started(admin, model, dataset_id=to_score)
    result_of(client, path)
    stranger = signed_in(anonymous, "stranger")
    assert stranger.get(path).status_code == 404
    assert stranger.send(f"/predictors/{model['id']}/batches", dataset_id=to_score).status_code == 404
    for change in ("cancel", "delete"):
        assert stranger.send(f"{path}/{change}").status_code == 404
    assert admin.get(f"/predictors/{model['id']}/batches/999999").status_code == 404


def test_analyst_scores_and_deletes_nothing(
    client: Client, anonymous: Client, model: dict[str, Any], to_score: int
) -> None:
    analyst = signed_in(anonymous, "analyst")
    path = started(analyst, model, dataset_id=to_score)
    result_of(client, path)
    page = analyst.get(path).text
    assert "Delete the result" not in page
    assert "data-file" not in analyst.get(f"/predictors/{model['id']}/batches").text
    assert analyst.send(f"{path}/delete").status_code == 403
