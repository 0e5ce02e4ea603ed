"""Helpers that train models in tests: on a small table that is quick to learn, and on the churn file."""

import itertools
import random
from typing import Any

from httpx import Response

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset

_numbers = itertools.count(1)
CHURN_COLUMNS = [
    {"column_name": "customer_id", "attribute_name": "Id"},
    {"column_name": "churn", "attribute_name": "Target"},
]
SMALL_COLUMNS = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "bought", "attribute_name": "Target"}]


def small_csv(rows: int = 300, *, target: bool = True) -> bytes:
    """Return `id,age,colour,price,bought`: older people and the colour red buy; one row in ten is noise."""
    dice = random.Random(7)
    lines = ["id,age,colour,price" + (",bought" if target else "")]
    for number in range(rows):
        age, colour = dice.randint(18, 80), dice.choice(["red", "green", "blue"])
        bought = (age > 50 or colour == "red") != (dice.random() < 0.1)
        price = f"{dice.uniform(1, 100):.2f}"
        lines.append(f"A{number},{age},{colour},{price}" + (f",{'yes' if bought else 'no'}" if target else ""))
    return ("\n".join(lines) + "\n").encode()


def small_dataset(client: Client, usage: str = "t") -> int:
    content = small_csv(target=usage == "t")
    return create_dataset(client, ("small.csv", content), usage=usage)["id"]


def new_predictor() -> str:
    return f"predictor-{next(_numbers)}"


def train(client: Client, dataset_id: int, **changes: Any) -> Response:
    """Send a training request on the small dataset, with some fields changed."""
    body = {
        "dataset_id": dataset_id,
        "predictor_name": new_predictor(),
        "domain": "Tests",
        "problem_type": "Classification",
        "algorithm": "LightGBM",
        "columns": SMALL_COLUMNS,
    }
    return client.post("/train/", json=body | changes)


def trained(client: Client, dataset_id: int, **changes: Any) -> dict[str, Any]:
    """Return the row in `train/list` of a training that has succeeded."""
    answer = train(client, dataset_id, **changes)
    assert answer.status_code == 201, answer.text
    job = wait_for_job(client, answer.json()["job_id"])
    assert job["state"] == "succeeded", job
    return row_of(client, answer.json()["id"])


def row_of(client: Client, train_id: int) -> dict[str, Any]:
    rows = client.get("/train/list", params={"limit": 1000}).json()["data"]
    return next(row for row in rows if row["id"] == train_id)
