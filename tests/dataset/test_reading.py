"""Datasets and files can be listed, viewed and downloaded by their tenant."""

import csv
import io
from typing import Any

import h5py
import pyarrow.parquet as pq
import pytest

from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.dataset.datasets import CHURN, create_dataset, create_template

MIXED = b'id,when,open,note\n1,2024-08-09,yes,"a, b"\n2,2024-08-10,no,\n3,2024-08-11,,"say ""hi"""\n'


@pytest.fixture(scope="module")
def churn(client: Client) -> dict[str, Any]:
    return create_dataset(client, (CHURN.name, CHURN.read_bytes()))


@pytest.fixture(scope="module")
def mixed(client: Client) -> dict[str, Any]:
    return create_dataset(client, ("mixed.csv", MIXED))


@pytest.fixture(scope="module")
def rowless(client: Client) -> dict[str, Any]:
    """Create a dataset whose rows are all quarantined."""
    template_id = create_template(client, n="Integer")
    return create_dataset(client, ("n.csv", b"n\nx\n"), template_id=template_id)


def view(client: Client, dataset_id: int, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/dataset/view", params={"dataset_id": dataset_id} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["preview"]


def file_of(client: Client, dataset: dict[str, Any]) -> dict[str, Any]:
    (row,) = client.get("/files/list", params={"dataset_id": dataset["id"]}).json()["data"]
    return client.get("/files/get_file_by_id", params={"file_id": row["id"]}).json()


def test_view_has_typed_json_values(client: Client, mixed: dict[str, Any]) -> None:
    assert view(client, mixed["id"]) == [
        {"id": 1, "when": "2024-08-09", "open": True, "note": "a, b"},
        {"id": 2, "when": "2024-08-10", "open": False, "note": None},
        {"id": 3, "when": "2024-08-11", "open": None, "note": 'say "hi"'},
    ]


def test_view_pages_through_the_rows_in_file_order(client: Client, churn: dict[str, Any]) -> None:
    with CHURN.open() as file:
        expected = [row["customer_id"] for row in csv.DictReader(file)]
    seen = [row["customer_id"] for row in view(client, churn["id"], limit=1000, offset=0)]
    for offset in range(1000, 7043, 1000):
        seen += [row["customer_id"] for row in view(client, churn["id"], limit=1000, offset=offset)]
    assert seen == expected
    assert len(view(client, churn["id"])) == 100
    assert view(client, churn["id"], offset=7043) == []


def test_view_returns_the_columns_in_the_requested_order(client: Client, churn: dict[str, Any]) -> None:
    (row,) = view(client, churn["id"], limit=1, columns=["tenure", "customer_id", "tenure"])
    assert list(row.items()) == [("tenure", 1), ("customer_id", "C00001")]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"columns": ["nothing"]}, "unknown_column"),
        ({"limit": 1001}, "invalid_request"),
        ({"limit": 0}, "invalid_request"),
    ],
)
def test_view_refuses_unknown_columns_and_limits(
    client: Client, churn: dict[str, Any], query: dict[str, Any], code: str
) -> None:
    answer = client.get("/dataset/view", params={"dataset_id": churn["id"]} | query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_statistics_are_computed_on_request_and_once_at_a_time(client: Client, churn: dict[str, Any]) -> None:
    query = {"dataset_id": churn["id"]}
    missing = client.get("/dataset/statistics", params=query)
    assert (missing.status_code, missing.json()["code"]) == (404, "statistics_not_found")

    started = client.post("/dataset/generate_statistics", params=query)
    assert started.status_code == 202
    assert started.json()["status"] == "success"
    assert started.json()["job_id"].startswith("stat-job-")
    again = client.post("/dataset/generate_statistics", params=query).json()
    running = client.get("/dataset/statistics", params=query).json()
    assert running["status"] in ("queued", "running", "succeeded")
    assert again["job_id"] == started.json()["job_id"] or running["status"] == "succeeded"

    wait_for_job(client, again["job_id"])
    found = client.get("/dataset/statistics", params=query).json()
    assert (found["status"], found["error"]) == ("succeeded", None)
    assert found["statistics"]["rows"] == 7043
    assert found["statistics"]["columns"]["total_charges"]["missing"] == 11


def test_a_dataset_without_kept_rows_can_be_viewed(client: Client, rowless: dict[str, Any]) -> None:
    assert (rowless["state"], rowless["dataset_usability"]) == ("invalid", "0%")
    assert view(client, rowless["id"]) == []


def test_the_error_report_of_a_clean_dataset_is_empty(client: Client, mixed: dict[str, Any]) -> None:
    query = {"dataset_id": mixed["id"]}
    report = client.get("/dataset/error-report", params=query).json()
    assert (report["total_errors"], report["files"]) == (0, [])
    assert client.get("/dataset/error-report", params=query | {"format": "csv"}).text == (
        "file,row,column,value,rule,reason\n"
    )


def test_a_download_is_the_upload_byte_for_byte(client: Client, churn: dict[str, Any]) -> None:
    file = file_of(client, churn)
    by_path = client.get("/files/download", params={"file_path": file["csv_file_path"]})
    assert by_path.content == CHURN.read_bytes()
    assert by_path.headers["content-type"].startswith("text/csv")
    assert by_path.headers["content-disposition"] == 'attachment; filename="telecom_churn.csv"'
    assert client.get("/files/download", params={"file_id": file["id"]}).content == CHURN.read_bytes()


def test_a_download_keeps_a_name_with_quotes_and_umlauts_safe(client: Client) -> None:
    found = create_dataset(client, ('zürich".csv', b"n\n1\n"))
    answer = client.get("/files/download", params={"file_id": file_of(client, found)["id"]})
    assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''z%C3%BCrich")
    assert '"' not in answer.headers["content-disposition"]


def test_the_validated_copy_is_a_typed_parquet_file(client: Client, mixed: dict[str, Any]) -> None:
    file = file_of(client, mixed)
    answer = client.get("/files/download", params={"file_path": file["parquet_file_path"]})
    table = pq.read_table(io.BytesIO(answer.content))
    assert [str(field.type) for field in table.schema] == ["int64", "date32[day]", "bool", "string"]
    assert table.num_rows == 3


def test_the_hdf_copy_is_made_on_its_first_download(client: Client, mixed: dict[str, Any], settings: Settings) -> None:
    file = file_of(client, mixed)
    on_disk = settings.storage_root / file["hdf_file_path"]
    assert not on_disk.exists()
    answers = [client.get("/files/download", params={"file_path": file["hdf_file_path"]}) for _ in range(2)]
    assert on_disk.exists()
    assert answers[0].content == answers[1].content
    with h5py.File(io.BytesIO(answers[0].content)) as hdf:
        assert list(hdf["columns"]) == ["id", "when", "open", "note"]
        assert hdf["columns/id"][:].tolist() == [1, 2, 3]
        assert hdf["columns/when"].asstr()[:].tolist() == ["2024-08-09", "2024-08-10", "2024-08-11"]
        assert hdf["columns/open"][:].tolist() == [True, False, False]
        assert hdf["missing/open"][:].tolist() == [False, False, True]
        assert "id" not in hdf["missing"]


def test_a_file_view_shows_the_first_lines(client: Client, churn: dict[str, Any], mixed: dict[str, Any]) -> None:
    answer = client.get("/files/view", params={"file_id": file_of(client, mixed)["id"]}).json()
    assert answer["content_preview"] == MIXED.decode().splitlines()
    answer = client.get("/files/view", params={"file_id": file_of(client, churn)["id"]}).json()
    assert answer["content_preview"] == CHURN.read_text().splitlines()[:20]


@pytest.mark.parametrize(
    "file_path",
    [
        "",
        "../dataml.db",
        "/etc/passwd",
        "%2e%2e%2fdataml.db",
        "..%2f..%2fetc%2fpasswd",
        "..\\..\\token.key",
        "files/../../token.key.hdf",
        "files",
        "a\0b",
        "..",
        "token.key",
        "files/../../token.key",
        "x.hdf",
        "é" * 200,
    ],
)
def test_a_path_that_no_row_has_is_404(client: Client, mixed: dict[str, Any], file_path: str) -> None:
    answer = client.get("/files/download", params={"file_path": file_path})
    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


@pytest.mark.parametrize("query", ["%2e%2e%2ftoken.key", "%2fetc%2fpasswd", "%252e%252e%252ftoken.key", "%ff%fe"])
def test_an_encoded_path_is_404(client: Client, mixed: dict[str, Any], query: str) -> None:
    answer = client.get(f"/files/download?file_path={query}")
    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


def test_a_link_in_storage_is_not_followed_out_of_it(client: Client, settings: Settings) -> None:
    """Every call that reads the file refuses it."""
    made = create_dataset(client, ("n.csv", b"n\n1\n"))
    file = file_of(client, made)
    for name in (file["file_path"], file["parquet_file_path"]):
        (settings.storage_root / name).unlink()
        (settings.storage_root / name).symlink_to(settings.key_file)
    by_file = {"file_id": file["id"]}
    for path, query in (
        ("/files/download", by_file),
        ("/files/download", {"file_path": file["file_path"]}),
        ("/files/download", {"file_path": file["hdf_file_path"]}),
        ("/files/download", {"file_path": file["parquet_file_path"]}),
        ("/files/view", by_file),
        ("/dataset/view", {"dataset_id": made["id"]}),
    ):
        answer = client.get(path, params=query)
        assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found"), path


def test_a_download_needs_exactly_one_name(client: Client, mixed: dict[str, Any]) -> None:
    file = file_of(client, mixed)
    for query in ({}, {"file_id": file["id"], "file_path": file["file_path"]}):
        answer = client.get("/files/download", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "file_path_or_file_id")


def test_a_file_that_storage_has_lost_is_404(client: Client, settings: Settings) -> None:
    file = file_of(client, create_dataset(client, ("n.csv", b"n\n1\n")))
    (settings.storage_root / file["file_path"]).unlink()
    for query in ({"file_id": file["id"]}, {"file_path": file["hdf_file_path"]}):
        answer = client.get("/files/download", params=query)
        assert (answer.status_code, answer.json()["code"]) == (404, "file_missing")


def calls(dataset: dict[str, Any], file: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every call that reads this dataset or this file."""
    by_dataset, by_file = {"dataset_id": dataset["id"]}, {"file_id": file["id"]}
    paths = [file["csv_file_path"], file["hdf_file_path"], file["parquet_file_path"]]
    return [
        ("GET", "/dataset/get_dataset_by_id", by_dataset),
        ("GET", "/dataset/view", by_dataset),
        ("POST", "/dataset/generate_statistics", by_dataset),
        ("GET", "/dataset/statistics", by_dataset),
        ("GET", "/dataset/error-report", by_dataset),
        ("GET", "/dataset/error-report", by_dataset | {"format": "csv"}),
        ("GET", "/files/list", by_dataset),
        ("GET", "/files/view", by_file),
        ("GET", "/files/get_file_by_id", by_file),
        ("GET", "/files/download", by_file),
        *[("GET", "/files/download", {"file_path": path}) for path in paths],
    ]


def test_another_tenant_gets_the_404_of_a_missing_row(client: Client, stranger: Client, mixed: dict[str, Any]) -> None:
    absent = {"dataset_id": 2**62, "file_id": 2**62, "file_path": "files/nobody/nothing.csv"}
    for method, path, query in calls(mixed, file_of(client, mixed)):
        foreign = stranger.request(method, path, params=query)
        nothing = stranger.request(method, path, params={key: absent.get(key, value) for key, value in query.items()})
        assert foreign.status_code == nothing.status_code == 404, path
        bodies = [answer.json() | {"request_id": ""} for answer in (foreign, nothing)]
        assert bodies[0] == bodies[1]


def test_a_call_without_a_token_is_401(client: Client, anonymous: Client, mixed: dict[str, Any]) -> None:
    for method, path, query in calls(mixed, file_of(client, mixed)):
        assert anonymous.request(method, path, params=query).status_code == 401, path
    for path in ("/dataset/list", "/dataset/list_validated"):
        assert anonymous.get(path).status_code == 401


def test_every_call_answers_with_and_without_a_trailing_slash(client: Client, mixed: dict[str, Any]) -> None:
    for method, path, query in calls(mixed, file_of(client, mixed)):
        status = client.request(method, path, params=query).status_code
        assert status in (200, 202)
        assert client.request(method, f"{path}/", params=query).status_code == status


def test_lists_are_pages_of_the_tenants_own_datasets(client: Client, stranger: Client, mixed: dict[str, Any]) -> None:
    create_dataset(client, ("n.csv", b"n\n1\n"))
    first, second = (client.get("/dataset/list", params={"limit": 1, "offset": offset}).json() for offset in (0, 1))
    assert first["total"] == second["total"] >= 2
    assert first["data"][0]["id"] > second["data"][0]["id"]
    assert stranger.get("/dataset/list").json() == {"total": 0, "data": []}
    assert stranger.get("/dataset/list_validated").json() == []


def test_an_id_beyond_the_database_is_404(platform: Platform) -> None:
    for number in (0, -1, 2**63, 2**70):
        answer = platform.client.get("/dataset/get_dataset_by_id", params={"dataset_id": number})
        assert (answer.status_code, answer.json()["code"]) == (404, "dataset_not_found")
