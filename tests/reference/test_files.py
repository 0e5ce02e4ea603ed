"""Addition, lists, preview, download and deletion of the files of datasets."""

import io
from typing import Any

import h5py
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, create_template, get_dataset
from tests.reference.record import shows
from tests.reference.test_dataset import MORE, TOWERS, parquet, view
from tests.test_every_route import refusal

# As an editor of another system writes it: the bytes of a download are those of the upload.
USAGE = b"CustomerID,DataUsageGB,PlanType,Churn\r\nCUST-0001,10.5,Premium,False\r\nCUST-0002,2.1,Basic,True"


@pytest.fixture
def dataset(client: Client) -> dict[str, Any]:
    return create_dataset(client, ("a.csv", TOWERS))


def add(client: Client, dataset_id: int, *files: tuple[str, bytes]) -> dict[str, Any]:
    """Add files, wait for the validation, and return the answer."""
    answer = client.post("/files/add", params={"dataset_id": dataset_id}, files=[("files", file) for file in files])
    assert answer.status_code == 201, answer.text
    assert wait_for_job(client, answer.json()["job_id"])["state"] == "succeeded"
    return answer.json()


def list_files(client: Client, dataset_id: int) -> list[dict[str, Any]]:
    shown = client.get("/files/list", params={"dataset_id": dataset_id}).json()
    assert shown["total"] == len(shown["data"])
    return shown["data"]


def by_id(client: Client, file_id: int) -> dict[str, Any]:
    answer = client.get("/files/get_file_by_id/", params={"file_id": file_id})
    assert answer.status_code == 200, answer.text
    return answer.json()


def download(client: Client, path: str) -> Any:
    return client.get("/files/download/", params={"file_path": path})


@shows("POST /files/add")
def test_added_files_belong_to_the_dataset(client: Client, stranger: Client, dataset: dict[str, Any]) -> None:
    added = add(client, dataset["id"], ("b.csv", MORE), ("c.csv", MORE + MORE[18:]))
    assert (added["dataset_id"], added["dataset_name"]) == (dataset["id"], dataset["dataset_name"])
    files = [(file["file_name"], file["total_fields"], file["total_records"]) for file in added["files"]]
    assert files == [("b.csv", 4, 1), ("c.csv", 4, 2)]
    assert {file["id"] for file in added["files"]} < {file["id"] for file in list_files(client, dataset["id"])}
    now = get_dataset(client, dataset["id"])
    assert (now["file_count"], now["kept_records"], now["is_valid"]) == (3, 6, True)
    assert [row["tower"] for row in view(client, dataset["id"])] == ["T1", "T2", "T1", "T3", "T3", "T3"]

    other = create_dataset(client, ("a.parquet", parquet(b"n,m\n1,2\n")))
    assert add(client, other["id"], ("b.parquet", parquet(b"n,m\n3,4\n")))["data_source"] == "parquet"
    sent = {"files": [("files", ("d.csv", b"height\n1\n"))]}
    assert refusal(client.post("/files/add", params={"dataset_id": dataset["id"]}, **sent))[0] == 422
    assert refusal(client.post("/files/add", params={"dataset_id": 999_999}, **sent))[0] == 404
    assert refusal(stranger.post("/files/add", params={"dataset_id": dataset["id"]}, **sent))[0] == 404
    assert get_dataset(client, dataset["id"])["file_count"] == 3


@shows("GET /files/list")
def test_list_has_every_file_with_its_wrong_cells(client: Client, stranger: Client, dataset: dict[str, Any]) -> None:
    template_id = create_template(client, n="Integer", m="Float")
    wrong = create_dataset(
        client,
        ("good.csv", b"n,m\n1,1\n2,2\n3,3\n"),
        ("bad.csv", b"n,m\nx,1\n2,y\nz,3\n4,4\n"),
        template_id=template_id,
    )
    files = {file["file_name"]: file for file in list_files(client, wrong["id"])}
    assert files["good.csv"]["error_report"] is None
    report = files["bad.csv"]["error_report"]
    assert (report["total_errors"], report["by_column"]) == (3, {"n": 2, "m": 1})
    assert [(cell["row"], cell["column"], cell["value"]) for cell in report["first"]] == [
        (1, "n", "x"),
        (2, "m", "y"),
        (3, "n", "z"),
    ]
    assert (files["bad.csv"]["total_records"], files["bad.csv"]["total_fields"]) == (4, 2)
    # The record was changed when the cells were checked.
    assert files["bad.csv"]["created_at"] < files["bad.csv"]["modified_at"]
    assert {file["dataset_id"] for file in files.values()} == {wrong["id"]}
    (file,) = list_files(client, dataset["id"])
    assert (file["file_name"], file["total_fields"], file["total_records"]) == ("a.csv", 4, 3)
    add(client, dataset["id"], ("b.csv", MORE))
    assert len(list_files(client, dataset["id"])) == 2
    assert refusal(stranger.get("/files/list", params={"dataset_id": dataset["id"]}))[0] == 404


@shows("GET /files/view")
def test_preview_has_the_first_lines(client: Client, stranger: Client) -> None:
    dataset = create_dataset(client, ("usage.csv", USAGE), ("long.csv", USAGE + b"\r\nCUST-0003,1,Basic,True" * 100))
    files = {file["file_name"]: file["id"] for file in list_files(client, dataset["id"])}
    shown = client.get("/files/view", params={"file_id": files["usage.csv"]}).json()
    assert shown["file_id"] == files["usage.csv"]
    assert shown["content_preview"] == USAGE.decode().split("\r\n")
    long = client.get("/files/view", params={"file_id": files["long.csv"]}).json()["content_preview"]
    assert long[:3] == shown["content_preview"]
    assert 3 < len(long) < 100
    assert refusal(stranger.get("/files/view", params={"file_id": files["usage.csv"]}))[0] == 404


@shows("DELETE /files/delete/{file_id}")
def test_deleted_file_is_gone_from_its_dataset(client: Client, stranger: Client, dataset: dict[str, Any]) -> None:
    (file,) = add(client, dataset["id"], ("b.csv", MORE))["files"]
    assert refusal(stranger.request("DELETE", f"/files/delete/{file['id']}"))[0] == 404
    answer = client.request("DELETE", f"/files/delete/{file['id']}")
    assert answer.status_code == 200
    assert (answer.json()["status_code"], answer.json()["message"]) == (200, "File deleted successfully")
    wait_for_job(client, answer.json()["job_id"])
    assert [row["tower"] for row in view(client, dataset["id"])] == ["T1", "T2", "T1"]
    assert get_dataset(client, dataset["id"])["file_count"] == len(list_files(client, dataset["id"])) == 1
    for path in ("/files/get_file_by_id/", "/files/view"):
        assert refusal(client.get(path, params={"file_id": file["id"]}))[0] == 404, path
    assert refusal(download(client, file["file_path"]))[0] == 404
    # A dataset without a file is none.
    (last,) = list_files(client, dataset["id"])
    assert refusal(client.request("DELETE", f"/files/delete/{last['id']}"))[0] == 409


@shows("GET /files/download")
def test_download_is_the_file_byte_for_byte(client: Client, stranger: Client) -> None:
    dataset = create_dataset(client, ("usage.csv", USAGE))
    file = by_id(client, list_files(client, dataset["id"])[0]["id"])
    answer = download(client, file["csv_file_path"])
    assert (answer.content, answer.headers["content-type"].partition(";")[0]) == (USAGE, "text/csv")
    assert 'filename="usage.csv"' in answer.headers["content-disposition"]
    assert refusal(download(stranger, file["csv_file_path"]))[0] == 404
    for path in ("/etc/passwd", "../dataml.db", file["csv_file_path"] + "x"):
        assert refusal(download(client, path))[0] == 404, path


@shows("GET /files/get_file_by_id")
def test_file_shows_where_its_copies_are(client: Client, stranger: Client) -> None:
    template_id = create_template(client, n="Integer", m="Float")
    wrong = create_dataset(client, ("bad.csv", b"n,m\n1,1\n2,y\n3,3\n5,5\n7,7\n"), template_id=template_id)
    held = create_dataset(client, ("towers.parquet", parquet(TOWERS)))
    files = [by_id(client, list_files(client, dataset["id"])[0]["id"]) for dataset in (wrong, held)]
    for file, dataset in zip(files, (wrong, held), strict=True):
        (row,) = list_files(client, dataset["id"])
        assert row.items() <= file.items()
    assert files[0]["error_report"]["total_errors"] == 1
    assert files[1]["csv_file_path"] is None
    assert download(client, files[0]["csv_file_path"]).content == b"n,m\n1,1\n2,y\n3,3\n5,5\n7,7\n"
    for file, column, values in zip(files, ("n", "load"), ([1, 2, 3, 5, 7], [1.25, 3.0]), strict=True):
        with h5py.File(io.BytesIO(download(client, file["hdf_file_path"]).content)) as copy:
            assert copy[f"columns/{column}"][:].tolist()[: len(values)] == values
    assert refusal(stranger.get("/files/get_file_by_id/", params={"file_id": files[0]["id"]}))[0] == 404
