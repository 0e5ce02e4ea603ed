"""Helpers that make series, and forecast models of them, in tests."""

import math
import random
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from httpx import Response

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset
from tests.train.training import new_predictor, row_of

FIRST = date(2024, 1, 1)
SHOPS = ("north", "south", "west")
ROLES = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Exogenous"}


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def rain(number: int, shop: str) -> int:
    return (number * 7 + len(shop) * 3) % 5


def sold(number: int, shop: str) -> int:
    """Return sales with a weekly season, less in the rain, and noise that depends on the arguments only."""
    noise = random.Random(f"{shop}{number}").gauss(0, 2)
    level = 40 + 10 * SHOPS.index(shop) + 12 * math.sin(2 * math.pi * number / 7)
    return max(0, round(level - 4 * rain(number, shop) + noise))


def shop_rows(days: Iterable[int], *, target: bool = True, shops: Iterable[str] = SHOPS) -> bytes:
    """Return `shop,day,rain,sold` of these days, series by series."""
    lines = ["shop,day,rain" + (",sold" if target else "")]
    days = list(days)
    for shop in shops:
        for number in days:
            line = f"{shop},{day(number)},{rain(number, shop)}"
            lines.append(f"{line},{sold(number, shop)}" if target else line)
    return ("\n".join(lines) + "\n").encode()


def future_of(days: Iterable[int], *shops: str) -> list[dict[str, Any]]:
    return [{"shop": shop, "day": day(n), "rain": rain(n, shop)} for shop in shops for n in days]


def columns_of(roles: dict[str, str]) -> list[dict[str, str]]:
    return [{"column_name": name, "attribute_name": role} for name, role in roles.items()]


def forecast_request(dataset_id: int, **changes: Any) -> dict[str, Any]:
    body = {
        "dataset_id": dataset_id,
        "predictor_name": new_predictor(),
        "domain": "Sales",
        "problem_type": "Forecast",
        "columns": columns_of(ROLES),
        "forecast": {"horizon": 7, "windows": 2},
    }
    return body | changes


def train_forecast(client: Client, content: bytes, roles: dict[str, str] = ROLES, **changes: Any) -> Response:
    dataset = create_dataset(client, ("series.csv", content))
    return client.post("/train/", json=forecast_request(dataset["id"], columns=columns_of(roles)) | changes)


def trained_forecast(client: Client, content: bytes, roles: dict[str, str] = ROLES, **changes: Any) -> dict[str, Any]:
    """Return the row in `train/list` of a forecast model that is ready."""
    answer = train_forecast(client, content, roles, **changes)
    assert answer.status_code == 201, answer.text
    job = wait_for_job(client, answer.json()["job_id"], 180)
    assert job["state"] == "succeeded", job
    return row_of(client, answer.json()["id"])


def ask(client: Client, model: dict[str, Any], **question: Any) -> Response:
    body = {"train_id": model["id"], "preprocess_id": model["preprocess_id"], "steps": 3} | question
    return client.post("/inference/forecast", json=body)
