"""An upload becomes a valid dataset, or one with quarantined rows and an error report."""

import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import CHURN, create_dataset, create_template, get_dataset, new_name, upload


def test_the_churn_example_becomes_valid(client: Client) -> None:
    answer = upload(client, (CHURN.name, CHURN.read_bytes()), name="churn")
    assert answer.status_code == 201
    body = answer.json()
    assert body["dataset_name"] == "churn"
    assert body["data_source"] == "csv"
    assert body["state"] == "validating"
    assert body["job_id"].startswith("validate-job-")
    (file,) = body["files"]
    assert file["file_name"] == "telecom_churn.csv"
    assert (file["dataset_id"], file["total_fields"], file["total_records"]) == (body["dataset_id"], 21, 7043)
    assert file["error_report"] is None
    assert datetime.fromisoformat(file["created_at"]).tzinfo == UTC
    assert file["created_at"].endswith("Z")

    assert wait_for_job(client, body["job_id"])["state"] == "succeeded"
    found = get_dataset(client, body["dataset_id"])
    assert (found["state"], found["is_valid"], found["dataset_usability"]) == ("valid", True, "100%")
    assert (found["total_records"], found["kept_records"], found["file_count"]) == (7043, 7043, 1)
    types = {column["column_name"]: column["data_type"] for column in found["schema"]}
    assert (types["tenure"], types["total_charges"], types["churn"]) == ("Integer", "Float", "Boolean")
    assert found["error_summary"]["total_errors"] == 0
    assert found["job_id"] == body["job_id"]


def test_rows_with_wrong_cells_are_quarantined_and_reported(client: Client) -> None:
    template_id = create_template(client, id="Integer", price="Float")
    rows = [f"{number},{number}.5" for number in range(1, 20)] + ["x,7", "21,y", "z,w"]
    found = create_dataset(client, ("prices.csv", ("id,price\n" + "\n".join(rows)).encode()), template_id=template_id)
    assert (found["state"], found["dataset_usability"]) == ("valid", "86%")
    assert (found["total_records"], found["kept_records"], found["template_id"]) == (22, 19, template_id)

    report = client.get("/dataset/error-report", params={"dataset_id": found["id"]}).json()
    assert (report["total_errors"], report["rows_with_errors"]) == (4, 3)
    assert report["by_column"] == {"id": 2, "price": 2}
    assert report["by_rule"] == {"not_an_integer": 2, "not_a_number": 2}
    (file,) = report["files"]
    first = file["first"][0]
    assert (first["file"], first["row"], first["column"], first["value"]) == ("prices.csv", 20, "id", "x")
    assert first["rule"] == "not_an_integer"

    whole = client.get("/dataset/error-report", params={"dataset_id": found["id"], "format": "csv"})
    lines = whole.text.splitlines()
    assert whole.headers["content-type"].startswith("text/csv")
    assert lines[0] == "file,row,column,value,rule,reason"
    assert lines[1].startswith("prices.csv,20,id,x,not_an_integer,")
    assert len(lines) == 5

    (row,) = client.get("/files/list", params={"dataset_id": found["id"]}).json()["data"]
    assert row["error_report"]["rows_with_errors"] == 3


def test_too_few_rows_kept_makes_the_dataset_invalid(client: Client) -> None:
    template_id = create_template(client, n="Integer")
    found = create_dataset(client, ("n.csv", b"n\n1\n2\nx\ny\n"), template_id=template_id)
    assert (found["state"], found["is_valid"], found["dataset_usability"]) == ("invalid", False, "50%")
    assert found["id"] not in [row["id"] for row in client.get("/dataset/list_validated").json()]


def test_usability_is_100_percent_only_when_every_row_is_kept(client: Client) -> None:
    template_id = create_template(client, n="Integer")
    found = create_dataset(client, ("n.csv", b"n\n" + b"1\n" * 999 + b"x\n"), template_id=template_id)
    assert found["dataset_usability"] == "99%"


def test_several_files_make_one_dataset(client: Client) -> None:
    found = create_dataset(client, ("a.csv", b"n,t\n1,a\n2,b\n"), ("b.csv", b"t;n\nc;3\n"))
    assert (found["file_count"], found["total_records"], found["state"]) == (2, 3, "valid")
    preview = client.get("/dataset/view", params={"dataset_id": found["id"]}).json()["preview"]
    assert preview == [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}, {"n": 3, "t": "c"}]


def test_a_parquet_file_becomes_valid(client: Client) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2], "when": [datetime(2024, 8, 9, 16, 23, tzinfo=UTC), None]}), content)
    found = create_dataset(client, ("data.parquet", content.getvalue()))
    assert (found["data_source"], found["state"]) == ("parquet", "valid")
    preview = client.get("/dataset/view", params={"dataset_id": found["id"]}).json()["preview"]
    assert preview == [{"n": 1, "when": "2024-08-09T16:23:00Z"}, {"n": 2, "when": None}]


@pytest.mark.parametrize("usage", ["p", "P", "predict", "prediction", " Prediction "])
def test_usage_has_several_spellings(client: Client, usage: str) -> None:
    body = upload(client, ("n.csv", b"n\n1\n"), usage=usage).json()
    assert body["usage"] == "p"


def test_the_list_has_every_documented_field(client: Client) -> None:
    template_id = create_template(client, n="Integer")
    found = create_dataset(client, ("n.csv", b"n\n1\n"), template_id=template_id, usage="p")
    answer = client.get("/dataset/list/", params={"limit": 1}).json()
    (row,) = answer["data"]
    assert answer["total"] >= 1
    assert row["id"] == found["id"]
    documented = {"tenant_id", "dataset_name", "file_count", "is_valid", "created_by", "template_id", "data_source"}
    documented |= {"iceberg_table_name", "template_name", "created_at", "modified_at", "dataset_usability", "usage"}
    assert documented | {"id", "dataset_usage"} <= row.keys()
    assert (row["usage"], row["dataset_usage"], row["created_by"]) == ("p", "Prediction", "admin")
    assert row["template_name"].startswith("template-")


def test_a_file_name_is_shown_without_folders_and_invisible_characters(client: Client) -> None:
    found = create_dataset(client, ("..\\..\\evil\u202e\u200b.csv", b"n\n1\n"))
    (row,) = client.get("/files/list", params={"dataset_id": found["id"]}).json()["data"]
    assert row["file_name"] == "evil.csv"


NUMBERS = ["1e309", "inf", "9223372036854775808", "1_000", "٣", "1,500"]


def test_text_that_looks_like_a_number_is_quarantined_with_its_reason(client: Client) -> None:
    template_id = create_template(client, i="Integer", f="Float")
    content = "i;f\n" + "".join(f"{text};{text}\n" for text in NUMBERS) + "7;7\n"
    made = create_dataset(client, ("n.csv", content.encode()), template_id=template_id)
    (file,) = client.get("/dataset/error-report", params={"dataset_id": made["id"]}).json()["files"]
    rules = {(cell["column"], cell["value"]): cell["rule"] for cell in file["first"]}
    assert [rules["i", text] for text in NUMBERS] == [
        *["not_an_integer"] * 2,
        "out_of_range",
        *["not_an_integer"] * 2,
        "ambiguous_number",
    ]
    wrong_floats = ["out_of_range", "not_finite", None, "not_a_number", "not_a_number", "ambiguous_number"]
    assert [rules.get(("f", text)) for text in NUMBERS] == wrong_floats
    assert client.get("/dataset/view", params={"dataset_id": made["id"]}).json()["preview"] == [{"i": 7, "f": 7.0}]


def test_text_that_looks_like_a_number_makes_its_column_text(client: Client) -> None:
    for text in NUMBERS:
        made = create_dataset(client, ("n.csv", f"n;m\n1;1\n{text};2\n".encode()))
        values = [row["n"] for row in client.get("/dataset/view", params={"dataset_id": made["id"]}).json()["preview"]]
        assert values == ["1", text]


def test_text_is_kept_as_written(client: Client) -> None:
    """Leading zeros, words that other programs take for missing values, and line ends in fields are kept."""
    template_id = create_template(client, a="String", b="String")
    content = b'a,b\n00123,NA\nnull,"two\nlines"\nNaN," x "\n,"\r\n"\n'
    made = create_dataset(client, ("t.csv", content), template_id=template_id)
    assert (made["total_records"], made["kept_records"]) == (4, 4)
    rows = client.get("/dataset/view", params={"dataset_id": made["id"]}).json()["preview"]
    written = [("00123", "NA"), ("null", "two\nlines"), ("NaN", " x "), (None, "\r\n")]
    assert [(row["a"], row["b"]) for row in rows] == written


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("n" * 300 + ".csv", "n" * 251 + ".csv"),
        ("\u202efdp.\u200fcsv", "fdp.csv"),
        ("a\u2028b\u0085.csv", "ab.csv"),
        ("..", "file"),
    ],
)
def test_a_file_name_is_no_path(client: Client, sent: str, shown: str) -> None:
    made = create_dataset(client, (sent, b"n\n1\n"))
    (row,) = client.get("/files/list", params={"dataset_id": made["id"]}).json()["data"]
    assert row["file_name"] == shown
    about = client.get("/files/get_file_by_id", params={"file_id": row["id"]}).json()
    assert about["file_path"].endswith("/1.csv")
    sent_back = client.get("/files/download", params={"file_id": row["id"]}).headers["content-disposition"]
    assert shown in sent_back


def test_reject_answers_when_all_cells_are_validated(client: Client) -> None:
    body = upload(client, ("n.csv", b"n\n1\n"), on_error="reject").json()
    assert body["state"] == "valid"
    assert get_dataset(client, body["dataset_id"])["kept_records"] == 1


def test_the_name_of_a_refused_upload_can_be_used_again(client: Client) -> None:
    name, template_id = new_name(), create_template(client, n="Integer")
    refused = upload(client, ("n.csv", b"n\nx\n"), name=name, template_id=template_id, on_error="reject")
    assert refused.status_code == 422
    assert upload(client, ("n.csv", b"n\n1\n"), name=name, template_id=template_id).status_code == 201
