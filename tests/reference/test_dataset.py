"""Upload, lists, preview, statistics and deletion of datasets."""

import io
from datetime import date
from typing import Any

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from tests.client import Client, wait_for_job
from tests.datalake.lake import call_lake
from tests.dataset.datasets import create_dataset, create_template, get_dataset, new_name, upload
from tests.reference.conftest import Hold, churn_request, started_upload
from tests.reference.record import RECORD, shows
from tests.reference.test_users import own_tenant
from tests.test_every_route import refusal

TOWERS = b"tower,load,day,up\nT1,1.25,2025-08-09,true\nT2,3,2025-08-10,false\nT1,,2025-08-11,true\n"
MORE = b"tower,load,day,up\nT3,7.5,2025-08-12,false\n"
# Of twenty rows three have a wrong cell: 85% are usable.
WRONG = b"n\n" + b"".join(b"x\n" if n in (7, 14, 20) else b"%d\n" % n for n in range(1, 21))


def parquet(content: bytes) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pc.read_csv(io.BytesIO(content)), sink)
    return sink.getvalue()


def rows(client: Client) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in client.get("/dataset/list", params={"limit": 1000}).json()["data"]}


def view(client: Client, dataset_id: int) -> list[dict[str, Any]]:
    return client.get("/dataset/view", params={"dataset_id": dataset_id}).json()["preview"]


@shows("POST /dataset/upload")
def test_upload_creates_a_dataset_of_the_files_and_validates_it(client: Client) -> None:
    name = new_name("towers")
    two = upload(client, ("a.csv", TOWERS), ("b.csv", MORE), name=name)
    other = upload(client, ("towers.parquet", parquet(b"tower\nT1\nT2\n")), usage="p")
    answers = [two.json(), other.json()]
    assert [answer["data_source"] for answer in answers] == ["csv", "parquet"]
    assert answers[0]["dataset_name"] == name
    files = [(file["file_name"], file["total_fields"], file["total_records"]) for file in answers[0]["files"]]
    assert files == [("a.csv", 4, 3), ("b.csv", 4, 1)]
    for answer in answers:
        assert {file["dataset_id"] for file in answer["files"]} == {answer["dataset_id"]}
        assert wait_for_job(client, answer["job_id"])["state"] == "succeeded"
    assert get_dataset(client, answers[0]["dataset_id"])["is_valid"]
    shown = client.get("/files/list", params={"dataset_id": answers[0]["dataset_id"]}).json()["data"]
    assert sorted(file["id"] for file in shown) == [file["id"] for file in answers[0]["files"]]
    for file in answers[0]["files"]:
        assert file["created_at"] <= file["modified_at"]
    # The name is unique, and both it and the usage are needed.
    assert refusal(upload(client, ("a.csv", TOWERS), name=name))[0] == 409
    sent = {"files": [("files", ("a.csv", TOWERS))]}
    assert client.post("/dataset/upload", params={"usage": "t"}, **sent).status_code == 422
    assert client.post("/dataset/upload", params={"dataset_name": new_name()}, **sent).status_code == 422
    assert client.post("/dataset/upload", params={"dataset_name": new_name(), "usage": "t"}).status_code == 422


def test_refused_upload_leaves_nothing_behind(client: Client) -> None:
    template_id = create_template(client, tower="String", height="Float")
    before = client.get("/dataset/list").json()["total"]
    assert refusal(upload(client, ("a.csv", TOWERS), template_id=template_id))[0] == 422
    assert refusal(upload(client, ("a.csv", TOWERS), template_id=999_999))[0] == 404
    assert refusal(upload(client, ("a.csv", TOWERS), usage="x"))[0] == 422
    assert refusal(upload(client, ("a.csv", TOWERS), iceberg_table_name="a..b"))[0] == 422
    assert client.get("/dataset/list").json()["total"] == before


@shows("POST /dataset/upload", "data_source")
def test_lake_table_of_an_upload_has_its_rows(client: Client) -> None:
    table = new_name("towers").replace("-", "_")
    dataset = create_dataset(client, ("a.csv", TOWERS), iceberg_table_name=table)
    assert dataset["iceberg_table_name"] == f"silver.{table}"
    assert call_lake(client, "numeric_stats", "silver", table, column_name="load")["count"] == 2
    # Without files the dataset is made from the table.
    answer = upload(client, iceberg_table_name=table)
    assert answer.json()["data_source"] == "iceberg"
    wait_for_job(client, answer.json()["job_id"])
    assert view(client, answer.json()["dataset_id"]) == view(client, dataset["id"])


@shows("GET /dataset/list")
def test_list_has_every_dataset_as_it_is_now(
    client: Client, colleague: Client, stranger: Client, customers: dict[str, Any]
) -> None:
    before = client.get("/dataset/list").json()["total"]
    plain = create_dataset(colleague, ("a.parquet", parquet(TOWERS)), usage="prediction")["id"]
    invalid = create_dataset(client, ("a.csv", b"n\n1\nx\n"), template_id=create_template(client, n="Integer"))["id"]
    wrong = create_dataset(client, ("a.csv", WRONG), template_id=create_template(client, n="Integer"), usage="train")
    theirs = create_dataset(stranger, ("a.csv", TOWERS))["id"]
    assert client.get("/dataset/list").json()["total"] == before + 3
    shown = rows(client)
    assert theirs not in shown
    row = shown[plain]
    assert (row["created_by"], row["data_source"], row["usage"], row["dataset_usage"]) == (
        ("colleague", "parquet", "p", "Prediction")
    )
    assert (row["template_id"], row["template_name"], row["iceberg_table_name"]) == (None, None, None)
    assert (row["is_valid"], row["dataset_usability"], row["file_count"]) == (True, "100%", 1)
    row = shown[customers["id"]]
    assert (row["template_name"], row["iceberg_table_name"]) == ("Customers", "silver.customers")
    assert client.get(f"/template/{row['template_id']}").json()["template_name"] == "Customers"
    assert (row["dataset_name"], row["usage"], row["dataset_usage"]) == ("customers", "t", "Training")
    row = shown[wrong["id"]]
    assert (row["is_valid"], row["dataset_usability"], row["usage"]) == (True, "85%", "t")
    assert (shown[invalid]["is_valid"], shown[invalid]["dataset_usability"]) == (False, "50%")
    assert shown[invalid]["created_at"] < shown[invalid]["modified_at"]
    added = client.post("/files/add", params={"dataset_id": plain}, files=[("files", ("b.csv", MORE))]).json()
    wait_for_job(client, added["job_id"])
    now = rows(client)[plain]
    assert now["file_count"] == 2
    assert now["created_at"] == shown[plain]["created_at"] < shown[plain]["modified_at"] < now["modified_at"]
    assert rows(stranger)[theirs]["tenant_id"] == own_tenant(stranger) != now["tenant_id"] == own_tenant(client)


@pytest.mark.parametrize(
    ("wrong", "usability", "is_valid"), [(0, "100%", True), (1, "99%", True), (51, "79%", False), (249, "0%", False)]
)
def test_usability_is_the_share_of_rows_kept(client: Client, wrong: int, usability: str, is_valid: bool) -> None:
    """A share is never shown as one that the rows do not reach: 199 of 200 are not 100%."""
    content = b"n\n" + b"x\n" * wrong + b"1\n" * (250 - wrong)
    dataset = create_dataset(client, ("a.csv", content), template_id=create_template(client, n="Integer"))
    assert (dataset["dataset_usability"], dataset["is_valid"]) == (usability, is_valid)


@shows("GET /dataset/list_validated")
def test_validated_datasets_have_passed_their_validation(
    client: Client, colleague: Client, stranger: Client, customers: dict[str, Any], hold: Hold
) -> None:
    invalid = create_dataset(client, ("a.csv", b"n\n1\nx\n"), template_id=create_template(client, n="Integer"))["id"]
    valid = create_dataset(colleague, ("a.csv", TOWERS), ("b.csv", MORE))["id"]
    theirs = create_dataset(stranger, ("a.csv", TOWERS))["id"]
    hold("validate")
    unchecked = started_upload(client, ("a.csv", TOWERS))["dataset_id"]
    shown = {row["id"]: row for row in client.get("/dataset/list_validated", params={"limit": 1000}).json()}
    assert shown.keys() == {row["id"] for row in rows(client).values() if row["is_valid"]}
    assert {valid, customers["id"]} <= shown.keys()
    assert shown.keys().isdisjoint({invalid, unchecked, theirs})
    assert rows(client)[unchecked]["dataset_usability"] is None
    assert [row["id"] for row in stranger.get("/dataset/list_validated").json()] == [
        row["id"] for row in rows(stranger).values() if row["is_valid"]
    ]
    assert (shown[valid]["created_by"], shown[valid]["file_count"], shown[valid]["template_id"]) == (
        ("colleague", 2, None)
    )
    assert shown[customers["id"]]["template_id"] == customers["template_id"]
    for row in shown.values():
        assert row.items() <= rows(client)[row["id"]].items()


@shows("DELETE /dataset/delete/{dataset_id}")
def test_deleted_dataset_is_gone_with_its_files(client: Client, churn: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("a.csv", TOWERS), name="to delete")
    file = client.get("/files/list", params={"dataset_id": dataset["id"]}).json()["data"][0]
    answer = client.request("DELETE", f"/dataset/delete/{dataset['id']}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status_code": 200, "message": "Dataset deleted successfully"},
    )
    by_id = {"params": {"dataset_id": dataset["id"]}}
    for path in ("/dataset/get_dataset_by_id", "/dataset/view", "/files/list"):
        assert refusal(client.get(path, **by_id))[0] == 404, path
    assert refusal(client.get("/files/download/", params={"file_path": file["file_path"]}))[0] == 404
    assert dataset["id"] not in rows(client)
    assert refusal(client.request("DELETE", f"/dataset/delete/{dataset['id']}"))[0] == 404
    assert create_dataset(client, ("a.csv", TOWERS), name="to delete")["id"] != dataset["id"]
    # What a model was made from stays.
    assert refusal(client.request("DELETE", f"/dataset/delete/{churn['dataset_id']}"))[0] == 409
    assert churn["dataset_id"] in rows(client)


@shows("GET /dataset/get_dataset_by_id")
def test_dataset_shows_where_its_data_is(client: Client, stranger: Client, customers: dict[str, Any]) -> None:
    held = create_dataset(client, ("a.parquet", parquet(TOWERS)))
    wrong = create_dataset(client, ("a.csv", WRONG), template_id=create_template(client, n="Integer"))
    for dataset in (held, wrong, customers):
        shown = get_dataset(client, dataset["id"])
        assert shown.items() >= rows(client)[dataset["id"]].items()
        file = client.get("/files/list", params={"dataset_id": dataset["id"]}).json()["data"][0]
        assert file["file_path"].startswith(shown["dataset_path"] + "/")
        # The validated rows can be downloaded by their path.
        content = client.get("/files/download/", params={"file_path": shown["validated_path"]}).content
        assert pq.read_table(io.BytesIO(content)).to_pylist()[:1] == _plain(client, dataset["id"])
    assert pq.read_table(io.BytesIO(_download(client, wrong["validated_path"]))).num_rows == 17
    assert refusal(stranger.get("/dataset/get_dataset_by_id", params={"dataset_id": held["id"]}))[0] == 404


def _download(client: Client, path: str) -> bytes:
    answer = client.get("/files/download/", params={"file_path": path})
    assert answer.status_code == 200, answer.text
    return answer.content


def _plain(client: Client, dataset_id: int) -> list[dict[str, Any]]:
    """Return the first row of the preview, its dates as Python's."""
    (row,) = view(client, dataset_id)[:1]
    return [{name: date.fromisoformat(value) if name == "day" else value for name, value in row.items()}]


@shows("GET /dataset/view")
def test_preview_has_the_rows_with_typed_values(client: Client) -> None:
    dataset = create_dataset(client, ("a.csv", TOWERS), ("b.csv", MORE))
    assert view(client, dataset["id"]) == [
        {"tower": "T1", "load": 1.25, "day": "2025-08-09", "up": True},
        {"tower": "T2", "load": 3.0, "day": "2025-08-10", "up": False},
        {"tower": "T1", "load": None, "day": "2025-08-11", "up": True},
        {"tower": "T3", "load": 7.5, "day": "2025-08-12", "up": False},
    ]
    minutes = b"timestamp,tower_id\n2025-08-09T16:23:00Z,TOWER_001\n2025-08-09T16:24:00Z,TOWER_001\n"
    measured = create_dataset(client, ("a.csv", minutes))
    assert view(client, measured["id"])[1] == {"timestamp": "2025-08-09T16:24:00Z", "tower_id": "TOWER_001"}
    wrong = create_dataset(client, ("a.csv", WRONG), template_id=create_template(client, n="Integer"))
    assert [row["n"] for row in view(client, wrong["id"])] == [n for n in range(1, 20) if n % 7]


@shows("POST /dataset/generate_statistics")
def test_statistics_describe_the_rows_of_the_dataset(client: Client) -> None:
    dataset = create_dataset(client, ("a.csv", TOWERS))
    by_id = {"params": {"dataset_id": dataset["id"]}}

    def describe() -> dict[str, Any]:
        answer = client.post("/dataset/generate_statistics", **by_id)
        assert (answer.status_code, answer.json()["status"]) == (202, "success")
        assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
        shown = client.get("/dataset/statistics", **by_id).json()
        assert shown["job_id"] == answer.json()["job_id"]
        return shown["statistics"]["columns"]

    assert refusal(client.get("/dataset/statistics", **by_id))[0] == 404
    load = describe()["load"]
    assert (load["mean"], load["min"], load["max"]) == (2.125, 1.25, 3.0)
    added = client.post("/files/add", **by_id, files=[("files", ("b.csv", MORE))]).json()
    wait_for_job(client, added["job_id"])
    assert describe()["load"]["max"] == 7.5
    assert refusal(client.post("/dataset/generate_statistics", params={"dataset_id": 999_999}))[0] == 404
    assert len(RECORD.values("POST /dataset/generate_statistics", "job_id")) == 2


@shows("POST /dataset/generate_statistics", "job_id")
def test_statistics_that_are_being_made_are_not_started_twice(client: Client, hold: Hold) -> None:
    datasets = [create_dataset(client, ("a.csv", TOWERS))["id"] for _ in range(2)]
    held = hold("describe")
    jobs = [
        client.post("/dataset/generate_statistics", params={"dataset_id": dataset_id}).json()["job_id"]
        for dataset_id in [*datasets, *datasets]
    ]
    assert jobs[:2] == jobs[2:]
    held.release()
    for job in jobs:
        wait_for_job(client, job)


@pytest.mark.parametrize("usage", ["t", "p"])
def test_usage_says_what_a_dataset_is_for(
    client: Client, churn: dict[str, Any], customers: dict[str, Any], customers_to_predict: dict[str, Any], usage: str
) -> None:
    dataset_id = (customers if usage == "t" else customers_to_predict)["id"]
    details = {"dataset_id": dataset_id, "predictor_name": "p", "domain": "d", "problem_type": "Classification"}
    trained = client.post("/train/", json=churn_request(dataset_id, "churn"))
    batch = client.post("/inference/batchPrediction", json={"train_id": churn["id"], "dataset_id": dataset_id})
    if usage == "t":
        assert refusal(batch)[0] == 409
        assert client.post("/train/get_details", json=details).status_code == 200
    else:
        assert refusal(trained) == (409, "wrong_dataset_usage")
        wait_for_job(client, batch.json()["job_id"])
