"""The state and the main metric of a training, in every answer that shows one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from tests.client import Client
from tests.conftest import Platform, needs_sqlite
from tests.database import execute_sql
from tests.dataset.datasets import new_name
from tests.sample_tenant import create_forecast
from tests.train.training import SMALL_COLUMNS, row_of, small_dataset, train, trained

PRICE = [
    {"column_name": "id", "attribute_name": "Id"},
    {"column_name": "bought", "attribute_name": "Feature"},
    {"column_name": "price", "attribute_name": "Target"},
]


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def models(client: Client, dataset_id: int) -> dict[str, dict[str, Any]]:
    """A row of the list for each problem type."""
    forecast = row_of(client, create_forecast(client)["forecast_train_id"])
    return {
        "Classification": trained(client, dataset_id, columns=SMALL_COLUMNS),
        "Regression": trained(client, dataset_id, problem_type="Regression", columns=PRICE),
        "Forecast": forecast,
    }


@pytest.mark.parametrize(
    ("problem_type", "metric"), [("Classification", "accuracy"), ("Regression", "r2"), ("Forecast", "wape")]
)
def test_each_row_has_its_main_metric(
    client: Client, models: dict[str, dict[str, Any]], problem_type: str, metric: str
) -> None:
    row = models[problem_type]
    detail = client.get(f"/train/{row['id']}").json()
    assert row["metric"] == detail["metric"] == metric
    assert row["metric_value"] == detail["metric_value"] == detail["metrics"][metric]
    assert isinstance(row["metric_value"], float)
    assert row["state"] == detail["state"] == "succeeded"


def test_trainings_are_sorted_by_their_metric(platform: Platform, client: Client, dataset_id: int) -> None:
    values = [0.5, None, 0.9, 0.1]
    ids = [trained(client, dataset_id)["id"] for _ in values]
    for train_id, value in zip(ids, values, strict=True):
        execute_sql(
            platform.settings, "UPDATE training SET metrics = ? WHERE id = ?", json.dumps({"accuracy": value}), train_id
        )

    def listed(sort: str) -> list[Any]:
        query = {"sort": sort, "problem_type": "Classification", "limit": 1000}
        rows = client.get("/train/list", params=query).json()["data"]
        return [row["metric_value"] for row in rows if row["id"] in ids]

    assert listed("metric_value") == [0.1, 0.5, 0.9, None]
    assert listed("-metric_value") == [0.9, 0.5, 0.1, None]


@contextmanager
def job_in(platform: Platform, row: dict[str, Any], job: str, status: str) -> Iterator[None]:
    """Show a training as it is while its job is in a state."""

    def put(state: str, of_training: str) -> None:
        number = int(row["job_id"].rpartition("-")[2])
        execute_sql(platform.settings, "UPDATE job SET state = ? WHERE id = ?", state, number)
        execute_sql(platform.settings, "UPDATE training SET status = ? WHERE id = ?", of_training, row["id"])

    put(job, status)
    try:
        yield
    finally:
        put("succeeded", "completed")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("running", "submitted_to_ray"),
        ("succeeded", "completed"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ],
)
def test_state_has_the_words_of_jobs(
    platform: Platform, client: Client, models: dict[str, dict[str, Any]], state: str, status: str
) -> None:
    row = models["Classification"]
    with job_in(platform, row, state, status):
        now = row_of(client, row["id"])
        selected = client.get("/train/list", params={"state": state, "limit": 1000}).json()["data"]
        assert now["state"] == client.get(f"/train/{row['id']}").json()["state"] == state
        assert (now["metric"] is None) == (state != "succeeded")
        assert row["id"] in [each["id"] for each in selected]
        assert {each["state"] for each in selected} == {state}


def test_a_new_training_and_a_deleted_one_have_their_states(client: Client, dataset_id: int) -> None:
    answer = train(client, dataset_id)
    assert answer.json()["state"] == answer.json()["job_state"] == "queued"
    client.get(f"/jobs/{answer.json()['job_id']}", params={"wait": 60})
    train_id = answer.json()["id"]
    before = client.get(f"/train/{train_id}").json()
    assert client.request("DELETE", f"/train/delete/{train_id}").status_code == 200
    after = client.get(f"/train/{train_id}").json()
    assert (before["state"], after["state"]) == ("succeeded", "deleted")
    assert after["metric_value"] == before["metric_value"]
    assert client.get("/train/list", params={"state": "deleted"}).json() == {"total": 0, "data": []}


def test_relatives_have_their_states(platform: Platform, client: Client, dataset_id: int) -> None:
    parent = trained(client, dataset_id)
    child = trained(client, dataset_id, predictor_name=parent["predictor_name"], is_incremental=True)
    with job_in(platform, child, "running", "submitted_to_ray"):
        assert [each["state"] for each in client.get(f"/train/{parent['id']}").json()["lineage"]["children"]] == [
            "running"
        ]
    assert client.get(f"/train/{child['id']}").json()["lineage"]["parent"]["state"] == "succeeded"
    client.request("DELETE", f"/train/delete/{child['id']}")
    assert client.get(f"/train/{parent['id']}").json()["lineage"]["children"][0]["state"] == "deleted"


@needs_sqlite
def test_the_list_has_as_many_queries_for_many_trainings_as_for_one(
    platform: Platform, client: Client, models: dict[str, dict[str, Any]]
) -> None:
    row = models["Classification"]
    columns = [name for (name,) in execute_sql(platform.settings, "SELECT name FROM pragma_table_info('training')")]
    copied = [name for name in columns if name not in ("id", "predictor_name", "url_name")]
    stem = new_name("many")
    names = ", ".join(copied)
    execute_sql(
        platform.settings,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        f"INSERT INTO training ({names}, predictor_name, url_name) "
        f"SELECT {names}, '{stem}-' || i, '{stem}-' || i FROM training, n WHERE id = ?",
        row["id"],
    )
    few, many = (count_queries(client, {"limit": limit, "q": stem}) for limit in (1, 1000))
    execute_sql(platform.settings, "DELETE FROM training WHERE predictor_name LIKE ?", f"{stem}%")
    assert (few[1], many[1]) == (1, 1000)
    assert few[0] == many[0] < 10


def count_queries(client: Client, query: dict[str, Any]) -> tuple[int, int]:
    """Return how many statements a list takes, and how many rows it has."""
    engine = client.app.app.state.database.engine.sync_engine  # type: ignore[attr-defined]
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        rows = client.get("/train/list", params=query).json()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert rows["total"] == 2000
    return len(statements), len(rows["data"])
