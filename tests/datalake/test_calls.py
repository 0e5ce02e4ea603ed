"""Lake calls describe the tables of the platform's lake to the tenants that may read them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dataml.datalake.schemas import TablePreview
from tests.client import Client
from tests.conftest import ON_REST_CATALOG, Platform
from tests.datalake.lake import VISITS, call_lake, create_from_table, create_in_lake, new_table_name


@pytest.fixture(scope="module")
def table(client: Client) -> str:
    name = new_table_name()
    create_in_lake(client, name, VISITS.replace(b"spent", b'"a""b"'))
    return name


def test_every_tenant_has_four_schemas(client: Client, stranger: Client) -> None:
    for user in (client, stranger):
        assert user.get("/datalake/schemas").json() == ["bronze", "silver", "gold", "default"]
    assert client.get("/datalake/schemas", params={"limit": 1, "offset": 2}).json() == ["gold"]


def test_tables_are_listed_in_pages(client: Client, table: str) -> None:
    other = new_table_name("a_first_one")
    create_in_lake(client, other)
    assert call_lake(client, "schemas/tables")[0] == other
    assert table in call_lake(client, "schemas/tables")
    assert call_lake(client, "schemas/tables", limit=1) == [other]
    assert call_lake(client, "schemas/tables", schema="gold") == []


def test_columns_have_trinos_types(client: Client, table: str) -> None:
    assert call_lake(client, "tables/columns", table=table) == [
        {"column_name": "id", "data_type": "bigint"},
        {"column_name": "place", "data_type": "varchar"},
        {"column_name": 'a"b', "data_type": "double"},
        {"column_name": "first", "data_type": "date"},
    ]
    assert call_lake(client, "tables/columns", table=table, limit=1, offset=1)[0]["column_name"] == "place"


def test_metadata_names_what_made_the_table(platform: Platform, client: Client) -> None:
    name = new_table_name()
    dataset = create_in_lake(client, name)
    found = call_lake(client, "table_metadata", table=name)
    assert (found["schema"], found["table"], found["owner"], found["format"]) == ("silver", name, "admin", "iceberg")
    assert (found["row_count"], found["snapshot_count"]) == (3, 1)
    assert found["size_bytes"] > 100
    assert found["created_time"].endswith("Z")
    assert found["last_access_time"] is None
    assert found["location"].startswith("s3://" if ON_REST_CATALOG else "lake/warehouse/")
    assert str(platform.settings.root) not in str(found)
    snapshot = found["snapshots"][0]
    assert snapshot["snapshot_id"] == dataset["iceberg_snapshot_id"]
    assert snapshot["made_by"].items() >= {"dataset-id": str(dataset["id"]), "dataset-version": "1"}.items()
    assert f"validate-job-{snapshot['made_by']['job-id']}" == dataset["job_id"]


def test_metadata_has_the_last_access(client: Client) -> None:
    name, other = new_table_name(), new_table_name()
    create_in_lake(client, name)
    create_in_lake(client, other)

    def accessed(table: str = name) -> str | None:
        return call_lake(client, "table_metadata", table=table)["last_access_time"]

    assert accessed() is None
    call_lake(client, "tables/columns", table=name)
    assert accessed() is None
    times = []
    for read in (
        lambda: call_lake(client, "numeric_stats", table=name, column_name="id"),
        lambda: client.get("/datalake/distinct-count", params={"schema": "silver", "table": name, "column": "id"}),
        lambda: create_from_table(client, name),
    ):
        read()
        times.append(accessed())
    assert times == sorted(set(times))
    assert times[0] > call_lake(client, "table_metadata", table=name)["created_time"]
    assert accessed(other) is None


def test_statistics_are_computed_of_numeric_columns_only(client: Client, table: str) -> None:
    assert call_lake(client, "numeric_stats", table=table, column_name="id") == {
        "column": "id",
        "count": 3,
        "mean": 2.0,
        "std_dev": 1.0,
        "min": 1,
        "max": 3,
        "median": 2.0,
    }
    assert call_lake(client, "numeric_stats", table=table, column_name='a"b')["mean"] == 15.25
    for column in ("place", "first"):
        assert call_lake(client, "numeric_stats", table=table, column_name=column) == (422, "not_numeric")


@pytest.mark.parametrize(("column", "count"), [("place", 2), ('a"b', 2), ("first", 3), ("id", 3)])
def test_distinct_values_are_counted_without_null(client: Client, table: str, column: str, count: int) -> None:
    query = {"schema": "silver", "table": table, "column": column}
    assert client.get("/datalake/distinct-count", params=query).json() == {
        "column": column,
        "distinct_count": count,
        "is_exact": True,
    }


SPECIAL_NAMES = [
    "x'y",
    'x"y',
    "x;DROP TABLE y",
    "x--",
    "x/*y*/",
    "über",
    "\u202ex",
    "information_schema",
    "other.silver",
]
SPECIAL_NAMES += ["t_00000000000000000000000000000000_silver", "%", "_", "..", "../gold", "\0", " silver", "SILVER"]


@pytest.mark.parametrize("name", SPECIAL_NAMES, ids=repr)
def test_a_name_with_special_characters_is_not_found(client: Client, table: str, name: str) -> None:
    named: list[tuple[str, dict[str, Any], str]] = [
        ("schemas/tables", {"schema": name}, "schema_not_found"),
        ("tables/columns", {"schema": name, "table": table}, "schema_not_found"),
        ("tables/columns", {"table": name}, "table_not_found"),
        ("table_metadata", {"table": name}, "table_not_found"),
        ("numeric_stats", {"table": name, "column_name": "id"}, "table_not_found"),
        ("numeric_stats", {"table": table, "column_name": name}, "column_not_found"),
    ]
    for call, query, code in named:
        assert call_lake(client, call, **query) == (404, code)
    query = {"schema": "silver", "table": table, "column": name}
    assert client.get("/datalake/distinct-count", params=query).status_code == 404


def test_another_tenant_does_not_see_the_table(client: Client, stranger: Client, table: str) -> None:
    assert call_lake(stranger, "schemas/tables") == []
    assert call_lake(stranger, "tables/columns", table=table) == (404, "table_not_found")


def test_a_shared_schema_can_be_read_until_the_share_is_removed(client: Client, stranger: Client, table: str) -> None:
    own, other = (user.post("/login/test-token").json()["tenant_id"] for user in (client, stranger))
    share = {"tenant_id": other, "schema_name": "silver", "owner_tenant_id": own, "name": "of the default tenant"}
    made = client.post("/datalake/shares", json=share)
    assert made.status_code == 201, made.text
    again = client.post("/datalake/shares", json=share)
    assert (again.status_code, again.json()["code"]) == (409, "share_exists")
    assert stranger.get("/datalake/schemas").json() == ["bronze", "silver", "gold", "default", share["name"]]
    assert table in call_lake(stranger, "schemas/tables", schema=share["name"])
    assert call_lake(stranger, "numeric_stats", schema=share["name"], table=table, column_name="id")["count"] == 3
    assert client.get("/datalake/schemas").json() == ["bronze", "silver", "gold", "default"]
    assert made.json()["id"] in [row["id"] for row in client.get("/datalake/shares/list").json()["data"]]
    assert client.request("DELETE", f"/datalake/shares/{made.json()['id']}").status_code == 200
    assert call_lake(stranger, "schemas/tables", schema=share["name"]) == (404, "schema_not_found")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": "silver"}, "share_exists"),
        ({"schema_name": "platinum"}, "schema_not_found"),
        ({"schema_name": "sales", "owner_tenant_id": None}, "schema_not_found"),
        ({"schema_name": "sales", "owner_tenant_id": None, "source": "trino"}, "schema_not_found"),
        ({"source": "trino"}, "share_of_trino"),
        ({"tenant_id": "nobody"}, "tenant_not_found"),
        ({"owner_tenant_id": "nobody"}, "tenant_not_found"),
    ],
)
def test_an_invalid_share_is_refused(client: Client, stranger: Client, fields: dict[str, Any], code: str) -> None:
    own, other = (user.post("/login/test-token").json()["tenant_id"] for user in (client, stranger))
    share = {"tenant_id": other, "schema_name": "silver", "owner_tenant_id": own, "name": "shared"} | fields
    assert client.post("/datalake/shares", json=share).json()["code"] == code


def test_the_namespace_of_a_tenant_cannot_be_shared_by_its_name(client: Client, stranger: Client, table: str) -> None:
    own, other = (user.post("/login/test-token").json()["tenant_id"] for user in (client, stranger))
    namespace = f"t_{own.replace('-', '')}_silver"
    for name in (namespace, f" {namespace}", f"{namespace}.", f"x.{namespace}"):
        share = {"tenant_id": other, "schema_name": name, "name": "x"}
        assert client.post("/datalake/shares", json=share).json()["code"] == "schema_not_found"


def test_a_misspelt_table_is_suggested_to_its_own_tenant(client: Client, stranger: Client) -> None:
    create_in_lake(client, "quarterly_revenue")
    params = {"schema_name": "silver", "table_name": "quaterly_revenue"}
    statistics = {"schema": "silver", "table": "Quarterly_Revenue", "column": "id"}
    for path, query in (("tables/columns", params), ("table_metadata", params), ("distinct-count", statistics)):
        answer = client.get(f"/datalake/{path}", params=query)
        assert (answer.status_code, answer.json()["code"]) == (404, "table_not_found")
        assert answer.json()["detail"].endswith("in the schema; did you mean 'quarterly_revenue'?")
        refusal = stranger.get(f"/datalake/{path}", params=query)
        assert (refusal.status_code, refusal.json()["detail"]) == (404, "There is no table of this name in the schema.")


def test_deletion_suggests_a_table_to_who_may_list_them(client: Client) -> None:
    create_in_lake(client, "monthly_revenue")
    params = {"schema_name": "silver", "table_name": "montly_revenue"}
    suggested = client.request("DELETE", "/datalake/tables", params=params).json()["detail"]
    assert suggested.endswith("in the schema; did you mean 'monthly_revenue'?")
    key = {"name": "deletes only", "permissions": ["can_delete_dataset"]}
    made = client.post("/api-keys/", json=key).json()["key"]
    deleter = Client(client.app, client.portal, {"Authorization": f"Bearer {made}"})
    answer = deleter.request("DELETE", "/datalake/tables", params=params)
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no table of this name in the schema.")


def test_some_rows_are_shown(client: Client, table: str) -> None:
    rows = call_lake(client, "tables/rows", table=table)["preview"]
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert list(rows[0]) == ["id", "place", 'a"b', "first"]
    assert len(call_lake(client, "tables/rows", table=table, limit=2)["preview"]) == 2
    assert rows[0]["first"].count("-") == 2


def test_rows_of_any_values_are_json() -> None:
    moment = datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)
    row = {
        "d": date(1, 1, 1),
        "t": moment,
        "n": float("nan"),
        "i": 2**60,
        "x": Decimal("1.50"),
        "l": [1],
        "s": "y" * 5000,
    }
    (shown,) = TablePreview.from_rows([row]).preview
    assert len(shown.pop("s")) == 4096
    assert shown == {"d": "0001-01-01", "t": "2024-02-29T01:02:03Z", "n": None, "i": 2**60, "x": "1.50", "l": "[1]"}
