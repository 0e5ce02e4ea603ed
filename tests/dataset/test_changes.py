"""Files can be added to and deleted from datasets, and datasets can be deleted."""

import time
from typing import Any

import pytest
from httpx import Response

from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset, create_template, get_dataset, list_upload_folders, upload
from tests.sample_tenant import customers_csv, training_request
from tests.test_every_route import refusal

QUOTA_BYTES = 2_000_000


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(tenant_quota_bytes=QUOTA_BYTES)


def add(client: Client, dataset_id: int, *files: tuple[str, bytes]) -> Response:
    return client.post("/files/add", params={"dataset_id": dataset_id}, files=[("files", file) for file in files])


def add_and_validate(client: Client, dataset_id: int, *files: tuple[str, bytes]) -> dict[str, Any]:
    answer = add(client, dataset_id, *files)
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    return get_dataset(client, dataset_id)


def list_files(client: Client, dataset_id: int) -> list[dict[str, Any]]:
    return client.get("/files/list", params={"dataset_id": dataset_id}).json()["data"]


def view_rows(client: Client, dataset_id: int, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/dataset/view", params={"dataset_id": dataset_id} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["preview"]


def test_an_added_file_is_validated_with_the_others(client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"n,word\n1,x\n2,y\n"))
    assert made["version"] == 1
    answer = add(client, made["id"], ("b.csv", b"word;n\nz;3\n"), ("c.csv", b"n,word\n4,w\n"))
    body = answer.json()
    assert answer.status_code == 201, answer.text
    assert (body["dataset_id"], body["dataset_name"], body["state"]) == (made["id"], made["dataset_name"], "validating")
    assert [row["file_name"] for row in body["files"]] == ["b.csv", "c.csv"]
    wait_for_job(client, body["job_id"])
    now = get_dataset(client, made["id"])
    assert (now["state"], now["version"], now["kept_records"], now["file_count"]) == ("valid", 2, 4, 3)
    assert [row["n"] for row in view_rows(client, made["id"])] == [1, 2, 3, 4]


def test_columns_are_inferred_from_all_files(client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"n\n1\n"))
    now = add_and_validate(client, made["id"], ("b.csv", b"n\n1.5\n"))
    assert now["schema"][0]["data_type"] == "Float"
    assert view_rows(client, made["id"]) == [{"n": 1.0}, {"n": 1.5}]


def test_a_file_with_other_columns_is_refused_and_leaves_nothing(platform: Platform, client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"n,m\n1,2\n"))
    before = list_upload_folders(platform)
    for content, code in ((b"n,k\n1,2\n", "different_columns"), (b"n\n1,2\n", "ragged_row"), (b"", "empty_file")):
        assert refusal(add(client, made["id"], ("b.csv", content))) == (422, code)
    template = create_dataset(client, ("a.csv", b"n\n1\n"), template_id=create_template(client, n="Integer"))
    assert refusal(add(client, template["id"], ("b.csv", b"k\n1\n"))) == (422, "missing_column")
    assert len(list_upload_folders(platform)) == len(before) + 1
    assert get_dataset(client, made["id"]) == made


def test_rows_of_the_last_validation_are_shown_during_the_next(
    client: Client,
) -> None:
    made = create_dataset(client, ("a.csv", b"n\n1\n"))
    answer = add(client, made["id"], ("b.csv", b"n\n" + b"2\n" * 50_000))
    seen = set()
    while (now := get_dataset(client, made["id"]))["state"] == "validating":
        rows = view_rows(client, made["id"])
        seen.add((now["version"], now["kept_records"], len(rows)))
        if now["version"] == 1:
            assert len(rows) in (1, 100)
    assert seen <= {(1, 1, 1), (1, 1, 100)}
    assert (now["version"], now["kept_records"]) == (2, 50_001)
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"


def test_a_training_keeps_its_rows_when_files_are_added(client: Client) -> None:
    made = create_dataset(client, ("customers.csv", customers_csv()))
    training = client.post("/train/", json=training_request(made["id"], "keeps-its-rows")).json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    now = add_and_validate(client, made["id"], ("more.csv", customers_csv(300)))
    assert now["kept_records"] == 500
    started = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()
    assert wait_for_job(client, started["shap_job_id"])["state"] == "succeeded"
    importance = client.get("/train/view-feature-importance", params={"train_id": training["id"]}).json()
    assert importance["total_rows"] == 200
    answer = client.request("DELETE", f"/dataset/delete/{made['id']}")
    assert refusal(answer) == (409, "dataset_in_use")


def wait_until_gone(platform: Platform, file: dict[str, Any]) -> None:
    """Wait until a deleted file is in neither storage nor database: the supervisor removes it after the validation."""
    deadline = time.monotonic() + 60
    count = "SELECT count(*) FROM file WHERE id = ?"
    while (platform.settings.storage_root / file["file_path"]).exists() or execute_sql(
        platform.settings, count, file["id"]
    ) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_rows_of_a_deleted_file_are_removed(platform: Platform, client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"n\n1\n"), ("b.csv", b"n\nx\n3\n4\n5\n6\n"))
    first, second = sorted(list_files(client, made["id"]), key=lambda row: row["id"])
    answer = client.request("DELETE", f"/files/delete/{first['id']}")
    assert answer.json().items() >= {"status_code": 200, "message": "File deleted successfully"}.items()
    assert answer.json()["state"] == "validating"
    wait_for_job(client, answer.json()["job_id"])
    now = get_dataset(client, made["id"])
    assert (now["version"], now["total_records"], now["file_count"]) == (2, 5, 1)
    wait_until_gone(platform, first)
    assert refusal(client.get("/files/view", params={"file_id": first["id"]})) == (404, "file_not_found")
    assert refusal(client.request("DELETE", f"/files/delete/{first['id']}")) == (404, "file_not_found")
    assert refusal(client.request("DELETE", f"/files/delete/{second['id']}")) == (409, "last_file")


def test_the_result_of_a_batch_is_deleted_without_a_validation(client: Client) -> None:
    made = create_dataset(client, ("customers.csv", customers_csv()))
    training = client.post("/train/", json=training_request(made["id"], "scored")).json()
    wait_for_job(client, training["job_id"])
    to_score = create_dataset(client, ("customers.csv", customers_csv(20)), usage="p")
    body = {"train_id": training["id"], "dataset_id": to_score["id"]}
    batch = client.post("/inference/batchPrediction", json=body).json()
    wait_for_job(client, batch["job_id"])
    result = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
    answer = client.request("DELETE", f"/files/delete/{result['file_id']}").json()
    assert (answer["state"], answer["job_id"]) == ("valid", None)
    gone = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
    assert (gone["file_id"], gone["status"]) == (None, "completed")
    assert client.request("DELETE", f"/dataset/delete/{to_score['id']}").status_code == 200
    log = client.get("/inference/predictions", params={"train_id": training["id"]}).json()["data"]
    assert (log[0]["prediction_id"], log[0]["dataset_id"]) == (batch["prediction_id"], None)


def test_a_deleted_dataset_leaves_nothing(platform: Platform, client: Client) -> None:
    before = list_upload_folders(platform), sorted((platform.settings.storage_root / "jobs").iterdir())
    made = create_dataset(client, ("a.csv", b"n\n1\nx\n2\n3\n4\n"), ("b.csv", b"n\n1\n"))
    stats = client.post("/dataset/generate_statistics", params={"dataset_id": made["id"]}).json()
    wait_for_job(client, stats["job_id"])
    answer = client.request("DELETE", f"/dataset/delete/{made['id']}")
    assert answer.json() == {"status_code": 200, "message": "Dataset deleted successfully"}
    assert refusal(client.get("/dataset/view", params={"dataset_id": made["id"]})) == (404, "dataset_not_found")
    assert refusal(client.request("DELETE", f"/dataset/delete/{made['id']}")) == (404, "dataset_not_found")
    assert (list_upload_folders(platform), sorted((platform.settings.storage_root / "jobs").iterdir())) == before
    again = upload(client, ("a.csv", b"n\n1\n"), name=made["dataset_name"])
    assert again.status_code == 201
    wait_for_job(client, again.json()["job_id"])


def test_a_dataset_that_rejects_bad_cells_rejects_added_ones(platform: Platform, client: Client) -> None:
    template_id = create_template(client, n="Integer")
    made = create_dataset(client, ("a.csv", b"n\n1\n"), template_id=template_id, on_error="reject")
    before = list_upload_folders(platform)
    assert refusal(add(client, made["id"], ("b.csv", b"n\nx\n"))) == (422, "bad_cell")
    assert list_upload_folders(platform) == before
    now = get_dataset(client, made["id"])
    assert (now["state"], now["version"], now["file_count"], now["failure"]) == ("valid", 1, 1, None)
    answer = add(client, made["id"], ("b.csv", b"n\n2\n"))
    assert (answer.status_code, answer.json()["state"]) == (201, "valid")


def test_statistics_of_an_earlier_version_are_not_returned(client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"n\n1\n"))
    query = {"dataset_id": made["id"]}
    first = client.post("/dataset/generate_statistics", params=query).json()["job_id"]
    wait_for_job(client, first)
    add_and_validate(client, made["id"], ("b.csv", b"n\n2\n"))
    assert refusal(client.get("/dataset/statistics", params=query)) == (404, "statistics_not_found")
    second = client.post("/dataset/generate_statistics", params=query).json()["job_id"]
    assert second != first
    wait_for_job(client, second)
    assert client.get("/dataset/statistics", params=query).json()["statistics"]["rows"] == 2


def test_an_upload_beyond_the_quota_of_the_tenant_is_refused(
    platform: Platform, client: Client, stranger: Client
) -> None:
    content = b"n\n" + b"1\n" * 400_000
    first = create_dataset(stranger, ("a.csv", content), ("b.csv", b"n\n1\n"))
    before = list_upload_folders(platform)
    for _ in range(2):
        add_and_validate(stranger, first["id"], ("c.csv", b"n\n1\n"))
    assert refusal(add(stranger, first["id"], ("d.csv", content * 2))) == (413, "quota_exceeded")
    assert refusal(upload(stranger, ("d.csv", content * 2))) == (413, "quota_exceeded")
    assert len(list_upload_folders(platform)) == len(before) + 2
    assert upload(client, ("d.csv", content)).status_code == 201
    stranger.request("DELETE", f"/dataset/delete/{first['id']}")
    assert upload(stranger, ("d.csv", content)).status_code == 201


def test_quarantined_rows_can_be_viewed(client: Client) -> None:
    template_id = create_template(client, n="Integer", row="String")
    content = b"n,row\n1,a\nx,b\n3,c\n4,d\n1e9,e\n6,f\n7,g\n8,h\n9,i\n10,j\n"
    made = create_dataset(client, ("a.csv", content), template_id=template_id)
    file_id = list_files(client, made["id"])[0]["id"]
    query = {"dataset_id": made["id"], "rows": "set_aside"}
    answer = client.get("/dataset/view", params=query).json()
    assert answer["total"] == 2
    assert answer["preview"] == [
        {"file_id": file_id, "row": 2, "n": "x", "row_": "b"},
        {"file_id": file_id, "row": 5, "n": "1e9", "row_": "e"},
    ]
    page = client.get("/dataset/view", params=query | {"columns": "row", "offset": 1}).json()["preview"]
    assert page == [{"file_id": file_id, "row": 5, "row_": "e"}]
    clean = create_dataset(client, ("a.csv", b"n\n1\n"))
    assert view_rows(client, clean["id"], rows="set_aside") == []
    assert refusal(client.get("/dataset/view", params=query | {"rows": "all"})) == (422, "invalid_request")


def test_columns_named_like_the_origin_of_a_row_are_renamed(client: Client) -> None:
    names = ["file_id", "file_id_", "row", "row_", "row__"]
    template_id = create_template(client, **dict.fromkeys(names, "Integer"))
    made = create_dataset(client, ("a.csv", f"{','.join(names)}\n1,2,3,4,x\n".encode()), template_id=template_id)
    (row,) = view_rows(client, made["id"], rows="set_aside")
    (file,) = list_files(client, made["id"])
    origin = {"file_id": file["id"], "row": 1}
    assert row == origin | {"file_id_": "1", "file_id__": "2", "row_": "3", "row__": "4", "row___": "x"}
    (part,) = view_rows(client, made["id"], rows="set_aside", columns=["row_"])
    assert part == origin | {"row__": "4"}


def test_cells_that_break_a_constraint_are_reported_by_rule(client: Client) -> None:
    schema = [
        {"column_name": "id", "data_type": "String", "unique": True, "pattern": "[A-Z][0-9]+", "nullable": False},
        {"column_name": "age", "data_type": "Integer", "minimum": 0, "maximum": 120},
        {"column_name": "plan", "data_type": "String", "allowed_values": ["basic", "premium"]},
    ]
    answer = client.post("/template/", json={"template_name": "constraints", "template_schema": schema})
    assert answer.status_code == 201, answer.text
    template = client.get(f"/template/{answer.json()['id']}").json()["template_schema"]
    assert template[0] == schema[0] | {"default_value": None}
    assert template[1] == schema[1] | {"default_value": None, "minimum": "0", "maximum": "120"}
    rows = ["A1,30,basic", "A2,121,basic", "a3,30,basic", ",30,basic", "A5,-1,gold", "A6,,", "A7,0,premium"]
    first = "\n".join(["id,age,plan", *rows, *[f"B{n},30,basic" for n in range(20)]]).encode()
    second = b"id,age,plan\nA1,40,premium\nC1,40,premium\n"
    made = create_dataset(client, ("a.csv", first), ("b.csv", second), template_id=answer.json()["id"])
    report = client.get("/dataset/error-report", params={"dataset_id": made["id"]}).json()
    cells = [(e["file"], e["row"], e["column"], e["rule"]) for file in report["files"] for e in file["first"]]
    assert sorted(cells) == [
        ("a.csv", 2, "age", "above_maximum"),
        ("a.csv", 3, "id", "pattern_mismatch"),
        ("a.csv", 4, "id", "missing_value"),
        ("a.csv", 5, "age", "below_minimum"),
        ("a.csv", 5, "plan", "not_allowed"),
        ("b.csv", 1, "id", "not_unique"),
    ]
    assert made["kept_records"] == made["total_records"] - 5


def test_a_prediction_can_refuse_values_that_training_has_not_seen(client: Client) -> None:
    schema = [
        {"column_name": "id", "data_type": "Integer"},
        {"column_name": "age", "data_type": "Integer", "minimum": 18},
        {"column_name": "plan", "data_type": "String", "unseen": "refuse"},
        {"column_name": "left", "data_type": "Boolean"},
    ]
    template = client.post("/template/", json={"template_name": "unseen", "template_schema": schema}).json()["id"]
    made = create_dataset(client, ("customers.csv", customers_csv()), template_id=template)
    training = client.post("/train/", json=training_request(made["id"], "refuses")).json()
    assert wait_for_job(client, training["job_id"])["state"] == "succeeded"
    body = {"train_id": training["id"], "preprocess_id": training["preprocess_id"], "target": "left"}
    good = client.post("/inference", json=body | {"features": {"age": 40, "plan": "basic"}})
    assert good.status_code == 200, good.text
    answer = client.post("/inference", json=body | {"features": {"age": 4, "plan": "gold"}})
    assert answer.status_code == 422
    assert sorted(error["type"] for error in answer.json()["detail"]) == ["below_minimum", "not_allowed"]


def test_statistics_have_associations_with_a_target(client: Client) -> None:
    made = create_dataset(client, ("customers.csv", customers_csv(400)))
    query = {"dataset_id": made["id"], "target": "left"}
    started = client.post("/dataset/generate_statistics", params=query)
    assert started.status_code == 202, started.text
    assert wait_for_job(client, started.json()["job_id"])["state"] == "succeeded"
    found = client.get("/dataset/statistics", params={"dataset_id": made["id"]}).json()["statistics"]
    assert found["target"]["column"] == "left"
    assert set(found["target"]["associations"]) == {"id", "age", "plan"}
    assert found["correlation"]["columns"] == ["id", "age"]
    assert found["correlation"]["matrix"][0][0] == 1.0
    assert found["columns"]["plan"]["chart"]["mark"]["type"] == "bar"

    narrow = {"dataset_id": made["id"], "columns": ["plan"], "charts": False}
    selected = client.get("/dataset/statistics", params=narrow).json()["statistics"]
    assert selected["columns"].keys() == {"plan"}
    assert "chart" not in selected["columns"]["plan"] | selected["target"] | selected["correlation"]
    assert selected["correlation"]["matrix"] == found["correlation"]["matrix"]
    refused = client.get("/dataset/statistics", params=narrow | {"columns": ["plans"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_column")
    unknown = client.post("/dataset/generate_statistics", params=query | {"target": "nothing"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_column")
