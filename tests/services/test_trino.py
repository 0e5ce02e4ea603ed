"""A company's lake, asked through a real Trino, answers like the platform's own, and fails like it."""

import math
import threading
import time
from typing import Any

import pytest

from dataml.datalake.executor import Deadline, LakeExecutor
from dataml.datalake.trino import TrinoLake
from dataml.errors import DatamlError, Invalid, NotFound, Unavailable
from dataml.settings import Settings, load_settings
from tests.client import PASSWORD as ADMINS
from tests.client import Client
from tests.conftest import Platform
from tests.datalake.lake import call_lake
from tests.dataset.datasets import upload
from tests.services.conftest import PASSWORD, Trino

pytestmark = pytest.mark.services

ODD = 'a"b; DROP TABLE x --'


def lake_of(trino: Trino, catalog: str = "company", **changes: Any) -> TrinoLake:
    fields = {"trino_url": trino.url(catalog), "trino_ca": trino.certificate} | changes
    return TrinoLake(load_settings(**fields))


def wait() -> Deadline:
    return Deadline(60)


@pytest.fixture(scope="module")
def company(trino: Trino) -> TrinoLake:
    """A catalog with the schema `sales`: the table `visits`, and one with a strange name."""
    lake = lake_of(trino)
    for statement in (
        "CREATE SCHEMA company.sales",
        'CREATE TABLE company.sales.visits (id bigint, place varchar, spent double, "a""b" real, price decimal(10,2), '
        "first date, at timestamp(6) with time zone, tags array(varchar))",
        "INSERT INTO company.sales.visits VALUES "
        "(1, 'Rome', 1.5, REAL '1', 1.25, DATE '2024-01-01', TIMESTAMP '2024-01-01 00:00:00 UTC', ARRAY['a']), "
        "(2, 'Oslo', nan(), REAL '2', 2.25, NULL, NULL, NULL), (3, 'Rome', 4.5, NULL, 3, NULL, NULL, NULL)",
        f'CREATE TABLE memory.default."{ODD.replace(chr(34), chr(34) * 2)}" AS SELECT 1 id',
        "CREATE TABLE memory.default.numbers AS SELECT custkey AS n, name FROM tpch.tiny.customer",
    ):
        lake._query(statement, (), wait())
    return lake


def test_columns_have_the_types_of_trino(company: TrinoLake) -> None:
    found = {column.name: column.data_type for column in company.list_columns("sales", "visits", wait())}
    assert found == {
        "id": "bigint",
        "place": "varchar",
        "spent": "double",
        'a"b': "real",
        "price": "decimal(10,2)",
        "first": "date",
        "at": "timestamp(6) with time zone",
        "tags": "array(varchar)",
    }


def test_tables_are_listed_and_strange_names_work(company: TrinoLake, trino: Trino) -> None:
    assert company.list_tables("sales", wait()) == ["visits"]
    memory = lake_of(trino, "memory")
    assert memory.list_tables("default", wait()) == [ODD.lower(), "numbers"]
    assert memory.compute_statistics("default", ODD.lower(), "id", wait()).count == 1


def test_metadata_of_an_iceberg_table(company: TrinoLake) -> None:
    info = company.get_table_info("sales", "visits", wait())
    assert (info.format, info.row_count) == ("iceberg", 3)
    assert info.size_bytes is not None
    assert info.size_bytes > 0
    assert info.created_at is not None
    assert info.last_write_at is None or info.created_at <= info.last_write_at
    assert info.snapshots[0].snapshot_id != info.snapshots[-1].snapshot_id
    assert (info.location or "").startswith("local:///")


def test_metadata_of_a_table_that_is_not_iceberg(company: TrinoLake, trino: Trino) -> None:
    info = lake_of(trino, "memory").get_table_info("default", "numbers", wait())
    assert (info.format, info.row_count, info.snapshots) == ("memory", 1500, ())


def test_statistics_of_numeric_columns(company: TrinoLake, trino: Trino) -> None:
    found = company.compute_statistics("sales", "visits", "spent", wait())
    assert (found.count, found.mean, found.minimum, found.maximum) == (2, 3.0, 1.5, 4.5)
    assert found.std_dev == pytest.approx(math.sqrt(4.5))
    assert company.compute_statistics("sales", "visits", 'a"b', wait()).mean == 1.5
    assert company.compute_statistics("sales", "visits", "price", wait()).maximum == 3.0
    numbers = lake_of(trino, "memory").compute_statistics("default", "numbers", "n", wait())
    assert (numbers.count, numbers.minimum, numbers.maximum, numbers.mean) == (1500, 1, 1500, 750.5)
    assert numbers.median == pytest.approx(750.5, rel=0.02)


def test_some_rows_are_read(company: TrinoLake) -> None:
    rows = company.read_first_rows("sales", "visits", 10, wait())
    assert len(rows) == 3
    assert list(rows[0]) == [column.name for column in company.list_columns("sales", "visits", wait())]
    assert len(company.read_first_rows("sales", "visits", 2, wait())) == 2


def test_distinct_values_are_counted(company: TrinoLake) -> None:
    assert company.count_distinct("sales", "visits", "place", wait()).distinct == 2
    assert company.count_distinct("sales", "visits", "first", wait()).distinct == 1


def test_missing_names_and_text_columns_are_refused(company: TrinoLake) -> None:
    for name in ("nothing", "'", '"', "visits; DROP TABLE visits", "über"):
        with pytest.raises(NotFound, match="table"):
            company.compute_statistics("sales", name, "id", wait())
        with pytest.raises(NotFound, match="column"):
            company.compute_statistics("sales", "visits", name, wait())
    # A table of Iceberg about another, which has columns of its own.
    with pytest.raises(NotFound, match="column"):
        company.compute_statistics("sales", "visits$snapshots", "id", wait())
    with pytest.raises(Invalid) as caught:
        company.compute_statistics("sales", "visits", "place", wait())
    assert caught.value.code == "not_numeric"
    assert company.has_schema("sales", wait())
    for schema in ("information_schema", "nothing", 'sales"', "tpch.tiny"):
        assert not company.has_schema(schema, wait())


def test_jwt_is_accepted_in_place_of_a_password(company: TrinoLake, trino: Trino) -> None:
    url = f"https://localhost:{trino.port}/company"
    assert "visits" in lake_of(trino, trino_url=url, trino_jwt=trino.token).list_tables("sales", wait())


def failure(lake: TrinoLake, deadline: Deadline) -> str:
    with pytest.raises(DatamlError) as caught:
        lake.list_tables("sales", deadline)
    assert isinstance(caught.value, Unavailable)
    assert PASSWORD not in caught.value.detail
    return caught.value.code


def test_each_connection_failure_has_its_error_code(trino: Trino) -> None:
    assert failure(lake_of(trino, trino_url=trino.url("company", password="wrong password")), wait()) == "lake_refuses"
    assert failure(lake_of(trino, trino_jwt="e.e.e"), wait()) == "lake_refuses"
    assert failure(lake_of(trino, trino_ca=None), wait()) == "lake_unavailable"
    closed = trino.url("company").replace(str(trino.port), "1")
    assert failure(lake_of(trino, trino_url=closed), wait()) == "lake_unavailable"
    assert failure(lake_of(trino, catalog="nowhere"), wait()) == "lake_failed"


def test_query_that_takes_too_long_is_cancelled_on_the_server(company: TrinoLake, client: Client) -> None:
    async def impatient() -> None:
        question = "SELECT count(*) FROM tpch.sf100.lineitem a, tpch.sf100.lineitem b WHERE a.comment < b.comment"
        await LakeExecutor("trino", 3).run(lambda deadline: company._query(question, (), deadline))

    with pytest.raises(Unavailable) as caught:
        client.portal.call(impatient)
    assert caught.value.code == "lake_timeout"
    running = (
        "SELECT state FROM system.runtime.queries WHERE query LIKE '%sf100.lineitem a%' AND query NOT LIKE '%runtime%'"
    )
    deadline = time.monotonic() + 30
    while (states := {row[0] for row in company._query(running, (), wait())}) != {"FAILED"}:
        assert time.monotonic() < deadline, states
        threading.Event().wait(0.2)


@pytest.fixture(scope="module")
def settings(trino: Trino, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return load_settings(home=home, admin_password=ADMINS, trino_url=trino.url("company"), trino_ca=trino.certificate)


def test_tenant_sees_only_shared_schemas(
    company: TrinoLake, platform: Platform, client: Client, stranger: Client
) -> None:
    assert call_lake(stranger, "schemas/tables", schema="sales") == (404, "schema_not_found")
    tenant = stranger.post("/login/test-token").json()["tenant_id"]
    share = {"tenant_id": tenant, "schema_name": "sales", "source": "trino"}
    for name in ("information_schema", "nothing", 'sales"'):
        refused = client.post("/datalake/shares", json=share | {"schema_name": name})
        assert (refused.status_code, refused.json()["code"]) == (404, "schema_not_found")
    assert client.post("/datalake/shares", json=share).status_code == 201
    assert "visits" in call_lake(stranger, "schemas/tables", schema="sales")
    assert call_lake(stranger, "numeric_stats", schema="sales", table="visits", column_name="id")["mean"] == 2.0
    assert call_lake(stranger, "table_metadata", schema="sales", table="visits")["row_count"] == 3
    assert call_lake(client, "schemas/tables", schema="sales") == (404, "schema_not_found")
    answer = upload(stranger, iceberg_table_name="sales.visits")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_iceberg")
