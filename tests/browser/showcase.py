"""A tenant to look at: customers who leave, and departures of airports, as somebody would have them."""

import csv
import io
from typing import Any, Final

from tests.browser import objects
from tests.browser.objects import Objects
from tests.client import Client
from tests.conftest import EXAMPLES
from tests.dataset.datasets import create_dataset
from tests.sample_tenant import create_user

LAKE_TABLE: Final = "customers"
_CHURN: Final = EXAMPLES / "telecom_churn.csv"
_DEPARTURES: Final = EXAMPLES / "airport_departures.csv"
_CHURN_ROLES: Final = {"customer_id": "Id", "churn": "Target"}
_DEPARTURE_ROLES: Final = {"origin": "Id", "date": "Time", "departures": "Target"}
_CUSTOMERS: Final = "Customers"
_TO_SCORE: Final = 500


def create_showcase(client: Client) -> Objects:
    """Create objects of each kind in the client's tenant, and return their ids."""
    template = objects.post(client, "/template/", json={"template_name": "Orders", "template_schema": _ORDERS})
    invalid = create_dataset(client, ("orders.csv", _orders_csv()), name="Orders of May", template_id=template["id"])
    customers = create_dataset(
        client, ("telecom_churn.csv", _CHURN.read_bytes()), name="Telecom customers", iceberg_table_name=LAKE_TABLE
    )
    statistics = objects.post(client, "/dataset/generate_statistics", params={"dataset_id": customers["id"]})
    objects.wait(client, statistics)
    older = objects.train(client, customers["id"], "Churn", _CHURN_ROLES, _CUSTOMERS, algorithm="LightGBM")
    newer = objects.train(client, customers["id"], "Churn of customers", _CHURN_ROLES, _CUSTOMERS)
    for training in (older, newer):
        objects.explain(client, training)
    departures = create_dataset(
        client, ("airport_departures.csv", _DEPARTURES.read_bytes()), name="Departures of New York"
    )
    forecast = objects.train(
        client, departures["id"], "Departures", _DEPARTURE_ROLES, "Air traffic", problem_type="Forecast",
        algorithm="LightGBM",
    )  # fmt: skip
    to_score = create_dataset(client, ("new.csv", _customers_without_target()), name="New customers", usage="p")
    batch = objects.score(client, newer, to_score)
    user = create_user(client, username="grace", first_name="Grace", last_name="Lindqvist")
    return [
        objects.list_ids(client, customers, newer, older, batch, user, "Scoring service", LAKE_TABLE),
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
