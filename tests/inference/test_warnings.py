"""Warnings of predictions: values that the training has not seen, in real time and in batches."""

import csv
import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset
from tests.train.training import small_csv, small_dataset, trained

ROW = {"age": 64, "colour": "red", "price": 12.5}


@pytest.fixture(scope="module")
def model(client: Client) -> dict[str, Any]:
    return trained(client, small_dataset(client))


def predict(client: Client, model: dict[str, Any], features: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(model["endpoint_url"], json={"features": features})
    assert answer.status_code == 200, answer.text
    return answer.json()


def score(
    client: Client, model: dict[str, Any], name: str, content: bytes
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Score a file; return the answer of `inference/result`, and the rows of the result file."""
    dataset = create_dataset(client, (name, content), usage="p")
    body = {"train_id": model["id"], "dataset_id": dataset["id"]}
    started = client.post("/inference/batchPrediction", json=body).json()
    wait_for_job(client, started["job_id"])
    result = client.get("/inference/result", params={"prediction_id": started["prediction_id"]}).json()
    assert (result["status"], result["error"]) == ("completed", None)
    text = client.get("/files/download/", params={"file_path": result["result_path"]}).text
    return result, list(csv.DictReader(io.StringIO(text)))


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize("changes", [{}, {"colour": None}, {"price": None}, {"age": 18.0}])
def test_known_and_missing_values_have_no_warnings(client: Client, model: dict[str, Any], changes: Any) -> None:
    assert predict(client, model, ROW | changes)["warnings"] == []


def test_unseen_values_of_a_row_have_warnings(client: Client, model: dict[str, Any]) -> None:
    warnings = predict(client, model, ROW | {"colour": "violet", "age": 300})["warnings"]
    assert {(each["code"], each["column"], each["count"], *each["examples"]) for each in warnings} == {
        ("unseen_category", "colour", 1, "violet"),
        ("out_of_range", "age", 1, "300"),
    }
    several = client.post(model["endpoint_url"], json={"instances": [ROW, ROW | {"price": -1}]}).json()["predictions"]
    assert [[each["code"] for each in row["warnings"]] for row in several] == [[], ["out_of_range"]]


def test_unseen_values_of_a_batch_are_counted_by_column(client: Client, model: dict[str, Any]) -> None:
    lines = ["id,age,colour,price", "a,30,red,5", "b,300,violet,5", "c,30,pink,5", "d,30,violet,", "e,5,green,5"]
    result, rows = score(client, model, "rows.csv", "\n".join(lines).encode())
    assert [(each["code"], each["column"], each["count"], each["examples"]) for each in result["warnings"]] == [
        ("out_of_range", "age", 2, ["300", "5"]),
        ("unseen_category", "colour", 3, ["violet", "pink"]),
    ]
    assert list(rows[0]) == ["id", "prediction", "probability_false", "probability_true", "error"]
    assert len(rows) == 5


def test_the_training_dataset_itself_has_no_warnings(client: Client, model: dict[str, Any]) -> None:
    result, _ = score(client, model, "small.csv", small_csv(target=False))
    assert (result["warnings"], result["positive_class"]) == ([], "true")


def code_csv() -> bytes:
    """Return rows whose `y` is near 10 for the code 2, 5 for 1, and 0 for X7; `paid` adds 3."""
    dice = random.Random(8)
    lines = ["code,paid,x,y"]
    for _ in range(400):
        code, paid = dice.choice(["2", "1", "X7"]), dice.choice(["True", "False", "unknown"])
        y = {"2": 10, "1": 5, "X7": 0}[code] + 3 * (paid == "True") + dice.gauss(0, 0.1)
        lines.append(f"{code},{paid},{dice.gauss(0, 1):.2f},{y:.2f}")
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def codes(client: Client) -> dict[str, Any]:
    dataset = create_dataset(client, ("codes.csv", code_csv()))
    columns = [{"column_name": "y", "attribute_name": "Target"}]
    return trained(client, dataset["id"], columns=columns, problem_type="Regression")


def test_a_whole_float_is_the_text_of_its_integer(client: Client, codes: dict[str, Any]) -> None:
    content = parquet(code=[2.0, 1.0, None], paid=["False"] * 3, x=[0.1] * 3)
    result, rows = score(client, codes, "codes.parquet", content)
    assert result["warnings"] == []
    assert [float(row["prediction"]) for row in rows[:2]] == pytest.approx([10, 5], abs=0.5)
    live = [predict(client, codes, {"code": code, "paid": "False", "x": 0.1}) for code in (2.0, 1, None)]
    assert [row["prediction"] for row in live] == [float(row["prediction"]) for row in rows]
    assert all(row["warnings"] == [] for row in live)


def test_a_boolean_is_the_text_that_the_training_saw(client: Client, codes: dict[str, Any]) -> None:
    content = parquet(code=["1"] * 3, paid=[True, False, None], x=[0.1] * 3)
    result, rows = score(client, codes, "paid.parquet", content)
    assert result["warnings"] == []
    assert [float(row["prediction"]) for row in rows[:2]] == pytest.approx([8, 5], abs=0.5)
    live = [predict(client, codes, {"code": 1, "paid": paid, "x": 0.1}) for paid in (True, False, None)]
    assert [row["prediction"] for row in live] == [float(row["prediction"]) for row in rows]
    assert all(row["warnings"] == [] for row in live)


def test_a_boolean_for_another_text_is_refused_or_unseen(client: Client, codes: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("odd.parquet", parquet(code=[True], paid=["True"], x=[0.1])), usage="p")
    body = {"train_id": codes["id"], "dataset_id": dataset["id"]}
    job = wait_for_job(client, client.post("/inference/batchPrediction", json=body).json()["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "schema_mismatch")
    (warning,) = predict(client, codes, {"code": True, "paid": "True", "x": 0.1})["warnings"]
    assert (warning["code"], warning["column"], warning["examples"]) == ("unseen_category", "code", ["true"])
