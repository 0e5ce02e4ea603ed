"""Helpers that upload datasets and create templates over the API."""

import itertools
from pathlib import Path
from typing import Any

from httpx import Response

from tests.client import Client, wait_for_job
from tests.conftest import EXAMPLES, Platform
from tests.database import execute_sql

CHURN = EXAMPLES / "telecom_churn.csv"
_numbers = itertools.count(1)


def new_name(stem: str = "dataset") -> str:
    """Return a name that was not used before."""
    return f"{stem}-{next(_numbers)}"


def upload(client: Client, *files: tuple[str, bytes], name: str = "", usage: str = "t", **query: Any) -> Response:
    """Upload files as one dataset, under a new name unless `name` is set."""
    params = {"dataset_name": name or new_name(), "usage": usage} | query
    return client.post("/dataset/upload", params=params, files=[("files", file) for file in files])


def create_dataset(client: Client, *files: tuple[str, bytes], **query: Any) -> dict[str, Any]:
    """Upload a dataset, wait for its validation, and return the answer of `get_dataset_by_id`."""
    answer = upload(client, *files, **query)
    assert answer.status_code == 201, answer.text
    wait_for_job(client, answer.json()["job_id"])
    return get_dataset(client, answer.json()["dataset_id"])


def get_dataset(client: Client, dataset_id: int) -> dict[str, Any]:
    """Return the answer of `get_dataset_by_id`."""
    answer = client.get("/dataset/get_dataset_by_id", params={"dataset_id": dataset_id})
    assert answer.status_code == 200, answer.text
    return answer.json()


def create_template(client: Client, **columns: str) -> int:
    """Create a template with these columns (name=type), and return its id."""
    schema = [{"column_name": name, "data_type": data_type} for name, data_type in columns.items()]
    body = {"template_name": new_name("template"), "template_schema": schema}
    answer = client.post("/template/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def list_remains(platform: Platform) -> tuple[int, list[Path]]:
    """Return the number of datasets of the tenant, and the folders of all uploads in storage."""
    return platform.client.get("/dataset/list").json()["total"], list_upload_folders(platform)


def count_rows(platform: Platform, *tables: str) -> dict[str, int]:
    """Return the number of rows of each of these database tables, of all tenants."""
    return {table: execute_sql(platform.settings, f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def list_upload_folders(platform: Platform) -> list[Path]:
    """Return the folders of all uploads in storage."""
    return sorted((platform.settings.storage_root / "files").glob("*/*"))
