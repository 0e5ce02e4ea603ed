"""A tenant to look at: customers who leave, and departures of airports, as somebody would have them."""

import csv
import io
from typing import Any, Final
from urllib.parse import quote

from tests.browser.hostile import Objects
from tests.client import Client, wait_for_job
from tests.conftest import EXAMPLES
from tests.dataset.datasets import create_dataset
from tests.sample_tenant import create_role, create_user

LAKE_TABLE: Final = "customers"
_CHURN: Final = EXAMPLES / "telecom_churn.csv"
_DEPARTURES: Final = EXAMPLES / "airport_departures.csv"
_CHURN_ROLES: Final = {"customer_id": "Id", "churn": "Target"}
_DEPARTURE_ROLES: Final = {"origin": "Id", "date": "Time", "departures": "Target"}
_TO_SCORE: Final = 500


def create_showcase(client: Client) -> Objects:
    """Create objects of each kind in the client's tenant, and return their ids."""
    template = _post(client, "/template/", json={"template_name": "Orders", "template_schema": _ORDERS})
    invalid = create_dataset(client, ("orders.csv", _orders_csv()), name="Orders of May", template_id=template["id"])
    customers = create_dataset(
        client, ("telecom_churn.csv", _CHURN.read_bytes()), name="Telecom customers", iceberg_table_name=LAKE_TABLE
    )
    _wait(client, _post(client, "/dataset/generate_statistics", params={"dataset_id": customers["id"]}))
    churn = _train(client, customers["id"], "Churn", _CHURN_ROLES, algorithm="LightGBM")
    newer = _train(client, customers["id"], "Churn of customers", _CHURN_ROLES)
    for training in (churn, newer):
        shap = _post(client, "/train/generate-feature-importance", params={"train_id": training["id"]})
        assert wait_for_job(client, shap["shap_job_id"])["state"] == "succeeded"
    departures = create_dataset(
        client, ("airport_departures.csv", _DEPARTURES.read_bytes()), name="Departures of New York"
    )
    forecast = _train(
        client, departures["id"], "Departures", _DEPARTURE_ROLES, problem_type="Forecast", domain="Air traffic",
        algorithm="LightGBM",
    )  # fmt: skip
    to_score = create_dataset(client, ("new.csv", _customers_without_target()), name="New customers", usage="p")
    batch = _post(client, "/inference/batchPrediction", json={"train_id": newer["id"], "dataset_id": to_score["id"]})
    _wait(client, batch)
    return [
        {
            "dataset_id": customers["id"],
            "file_id": _read_file_id(client, customers["id"]),
            "train_id": newer["id"],
            "quoted_name": quote(newer["predictor_name"], safe=""),
            "other_train_id": churn["id"],
            "job_id": newer["job_id"],
            "prediction_id": batch["prediction_id"],
            "tenant_id": _post(client, "/login/test-token")["tenant_id"],
            "user_id": create_user(client, username="grace", first_name="Grace", last_name="Lindqvist")["id"],
            "role_id": create_role(client, "can_view", "can_predict")["id"],
            "key_id": _post(client, "/api-keys", json={"name": "Scoring service"})["id"],
            "session_id": client.get("/sessions/list").json()["data"][-1]["id"],
            "sample": "sample-churn",
            "schema": "silver",
            "table": LAKE_TABLE,
        },
        {"dataset_id": invalid["id"], "template_id": template["id"]},
        {"dataset_id": departures["id"], "train_id": forecast["id"], "job_id": forecast["job_id"]},
    ]


_ORDERS: Final[list[dict[str, Any]]] = [
    {"column_name": "order_id", "data_type": "Integer"},
    {"column_name": "country", "data_type": "String", "allowed_values": ["DE", "FR", "IT"]},
    {"column_name": "ordered_on", "data_type": "Date"},
    {"column_name": "amount", "data_type": "Float", "minimum": "0"},
]


def _orders_csv() -> bytes:
    lines = ["order_id,country,ordered_on,amount"]
    for number in range(400):
        country = "ES" if number % 23 == 0 else ("DE", "FR", "IT")[number % 3]
        amount = "free" if number % 37 == 0 else f"{-1 if number % 41 == 0 else number % 90 + 9.5:.2f}"
        lines.append(f"{number},{country},2026-05-{number % 31 + (1 if number % 29 else 40):02d},{amount}")
    return "\n".join(lines).encode()


def _customers_without_target() -> bytes:
    with _CHURN.open(newline="") as file:
        rows = list(csv.DictReader(file))[:_TO_SCORE]
    written = io.StringIO()
    writer = csv.DictWriter(written, [name for name in rows[0] if name != "churn"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def _train(client: Client, dataset_id: int, name: str, roles: dict[str, str], **changes: Any) -> dict[str, Any]:
    body = {
        "dataset_id": dataset_id,
        "predictor_name": name,
        "domain": "Customers",
        "problem_type": "Classification",
        "columns": [{"column_name": column, "attribute_name": role} for column, role in roles.items()],
    }
    training = _post(client, "/train/", json=body | changes)
    _wait(client, training)
    return training


def _wait(client: Client, answer: dict[str, Any]) -> None:
    job = wait_for_job(client, answer["job_id"])
    assert job["state"] == "succeeded", job


def _read_file_id(client: Client, dataset_id: int) -> int:
    return client.get("/files/list", params={"dataset_id": dataset_id}).json()["data"][0]["id"]


def _post(client: Client, path: str, **request: Any) -> dict[str, Any]:
    answer = client.post(path, **request)
    assert answer.is_success, answer.text
    return answer.json()
