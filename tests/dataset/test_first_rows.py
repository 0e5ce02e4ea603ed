"""The answer of an upload has the warnings of its first rows, and with on_error=reject those of all rows."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.dataset.first_rows import MAX_ROWS
from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_template, get_dataset, upload

NEARLY = b"n,word\n" + b"1,a\n" * 9 + b"none of it,b\n"


def test_an_upload_is_answered_with_the_warnings_of_its_first_rows(client: Client) -> None:
    answer = upload(client, ("a.csv", NEARLY)).json()
    (warning,) = answer["warnings"]
    assert (warning["code"], warning["column"], warning["count"]) == ("nearly_numeric", "n", 1)
    assert warning["examples"] == ["none of it"]
    assert wait_for_job(client, answer["job_id"])["state"] == "succeeded"
    assert get_dataset(client, answer["dataset_id"])["warnings"] == answer["warnings"]


def test_rows_beyond_the_first_are_left_to_the_validation(client: Client) -> None:
    content = b"n\n" + b"1\n" * MAX_ROWS + b"x\n"
    answer = upload(client, ("a.csv", content)).json()
    assert answer["warnings"] == []
    wait_for_job(client, answer["job_id"])
    assert [each["code"] for each in get_dataset(client, answer["dataset_id"])["warnings"]] == ["nearly_numeric"]


def test_all_rows_count_with_reject(client: Client) -> None:
    content = b"n\n" + b"1\n" * MAX_ROWS + b"x\n"
    answer = upload(client, ("a.csv", content), on_error="reject").json()
    assert (answer["state"], [each["code"] for each in answer["warnings"]]) == ("valid", ["nearly_numeric"])


def test_first_rows_of_all_files_are_looked_at_together(client: Client) -> None:
    table = pa.table({"n": ["1"] * 20})
    parquet = io.BytesIO()
    pq.write_table(table, parquet)
    answer = upload(client, ("a.parquet", parquet.getvalue()), ("b.csv", b"n\nx\n")).json()
    assert [(each["code"], each["count"]) for each in answer["warnings"]] == [("nearly_numeric", 1)]
    added = client.post(
        "/files/add", params={"dataset_id": answer["dataset_id"]}, files=[("files", ("c.csv", b"n\n1\n"))]
    ).json()
    assert added["warnings"] == []
    wait_for_job(client, added["job_id"])


def test_a_template_has_decided_what_columns_are(client: Client) -> None:
    answer = upload(client, ("a.csv", NEARLY), template_id=create_template(client, n="String", word="String")).json()
    assert answer["warnings"] == []
    wait_for_job(client, answer["job_id"])
