"""A table with thousands of columns goes from upload through training to prediction."""

import os

import numpy as np

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset
from tests.train.training import trained

# More than any list or request that is made for tens of columns is likely to be tried with.
COLUMNS = int(os.environ.get("DATAML_TEST_COLUMNS", "2100"))
ROWS = 60


def wide_csv(*, target: bool = True) -> bytes:
    """Return `x0` to the last column, and `y`, which is whether `x0` is positive."""
    x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).round(3)
    names = ",".join(f"x{number}" for number in range(COLUMNS)) + (",y" if target else "")
    lines = [",".join(map(str, row)) + (f",{str(row[0] > 0).lower()}" if target else "") for row in x]
    return "\n".join([names, *lines]).encode()


def test_a_wide_table_is_trained_on_and_predicted(client: Client) -> None:
    made = create_dataset(client, ("wide.csv", wide_csv()))
    assert (made["state"], len(made["schema"])) == ("valid", COLUMNS + 1)
    columns = [{"column_name": "y", "attribute_name": "Target"}]
    options = {"algorithm": "auto", "hyperparameters": {"n_estimators": 8}}
    training = trained(client, made["id"], columns=columns, **options)
    detail = client.get(f"/train/{training['id']}").json()
    assert f"of {COLUMNS:,} columns" in detail["summary"]["limited_candidates"]["CatBoost"]
    row = {f"x{number}": 0.5 if number == 0 else 0.0 for number in range(COLUMNS)}
    named = {"train_id": training["id"], "preprocess_id": training["preprocess_id"], "target": "y"}
    answer = client.post("/inference/", json=named | {"features": row})
    assert (answer.status_code, answer.json()["prediction"]) == (200, True), answer.text[:500]
    form = client.get("/inference/form-based-prediction", params={"id": training["id"]})
    assert len(form.json()["headers"]) == COLUMNS
    assert client.get(f"/train/{training['id']}/report", params={"format": "html"}).status_code == 200

    to_score = create_dataset(client, ("wide.csv", wide_csv(target=False)), usage="p")
    batch = client.post("/inference/batchPrediction", json={"train_id": training["id"], "dataset_id": to_score["id"]})
    assert wait_for_job(client, batch.json()["job_id"])["state"] == "succeeded"
    started = client.post("/train/generate-feature-importance", params={"train_id": training["id"]}).json()
    assert wait_for_job(client, started["shap_job_id"])["state"] == "succeeded"
    importance = client.get("/train/view-feature-importance", params={"train_id": training["id"]}).json()
    assert max(importance["feature_importance"], key=importance["feature_importance"].get) == "x0"
