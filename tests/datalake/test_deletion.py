"""Lake tables are deleted through the API, and their files a day later."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from httpx import Response

from dataml.errors import Unavailable
from dataml.iceberg import deletion
from dataml.iceberg.catalog import LakeConfig, open_catalog
from tests.client import Client
from tests.conftest import Platform, needs_builtin_lake
from tests.database import execute_sql
from tests.datalake.lake import VISITS, call_lake, create_from_table, create_in_lake, new_table_name
from tests.dataset.datasets import get_dataset
from tests.fakes import SupervisorThread


def delete(client: Client, table: str, schema: str = "silver") -> Response:
    return client.request("DELETE", "/datalake/tables", params={"schema_name": schema, "table_name": table})


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def table(client: Client) -> str:
    name = new_table_name()
    create_in_lake(client, name)
    return name


def test_a_deleted_table_is_gone(client: Client, table: str) -> None:
    answer = delete(client, table)
    assert (answer.status_code, answer.json()) == (200, {"message": "Table deleted successfully"})
    assert table not in call_lake(client, "schemas/tables")
    assert call_lake(client, "table_metadata", table=table) == (404, "table_not_found")
    assert refusal(delete(client, table)) == (404, "table_not_found")


def test_the_deletion_is_audited_once(client: Client, table: str) -> None:
    delete(client, table)
    delete(client, table)
    found = client.get("/audit/list", params={"q": f"lake_table:silver.{table}"}).json()["data"]
    assert [(row["action"], row["subject"]) for row in found] == [("lake.delete_table", f"lake_table:silver.{table}")]


def test_of_many_deletions_at_once_one_succeeds(client: Client, table: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: delete(client, table), range(6)))
    assert statuses == [200, 404, 404, 404, 404, 404]


def test_a_table_of_the_same_name_can_be_made_again(client: Client, table: str) -> None:
    delete(client, table)
    create_in_lake(client, table, b"other\n1\n2\n")
    assert [column["column_name"] for column in call_lake(client, "tables/columns", table=table)] == ["other"]


def test_the_next_validation_of_a_dataset_makes_its_table_again(client: Client) -> None:
    name = new_table_name()
    dataset = create_in_lake(client, name)
    assert delete(client, name).status_code == 200
    assert get_dataset(client, dataset["id"])["state"] == "valid"
    answer = client.post(f"/dataset/{dataset['id']}/validate", params={"wait": 60})
    assert answer.json()["job_state"] == "succeeded", answer.text
    assert call_lake(client, "numeric_stats", table=name, column_name="id")["count"] == 3


def test_a_table_that_a_dataset_is_made_from_is_in_use(client: Client, table: str) -> None:
    made = create_from_table(client, table)
    answer = delete(client, table)
    assert refusal(answer) == (409, "table_in_use")
    assert "a dataset is made from it" in answer.json()["detail"]
    assert table in call_lake(client, "schemas/tables")
    assert client.request("DELETE", f"/dataset/delete/{made['id']}").status_code == 200
    assert delete(client, table).status_code == 200


def test_a_table_that_a_job_writes_is_in_use(platform: Platform, client: Client, table: str) -> None:
    job_id = create_in_lake(client, table, VISITS.replace(b"Rome", b"Bern"))["job_id"]
    number = job_id.rpartition("-")[2]
    execute_sql(platform.settings, "UPDATE job SET state = 'running' WHERE id = ?", int(number))
    try:
        answer = delete(client, table)
    finally:
        execute_sql(platform.settings, "UPDATE job SET state = 'succeeded' WHERE id = ?", int(number))
    assert refusal(answer) == (409, "table_in_use")
    assert job_id in answer.json()["detail"]
    assert delete(client, table).status_code == 200


@contextmanager
def shared(client: Client, stranger: Client) -> Iterator[str]:
    own, other = (user.post("/login/test-token").json()["tenant_id"] for user in (client, stranger))
    share = {"tenant_id": other, "schema_name": "silver", "owner_tenant_id": own, "name": "of_others"}
    made = client.post("/datalake/shares", json=share).json()
    try:
        yield "of_others"
    finally:
        client.request("DELETE", f"/datalake/shares/{made['id']}")


def test_tables_of_others_stay(client: Client, stranger: Client, table: str) -> None:
    assert refusal(delete(stranger, table)) == (404, "table_not_found")
    assert refusal(delete(stranger, table, "of_others")) == (404, "schema_not_found")
    with shared(client, stranger) as schema:
        assert refusal(delete(stranger, table, schema)) == (403, "schema_is_shared")
    assert table in call_lake(client, "schemas/tables")


def test_a_dataset_of_another_tenant_does_not_keep_a_table(client: Client, stranger: Client, table: str) -> None:
    with shared(client, stranger) as schema:
        made = create_from_table(stranger, f"{schema}.{table}")
        assert delete(client, table).status_code == 200
        again = stranger.post(f"/dataset/{made['id']}/validate", params={"wait": 60}).json()
        assert (again["job_state"], get_dataset(stranger, made["id"])["state"]) == ("failed", "failed"), again


@pytest.mark.parametrize("name", ["x'y", "..", "\0", "%", "SILVER", "a.b"], ids=repr)
def test_a_name_with_special_characters_is_not_found(client: Client, name: str) -> None:
    assert refusal(delete(client, name)) == (404, "table_not_found")
    assert refusal(delete(client, "visits", name)) == (404, "schema_not_found")


def test_a_lake_that_does_not_answer_deletes_nothing(
    client: Client, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise Unavailable("The lake does not answer.", code="lake_unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("dataml.datalake.iceberg.drop_table", fail)
        assert refusal(delete(client, table)) == (503, "lake_unavailable")
    assert client.get("/audit/list", params={"q": f"silver.{table}"}).json()["total"] == 0
    assert delete(client, table).status_code == 200


@needs_builtin_lake
def test_the_files_are_removed_a_day_later(platform: Platform, client: Client, table: str) -> None:
    warehouse = platform.settings.lake_root / "warehouse"
    (folder,) = warehouse.glob(f"t_*_silver/{table}-job-*")
    others = new_table_name("other")
    create_in_lake(client, others)
    delete(client, table)

    def collect(hours: float) -> None:
        for path in warehouse.rglob("*"):
            os.utime(path, (time.time() - hours * 3600,) * 2)
        SupervisorThread(platform.settings).stop()

    collect(23)
    assert list(folder.rglob("*.parquet"))
    collect(25)
    assert not folder.exists()
    assert call_lake(client, "numeric_stats", table=others, column_name="id")["count"] == 3


@needs_builtin_lake
def test_a_table_whose_drop_has_failed_keeps_its_files(platform: Platform, client: Client, table: str) -> None:
    warehouse = platform.settings.lake_root / "warehouse"
    (folder,) = warehouse.glob(f"t_*_silver/{table}-job-*")
    (folder / deletion._MARK).write_bytes(b"x")
    for path in warehouse.rglob("*"):
        os.utime(path, (0, 0))
    SupervisorThread(platform.settings).stop()
    assert call_lake(client, "numeric_stats", table=table, column_name="id")["count"] == 3


@needs_builtin_lake
def test_a_table_of_another_engine_is_dropped(platform: Platform, client: Client) -> None:
    name = new_table_name("foreign")
    create_in_lake(client, new_table_name())
    tenant_id = client.post("/login/test-token").json()["tenant_id"].replace("-", "")
    catalog = open_catalog(LakeConfig.from_settings(platform.settings))
    catalog.create_table((f"t_{tenant_id}_silver", name), pa.schema([("id", pa.int64())]))
    catalog.close()
    assert delete(client, name).status_code == 200
    assert call_lake(client, "tables/columns", table=name) == (404, "table_not_found")
