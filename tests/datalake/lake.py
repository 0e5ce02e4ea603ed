"""Helpers that create lake tables, and datasets from them, over the API."""

from typing import Any

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset, get_dataset, new_name, upload

VISITS = b"id,place,spent,first\n1,Rome,10.5,2024-01-01\n2,Oslo,20,2024-01-02\n3,Rome,,2024-01-03\n"


def new_table_name(stem: str = "visits") -> str:
    """Return a name of a table that was not used before."""
    return new_name(stem).replace("-", "_")


def create_in_lake(client: Client, table: str, content: bytes = VISITS, **query: Any) -> dict[str, Any]:
    """Create a dataset whose rows are written to a lake table."""
    return create_dataset(client, ("visits.csv", content), iceberg_table_name=table, **query)


def create_from_table(client: Client, table: str, **query: Any) -> dict[str, Any]:
    """Create a dataset from a lake table."""
    answer = upload(client, iceberg_table_name=table, **query)
    assert answer.status_code == 201, answer.text
    wait_for_job(client, answer.json()["job_id"])
    return get_dataset(client, answer.json()["dataset_id"])


def call_lake(client: Client, call: str, schema: str = "silver", table: str = "", **query: Any) -> Any:
    """Return the JSON of the answer of a lake call, or its status and code when it is an error."""
    params = {"schema_name": schema} | ({"table_name": table} if table else {}) | query
    answer = client.get(f"/datalake/{call}", params=params)
    return answer.json() if answer.status_code == 200 else (answer.status_code, answer.json()["code"])
