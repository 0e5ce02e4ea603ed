"""Schemas, tables, columns, metadata and statistics of the lake."""

import statistics
from typing import Any

import pytest

from tests.client import Client
from tests.conftest import needs_builtin_lake
from tests.datalake.lake import call_lake, create_in_lake
from tests.reference.record import shows
from tests.test_every_route import refusal

ROWS = (
    b"id,place,spent,first,member\n1,Rome,10.5,2024-01-01,true\n2,Oslo,20,2024-01-02,false\n3,Rome,,2024-01-03,true\n"
)
SPENT = [10.5, 20.0]


@pytest.fixture(scope="module")
def visits(client: Client) -> str:
    """A table of the schema `silver`."""
    create_in_lake(client, "visits", ROWS)
    return "visits"


def distinct(client: Client, column: str, table: str = "visits") -> Any:
    query = {"schema": "silver", "table": table, "column": column}
    return client.get("/datalake/distinct-count", params=query).json()


@shows("GET /datalake/schemas")
def test_schemas_of_the_lake_are_listed(client: Client) -> None:
    schemas = client.get("/datalake/schemas").json()
    assert schemas == ["bronze", "silver", "gold", "default"]
    for schema in schemas:
        assert client.get("/datalake/schemas/tables", params={"schema_name": schema}).status_code == 200


@shows("GET /datalake/schemas/tables")
def test_tables_of_a_schema_are_listed(
    client: Client, stranger: Client, churn: dict[str, Any], customers_to_predict: dict[str, Any], visits: str
) -> None:
    before = call_lake(client, "schemas/tables")
    assert visits in before
    create_in_lake(client, "visits_of_may", ROWS)
    assert sorted(call_lake(client, "schemas/tables")) == sorted([*before, "visits_of_may"])
    assert "visits_of_may" not in call_lake(client, "schemas/tables", "gold")
    assert visits not in call_lake(stranger, "schemas/tables")
    assert call_lake(client, "schemas/tables", "nothing")[0] == 404


@shows("GET /datalake/tables/columns")
def test_columns_of_a_table_have_names_and_types(client: Client, stranger: Client, visits: str) -> None:
    columns = call_lake(client, "tables/columns", table=visits)
    assert [(column["column_name"], column["data_type"]) for column in columns] == [
        ("id", "bigint"),
        ("place", "varchar"),
        ("spent", "double"),
        ("first", "date"),
        ("member", "boolean"),
    ]
    assert call_lake(client, "tables/columns", table="nothing")[0] == 404
    assert call_lake(stranger, "tables/columns", table=visits)[0] == 404


@needs_builtin_lake
@shows("GET /datalake/table_metadata")
def test_metadata_says_whose_a_table_is_where_and_since_when(client: Client, colleague: Client, visits: str) -> None:
    create_in_lake(colleague, "visits_of_a_colleague", ROWS)
    create_in_lake(colleague, "gold.visits", ROWS)
    found = call_lake(client, "table_metadata", table=visits)
    theirs = call_lake(client, "table_metadata", table="visits_of_a_colleague")
    golden = call_lake(client, "table_metadata", "gold", "visits")
    assert (found["schema"], found["table"], found["owner"], found["format"]) == ("silver", visits, "admin", "iceberg")
    assert (theirs["table"], theirs["owner"]) == ("visits_of_a_colleague", "colleague")
    assert golden["schema"] == "gold"
    assert found["created_time"] < theirs["created_time"] < golden["created_time"]
    assert len({table["location"] for table in (found, theirs, golden)}) == 3
    # The last access is the last time that somebody has read the rows.
    before = golden["last_access_time"]
    assert before is None or before >= golden["created_time"]
    call_lake(client, "numeric_stats", "gold", "visits", column_name="spent")
    after = call_lake(client, "table_metadata", "gold", "visits")["last_access_time"]
    assert after > (before or golden["created_time"])
    assert call_lake(client, "table_metadata", table="nothing")[0] == 404


@shows("GET /datalake/numeric_stats")
def test_statistics_are_of_the_values_of_the_column(client: Client, visits: str) -> None:
    assert call_lake(client, "numeric_stats", table=visits, column_name="spent") == {
        "column": "spent",
        "count": 2,
        "mean": statistics.mean(SPENT),
        "std_dev": pytest.approx(statistics.stdev(SPENT)),
        "min": 10.5,
        "max": 20.0,
        "median": statistics.median(SPENT),
    }
    found = call_lake(client, "numeric_stats", table=visits, column_name="id")
    assert (found["count"], found["mean"], found["std_dev"], found["min"], found["max"], found["median"]) == (
        (3, 2.0, 1.0, 1, 3, 2.0)
    )
    assert call_lake(client, "numeric_stats", table=visits, column_name="place")[0] == 422
    assert call_lake(client, "numeric_stats", table=visits, column_name="nothing")[0] == 404


@shows("GET /datalake/distinct-count")
def test_distinct_values_of_a_column_are_counted(client: Client, stranger: Client, visits: str) -> None:
    for column, count in {"place": 2, "id": 3, "spent": 2, "first": 3, "member": 2}.items():
        found = distinct(client, column)
        assert (found["column"], found["distinct_count"]) == (column, count)
    query = {"schema": "silver", "table": visits, "column": "place"}
    assert refusal(stranger.get("/datalake/distinct-count", params=query))[0] == 404
    assert refusal(client.get("/datalake/distinct-count", params=query | {"column": "nothing"}))[0] == 404
