"""The prediction log keeps what was asked of forecasts and batches, so that each can be traced to its rows."""

import hashlib
import json
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.dataset.datasets import create_dataset
from tests.inference.series import SHOPS, ask, day, future_of, shop_rows, trained_forecast
from tests.train.training import small_csv, small_dataset, trained

DAYS = 60
ROLES = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Exogenous"}
PLAIN = ROLES | {"rain": "Ignore"}


@pytest.fixture(scope="module")
def model(client: Client) -> dict[str, Any]:
    return trained_forecast(client, shop_rows(range(DAYS)), PLAIN, algorithm="SeasonalNaive")


def entry(client: Client, model: dict[str, Any], prediction_id: int) -> dict[str, Any]:
    rows = client.get("/inference/predictions", params={"train_id": model["id"], "limit": 1000}).json()["data"]
    return next(row for row in rows if row["prediction_id"] == prediction_id)


def forecast_entry(client: Client, model: dict[str, Any], **question: Any) -> dict[str, Any]:
    answer = ask(client, model, **question)
    assert answer.status_code == 200, answer.text
    return entry(client, model, answer.json()["prediction_id"])


def described(platform: Platform, client: Client, dataset_id: int) -> dict[str, Any]:
    """Return what the log must say of a dataset, with the hash of the file in storage."""
    dataset = client.get("/dataset/get_dataset_by_id", params={"dataset_id": dataset_id}).json()
    content = (platform.settings.storage_root / dataset["validated_path"]).read_bytes()
    assert dataset["validated_sha256"] == hashlib.sha256(content).hexdigest()
    return {
        "dataset_id": dataset_id,
        "dataset_name": dataset["dataset_name"],
        "dataset_version": dataset["version"],
        "parquet": dataset["validated_path"],
        "parquet_sha256": dataset["validated_sha256"],
    }


def test_forecast_is_logged_with_its_options(client: Client, model: dict[str, Any]) -> None:
    row = forecast_entry(client, model, unique_ids=["north", "west"], steps=3, level=80, round=True)
    assert row["no_of_records"] == 6
    assert row["request"] == {
        "preprocess_id": model["preprocess_id"],
        "steps": 3,
        "frequency": "Day",
        "unique_ids": ["north", "west"],
        "level": 80.0,
        "aggregate": "sum",
        "round": True,
        "explain": False,
        "revised": "refuse",
        "dataset": None,
        "observations": None,
        "future": None,
    }
    assert json.loads(row["input_data"]) == {"unique_ids": ["north", "west"], "steps": 3, "frequency": None}
    weeks = forecast_entry(client, model, unique_ids="all", steps=2, frequency="Week", aggregate="mean")
    assert weeks["no_of_records"] == 2 * len(SHOPS)
    asked = weeks["request"]
    assert (asked["frequency"], asked["aggregate"], asked["unique_ids"]) == ("Week", "mean", "all")


def test_forecasts_with_other_observations_are_told_apart(
    platform: Platform, client: Client, model: dict[str, Any]
) -> None:
    contents = [shop_rows(range(DAYS, DAYS + more)) for more in (3, 5)]
    ids = [create_dataset(client, ("new.csv", content), usage="p")["id"] for content in contents]
    rows = [forecast_entry(client, model, unique_id="north", dataset_id=dataset_id) for dataset_id in ids]
    observed = [row["request"]["dataset"] for row in rows]
    assert observed == [described(platform, client, dataset_id) for dataset_id in ids]
    assert observed[0]["parquet_sha256"] != observed[1]["parquet_sha256"]
    added = client.post(
        "/files/add",
        params={"dataset_id": ids[0]},
        files=[("files", ("more.csv", shop_rows(range(DAYS + 3, DAYS + 4))))],
    ).json()
    assert wait_for_job(client, added["job_id"])["state"] == "succeeded"
    again = forecast_entry(client, model, unique_id="north", dataset_id=ids[0])["request"]["dataset"]
    assert (observed[0]["dataset_version"], again["dataset_version"]) == (1, 2)
    assert again["parquet_sha256"] != observed[0]["parquet_sha256"]
    client.request("DELETE", f"/dataset/delete/{ids[1]}")
    assert entry(client, model, rows[1]["prediction_id"])["request"]["dataset"] == observed[1]


def test_future_values_are_logged_or_hashed(platform: Platform, client: Client) -> None:
    model = trained_forecast(client, shop_rows(range(DAYS)), ROLES, algorithm="LightGBM")
    rows = future_of(range(DAYS, DAYS + 3), "north")
    few = forecast_entry(client, model, unique_id="north", future=rows)["request"]["future"]
    assert (few["rows"], few["values"]) == (3, rows)
    many = future_of(range(DAYS, DAYS + 500), "north")
    lot = forecast_entry(client, model, unique_id="north", steps=500, future=many)["request"]["future"]
    assert (lot["rows"], lot["values"]) == (500, None)
    compact = json.dumps(many, separators=(",", ":")).encode()
    assert lot["sha256"] == hashlib.sha256(compact).hexdigest()
    dataset = create_dataset(client, ("future.csv", shop_rows(range(DAYS, DAYS + 3), target=False)), usage="p")
    read = forecast_entry(client, model, unique_id="north", future={"dataset_id": dataset["id"]})["request"]["future"]
    assert read == described(platform, client, dataset["id"])


def test_many_series_are_hashed(client: Client) -> None:
    shops = [f"shop{number}" for number in range(150)]
    lines = ["shop,day,sold", *(f"{shop},{day(n)},{n % 7}" for shop in shops for n in range(28))]
    roles = {"shop": "Id", "day": "Time", "sold": "Target"}
    model = trained_forecast(client, "\n".join(lines).encode(), roles, algorithm="SeasonalNaive")
    asked = forecast_entry(client, model, unique_ids=shops, steps=1)["request"]
    assert (len(asked["unique_ids"]), asked["unique_ids_count"]) == (100, 150)
    other = forecast_entry(client, model, unique_ids=[*shops[:149], shops[0]], steps=1)["request"]
    assert other["unique_ids"] == asked["unique_ids"]
    assert other["unique_ids_sha256"] != asked["unique_ids_sha256"]


def test_batch_is_logged_with_the_version_of_its_dataset(platform: Platform, client: Client) -> None:
    model = trained(client, small_dataset(client))
    dataset = create_dataset(client, ("rows.csv", small_csv(20, target=False)), usage="p")
    body = {"train_id": model["id"], "dataset_id": dataset["id"], "explain": True, "result_table": "scored"}
    batch = client.post("/inference/batchPrediction", json=body).json()
    job = wait_for_job(client, batch["job_id"])
    assert job["state"] == "succeeded"
    row = entry(client, model, batch["prediction_id"])
    assert row["request"] == {
        "preprocess_id": model["preprocess_id"],
        "dataset": described(platform, client, dataset["id"]),
        "explain": True,
        "result_table": {"name": "scored", "mode": "append"},
        "threshold": 0.5,
        "threshold_source": "default",
    }
    assert row["input_data"] == f"dataset_id:{dataset['id']}"
    result = client.get("/inference/result", params={"prediction_id": batch["prediction_id"]}).json()
    assert result["request"] == job["request"] == row["request"]
    training = client.get("/jobs/" + model["job_id"]).json()
    assert training["request"] is None


def test_batch_forecast_is_logged_with_its_observations(
    platform: Platform, client: Client, model: dict[str, Any]
) -> None:
    new = create_dataset(client, ("new.csv", shop_rows(range(DAYS, DAYS + 3))), usage="p")
    options = {"steps": 2, "observations_id": new["id"], "level": 80}
    batch = client.post("/inference/batchPrediction", json={"train_id": model["id"], "forecast": options}).json()
    job = wait_for_job(client, batch["job_id"])
    assert job["state"] == "succeeded", job
    asked = job["request"]
    assert asked["observations"] == described(platform, client, new["id"])
    assert (asked["steps"], asked["level"], asked["unique_ids"], asked["future"]) == (2, 80.0, "all", None)
    row = entry(client, model, batch["prediction_id"])
    assert (row["request"], row["no_of_records"]) == (asked, 2 * len(SHOPS))
