"""A refused upload returns the reason, and leaves no row and no file behind."""

import asyncio
import gzip
import io
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.datastructures import UploadFile

from dataml.dataset import uploads
from dataml.dataset.lake_tables import TargetTables
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.settings import Settings
from tests.client import API, Client, wait_for_job
from tests.conftest import NewHome, Platform
from tests.dataset.datasets import (
    count_rows,
    create_dataset,
    create_template,
    list_remains,
    list_upload_folders,
    new_name,
    upload,
)

BUDGET_BYTES = 200_000


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(max_upload_bytes=BUDGET_BYTES)


def refused(platform: Platform, *files: tuple[str, bytes], **query: Any) -> tuple[int, str]:
    """Return status and code of an upload that must be refused and leave nothing behind."""
    # A job that has rejected wrong cells stays, as the record of its result.
    tables = ["dataset", "file"] if query.get("on_error") == "reject" else ["dataset", "file", "job"]
    before = list_remains(platform), count_rows(platform, *tables)
    answer = upload(platform.client, *files, **query)
    assert (list_remains(platform), count_rows(platform, *tables)) == before
    body = answer.json()
    assert body["request_id"]
    assert body["detail"]
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"a,b\n", "no_rows"),
        (b"a,b", "no_rows"),
        (b"a,b\n1,2\n3\n", "ragged_row"),
        (b"a,b\r1,2\n3\r\n", "ragged_row"),
        (b"a,a\n1,2\n", "duplicate_column"),
        (b"a,\n1,2\n", "empty_column_name"),
        (b'a,b\n"1,2\n', "unterminated_quote"),
        (b'a,b\n1,"2"x\n', "stray_quote"),
        ("a,b\n1,café\n".encode("latin-1"), "not_utf8"),
        ("a,b\n1,2\n".encode("utf-16"), "not_utf8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "nul_byte"),
        (b"a,b\n1,\x00\n", "nul_byte"),
        (",".join(map(str, range(20_000))).encode(), "too_many_columns"),
        (b"PK\x03\x04 a workbook", "not_a_csv"),
        (b"\x7fELF\x02\x01\x01", "not_a_csv"),
        *[(pickle.dumps({"a": 1}, protocol), "not_a_csv") for protocol in (0, 2, 3, 4, 5)],
        (pickle.dumps({"a": 1}, 1), "nul_byte"),
        (b"<!doctype html><html></html>", "not_a_csv"),
        (b"\xef\xbb\xbf <TABLE><tr><td>1</td></tr></TABLE>\n", "not_a_csv"),
    ],
)
def test_a_broken_structure_is_422(platform: Platform, content: bytes, code: str) -> None:
    assert refused(platform, ("data.csv", content)) == (422, code)


def test_the_second_file_can_break_the_upload_too(platform: Platform) -> None:
    assert refused(platform, ("a.csv", b"a\n1\n"), ("b.csv", b"a\n1,2\n")) == (422, "ragged_row")


def test_files_of_one_dataset_have_the_same_columns(platform: Platform) -> None:
    assert refused(platform, ("a.csv", b"a\n1\n"), ("b.csv", b"b\n1\n")) == (422, "different_columns")


def test_a_missing_column_of_the_template_is_422(platform: Platform) -> None:
    template_id = create_template(platform.client, a="Integer", b="Integer")
    assert refused(platform, ("a.csv", b"a\n1\n"), template_id=template_id) == (422, "missing_column")


def test_a_parquet_file_with_an_extension_type_is_never_opened(platform: Platform) -> None:
    content = io.BytesIO()
    storage = pa.array([b"x" * 16])
    pq.write_table(pa.table({"a": pa.ExtensionArray.from_storage(pa.uuid(), storage.cast(pa.binary(16)))}), content)
    assert refused(platform, ("a.parquet", content.getvalue())) == (422, "unsupported_parquet_type")


def test_a_parquet_column_whose_name_is_not_utf8_is_refused(platform: Platform) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"name of it": [1]}), content, store_schema=False)
    broken = content.getvalue().replace(b"name of it", b"name of \xff\xfe")
    assert refused(platform, ("a.parquet", broken)) == (422, "bad_column_name")


def test_text_in_a_file_named_parquet_is_refused(platform: Platform) -> None:
    assert refused(platform, ("a.parquet", b"a\n1\n")) == (422, "not_a_parquet")


@pytest.mark.parametrize("name", ["book.xlsx", "data.json", "model.pkl"])
def test_another_format_is_415(platform: Platform, name: str) -> None:
    assert refused(platform, (name, b"a\n1\n")) == (415, "unsupported_file")


def test_an_upload_without_a_file_is_422(platform: Platform) -> None:
    assert refused(platform) == (422, "no_file")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"usage": "x"}, 422, "invalid_usage"),
        ({"template_id": 4711}, 404, "template_not_found"),
        ({"template_id": 2**70}, 404, "template_not_found"),
        ({"template_id": "two"}, 422, "invalid_request"),
        ({"iceberg_table_name": "information_schema.t"}, 422, "bad_table_name"),
        ({"raw_table_name": "a;b"}, 422, "bad_table_name"),
        ({"raw_table_name": "silver.t", "iceberg_table_name": "t"}, 422, "same_table"),
        ({"iceberg_table_name": "t", "lake_mode": "overwrite"}, 422, "invalid_request"),
        ({"on_error": "ignore"}, 422, "invalid_request"),
    ],
)
def test_a_wrong_query_is_refused(platform: Platform, query: dict[str, Any], status: int, code: str) -> None:
    assert refused(platform, ("a.csv", b"a\n1\n"), **query) == (status, code)


def test_a_template_without_columns_is_409(platform: Platform) -> None:
    template_id = create_template(platform.client)
    assert refused(platform, ("a.csv", b"a\n1\n"), template_id=template_id) == (409, "template_is_empty")


def test_another_tenants_template_is_404(platform: Platform, stranger: Client) -> None:
    template_id = create_template(stranger, a="Integer")
    assert refused(platform, ("a.csv", b"a\n1\n"), template_id=template_id) == (404, "template_not_found")


@pytest.mark.parametrize(
    "name",
    ["  ", "a/b", "a\\b", "\uff0f", "a\nb", "a\x00b", "\u200b", "a\u202eb", "x" * 201, "x" * 1001, "\ufdfa" * 12],
    ids=["blank", "slash", "backslash", "wide", "line", "nul", "invisible", "bidi", "201", "1001", "long"],
)
def test_a_name_that_is_no_printable_text_is_422(platform: Platform, name: str) -> None:
    assert refused(platform, ("a.csv", b"a\n1\n"), name=name) == (422, "bad_dataset_name")


def test_a_name_is_any_printable_text_and_is_trimmed(platform: Platform) -> None:
    stem = new_name()
    for sent, stored in (
        (f" {stem} Kündigungen: März (Q1), 100 % …?!\u00a0", f"{stem} Kündigungen: März (Q1), 100 % ...?!"),
        (f"{stem} 顧客", f"{stem} 顧客"),
        (stem.ljust(200, "x"), stem.ljust(200, "x")),
    ):
        answer = upload(platform.client, ("a.csv", b"a\n1\n"), name=sent)
        assert (answer.status_code, answer.json()["dataset_name"]) == (201, stored)
        assert refused(platform, ("a.csv", b"a\n1\n"), name=stored) == (409, "dataset_exists")


def test_a_name_twice_is_409(platform: Platform) -> None:
    name = create_dataset(platform.client, ("a.csv", b"a\n1\n"))["dataset_name"]
    assert refused(platform, ("a.csv", b"a\n1\n"), name=name) == (409, "dataset_exists")


def test_of_several_uploads_at_once_under_one_name_one_succeeds(platform: Platform) -> None:
    name, (total, folders) = new_name(), list_remains(platform)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: upload(platform.client, ("a.csv", b"a\n1\n"), name=name), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    after = list_remains(platform)
    assert (after[0], len(after[1])) == (total + 1, len(folders) + 1)


def test_two_tenants_may_use_the_same_name(platform: Platform, stranger: Client) -> None:
    name = create_dataset(platform.client, ("a.csv", b"a\n1\n"))["dataset_name"]
    assert upload(stranger, ("a.csv", b"a\n1\n"), name=name).status_code == 201


def test_a_larger_upload_than_allowed_is_413(platform: Platform) -> None:
    content = b"a\n" + b"1\n" * (BUDGET_BYTES // 2)
    assert refused(platform, ("a.csv", content)) == (413, "upload_too_large")


def test_the_budget_is_for_all_files_together(platform: Platform) -> None:
    content = b"a\n" + b"1\n" * (BUDGET_BYTES // 3)
    assert refused(platform, ("a.csv", content), ("b.csv", content)) == (413, "upload_too_large")


def test_the_budget_is_for_uncompressed_text_too(platform: Platform) -> None:
    content = gzip.compress(b"a\n" + b"1\n" * (BUDGET_BYTES // 3))
    assert refused(platform, ("a.csv", content), ("b.csv", content)) == (413, "upload_too_large")


def test_a_parquet_file_with_more_cells_than_the_budget_has_bytes_is_413(platform: Platform) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"a": pa.nulls(BUDGET_BYTES + 1, pa.int64())}), content)
    assert len(content.getvalue()) < BUDGET_BYTES
    assert refused(platform, ("a.parquet", content.getvalue())) == (413, "upload_too_large")


def test_reject_makes_a_wrong_cell_fail_the_upload(platform: Platform) -> None:
    template_id = create_template(platform.client, a="Integer")
    query = {"template_id": template_id, "on_error": "reject"}
    assert refused(platform, ("a.csv", b"a\n1\nx\n"), **query) == (422, "bad_cell")


def test_an_upload_without_permission_is_403_and_without_token_401(
    platform: Platform, analyst: Client, anonymous: Client
) -> None:
    before = list_remains(platform)
    assert upload(analyst, ("a.csv", b"a\n1\n")).json()["code"] == "missing_permission"
    answer = upload(anonymous, ("a.csv", b"a\n1\n"))
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")
    assert list_remains(platform) == before


class Sender:
    """An upload sent piece by piece to the application itself; it counts how many pieces are read."""

    def __init__(self, platform: Platform, headers: dict[str, str], name: str) -> None:
        self._platform = platform
        self._query = f"dataset_name={name}&usage=t".encode()
        sent = {"content-type": "multipart/form-data; boundary=b", **headers}
        sent.setdefault("authorization", platform.client.headers["Authorization"])
        self._headers = [(key.encode(), value.encode()) for key, value in sent.items()]
        self.pieces_read = 0

    def send(self, *messages: dict[str, Any]) -> int:
        """Return the status of the answer to a body of these messages."""
        return self._platform.client.portal.call(self._send, list(messages))

    async def _send(self, messages: list[dict[str, Any]]) -> int:
        answers: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.sleep(30)
            self.pieces_read += 1
            return messages.pop(0)

        async def send(message: Any) -> None:
            answers.append(message)

        path = f"{API}/dataset/upload"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": self._query,
            "headers": self._headers,
            "server": ("test", 80),
            "client": ("test", 1),
        }
        await self._platform.client.app(scope, receive, send)
        return answers[0]["status"]


HEAD = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\na\n'


def piece(body: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": True}


def test_a_client_that_disconnects_leaves_nothing(platform: Platform) -> None:
    before = list_remains(platform)
    sender = Sender(platform, {}, new_name())
    assert sender.send(piece(HEAD), piece(b"1\n" * 1000), {"type": "http.disconnect"}) == 400
    assert list_remains(platform) == before


END = b"\r\n--b--\r\n"


def test_a_body_without_its_end_is_refused_completely(platform: Platform) -> None:
    """Also when some of its files are complete."""
    before = list_remains(platform)
    for body in (HEAD + b"1\n", HEAD + b"1\n\r\n" + HEAD.replace(b"a.csv", b"b.csv") + b"1\n"):
        last = {"type": "http.request", "body": body, "more_body": False}
        assert Sender(platform, {}, new_name()).send(last) == 400
    assert list_remains(platform) == before
    whole = {"type": "http.request", "body": HEAD + b"1\n" + END, "more_body": False}
    assert Sender(platform, {}, new_name()).send(whole) == 201


@pytest.mark.parametrize("charset", ["undefined", '"a\\\0b"', "no-such"])
def test_an_impossible_charset_is_a_client_error(platform: Platform, charset: str) -> None:
    header = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}
    whole = {"type": "http.request", "body": HEAD + END, "more_body": False}
    assert Sender(platform, header, new_name()).send(whole) in (400, 422)


def test_a_declared_length_is_refused_before_the_body_is_read(platform: Platform) -> None:
    sender = Sender(platform, {"content-length": str(BUDGET_BYTES + 10_000_000)}, new_name())
    assert sender.send(piece(HEAD)) == 413
    assert sender.pieces_read == 0


def test_a_body_without_a_length_is_read_up_to_the_budget(platform: Platform) -> None:
    before = list_remains(platform)
    sender = Sender(platform, {"transfer-encoding": "chunked"}, new_name())
    assert sender.send(piece(HEAD), *[piece(b"1\n" * 500_000)] * 10) == 413
    assert sender.pieces_read <= 4
    assert list_remains(platform) == before


def test_a_cheap_refusal_comes_before_the_body_is_read(platform: Platform) -> None:
    taken = create_dataset(platform.client, ("a.csv", b"a\n1\n"))["dataset_name"]
    sender = Sender(platform, {}, taken)
    assert sender.send(piece(HEAD)) == 409
    nobody = Sender(platform, {"authorization": "Bearer x"}, new_name())
    assert nobody.send(piece(HEAD)) == 401
    assert (sender.pieces_read, nobody.pieces_read) == (0, 0)


class SlowFile(io.BytesIO):
    """A file that is read slowly, as a large one on a slow disk."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most 1,000 bytes, slowly."""
        time.sleep(0.05)
        return super().read(min(size or 0, 1000))


def test_a_request_that_is_cancelled_while_files_are_stored_leaves_nothing(platform: Platform) -> None:
    before = list_remains(platform)
    database = Database(platform.settings)
    draft = uploads.DatasetDraft(new_name(), "t", "quarantine")
    part = UploadFile(SlowFile(b"a\n" + b"1\n" * 50_000), filename="a.csv")

    async def cancel_midway() -> int:
        scope = Scope("tenant", "user")
        storing = asyncio.create_task(uploads.create(database, platform.settings, scope, draft, TargetTables(), [part]))
        await asyncio.sleep(0.3)
        stored = len(list_upload_folders(platform))
        storing.cancel()
        await asyncio.wait({storing})
        await database.close()
        return stored

    assert asyncio.run(cancel_midway()) == len(before[1]) + 1
    assert list_remains(platform) == before


def test_a_cancelled_validation_makes_the_dataset_failed(platform: Platform) -> None:
    body = upload(platform.client, ("a.csv", b"a\n" + b"1\n" * 50_000)).json()
    platform.client.post("/ray/terminate_ray_job", params={"ray_job_id": body["job_id"], "usage": "dataset"})
    job = wait_for_job(platform.client, body["job_id"])
    query = {"dataset_id": body["dataset_id"]}
    found = platform.client.get("/dataset/get_dataset_by_id", params=query).json()
    if job["state"] == "cancelled":
        assert (found["state"], found["failure"]) == ("failed", "The validation was cancelled.")
        view = platform.client.get("/dataset/view", params=query)
        assert (view.status_code, view.json()["code"]) == (409, "dataset_not_validated")
    else:
        assert found["state"] == "valid"
