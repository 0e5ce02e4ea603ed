"""A prediction can be traced back to the inputs and the configuration that produced it."""

import hashlib
from typing import Any

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset
from tests.inference.series import shop_rows
from tests.reference.conftest import DAYS, SHOP_ROLES, customers_csv
from tests.reference.test_files import by_id, download, list_files
from tests.reference.test_inference import forecast, list_log, start_batch


def get_training(client: Client, train_id: int) -> dict[str, Any]:
    answer = client.get(f"/train/{train_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_training_records_the_roles_and_the_data_that_it_was_made_from(
    client: Client, churn: dict[str, Any], shops: dict[str, Any], customers: dict[str, Any]
) -> None:
    found = get_training(client, churn["id"])
    assert {name: found["roles"][name] for name in ("id", "left")} == {"id": "Id", "left": "Target"}
    assert found["hyperparameters"]["n_estimators"] == 20
    dataset = found["lineage"]["dataset"]
    assert (dataset["id"], dataset["name"], dataset["template_id"]) == (
        customers["id"],
        "customers",
        customers["template_id"],
    )
    versions = client.get(f"/template/{dataset['template_id']}/versions").json()["data"]
    (version,) = [version for version in versions if version["version"] == dataset["template_version"]]
    assert [column["column_name"] for column in version["template_schema"]] == ["id", "age", "plan", "left"]
    # The files, byte for byte, and the rows that were read of them.
    (file,) = dataset["files"]
    assert download(client, by_id(client, file["file_id"])["csv_file_path"]).content == customers_csv()
    rows = download(client, customers["validated_path"]).content
    assert hashlib.sha256(rows).hexdigest() == dataset["parquet_sha256"]
    assert get_training(client, shops["id"])["roles"].items() >= SHOP_ROLES.items()


def test_batch_leads_to_its_rows_its_model_and_its_result(
    client: Client, churn: dict[str, Any], customers_to_predict: dict[str, Any]
) -> None:
    batch = start_batch(client, churn, customers_to_predict["id"])
    wait_for_job(client, batch["job_id"])
    (entry,) = [row for row in list_log(client, churn["id"]) if row["prediction_id"] == batch["prediction_id"]]
    read = entry["request"]["dataset"]
    assert (read["dataset_id"], read["dataset_version"]) == (customers_to_predict["id"], 1)
    rows = download(client, customers_to_predict["validated_path"]).content
    assert hashlib.sha256(rows).hexdigest() == read["parquet_sha256"]
    assert get_training(client, entry["train_id"])["predictor_name"] == entry["predictor_name"]
    result = client.get("/inference/result", params={"prediction_id": entry["prediction_id"]}).json()
    assert result["file_id"] in [file["id"] for file in list_files(client, customers_to_predict["id"])]


def test_forecasts_with_other_inputs_can_be_told_apart(client: Client, shops: dict[str, Any]) -> None:
    """The same series and steps, before and after new rows: the log says what each was made from."""
    later = create_dataset(client, ("later.csv", shop_rows(range(DAYS, DAYS + 5))), usage="p")
    asked = [
        forecast(client, shops, steps=2, unique_id="west", **more).json()["prediction_id"]
        for more in ({}, {"dataset_id": later["id"]})
    ]
    entries = {entry["prediction_id"]: entry for entry in list_log(client, shops["id"])}
    requests = [entries[prediction_id]["request"] for prediction_id in asked]
    assert [(request["steps"], request["frequency"], request["unique_ids"]) for request in requests] == (
        [(2, "Day", ["west"])] * 2
    )
    assert requests[0]["dataset"] is None
    assert requests[1]["dataset"]["dataset_id"] == later["id"]
    assert [entries[prediction_id]["dataset_id"] for prediction_id in asked] == [None, later["id"]]
    # The record stays when the dataset is deleted.
    assert client.request("DELETE", f"/dataset/delete/{later['id']}").status_code == 200
    entries = {entry["prediction_id"]: entry for entry in list_log(client, shops["id"])}
    assert entries[asked[1]]["dataset_id"] is None
    assert entries[asked[1]]["request"] == requests[1]
