"""A model reads prediction data by its own contract: one row, a file of any length and a form mean the same."""

import csv
import io
from typing import Any

import pytest

from tests.client import Client
from tests.dataset.datasets import CHURN, create_dataset
from tests.inference.test_predictions import ask, batch
from tests.train.training import CHURN_COLUMNS, trained


@pytest.fixture(scope="module")
def churn(client: Client) -> dict[str, Any]:
    dataset = create_dataset(client, (CHURN.name, CHURN.read_bytes()))
    return trained(client, dataset["id"], predictor_name="churn-rows", columns=CHURN_COLUMNS)


def first_rows(count: int) -> tuple[bytes, list[dict[str, str]]]:
    content = "\n".join(CHURN.read_text().splitlines()[: count + 1]) + "\n"
    return content.encode(), list(csv.DictReader(io.StringIO(content)))


@pytest.mark.parametrize("count", [1, 5, 10])
def test_a_few_rows_without_a_template_are_read_as_by_the_model(
    client: Client, churn: dict[str, Any], count: int
) -> None:
    """In so few rows most texts are yes and no, which without the model would be booleans."""
    content, rows = first_rows(count)
    dataset = create_dataset(client, ("few.csv", content), usage="p")
    scored = batch(client, churn["id"], dataset["id"])
    for row, line in zip(rows, scored, strict=True):
        features = {name: value for name, value in row.items() if name != "churn"}
        live = ask(client, churn, features).json()
        assert (line["error"], line["customer_id"]) == ("", row["customer_id"])
        assert float(line["probability_true"]) == live["probabilities"]["true"]


def test_a_dataset_without_the_features_is_refused_at_the_call(client: Client, churn: dict[str, Any]) -> None:
    dataset = create_dataset(client, ("short.csv", b"tenure\n1\n2\n"), usage="p")
    answer = client.post("/inference/batchPrediction", json={"train_id": churn["id"], "dataset_id": dataset["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_feature")
    assert "'contract'" in answer.text


def template(client: Client, name: str, default: str) -> int:
    schema = [
        {"column_name": "id", "data_type": "String"},
        {"column_name": "x", "data_type": "Float", "default_value": default},
        {"column_name": "note", "data_type": "String"},
        {"column_name": "bought", "data_type": "Boolean"},
    ]
    answer = client.post("/template/", json={"template_name": name, "template_schema": schema})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def defaults(client: Client) -> tuple[int, dict[str, Any]]:
    """A template whose default was another one when the model was trained."""
    template_id = template(client, "with-default", "7.5")
    lines = [f"A{number},{number % 10},some,{'yes' if number % 10 > 4 else 'no'}" for number in range(300)]
    content = "\n".join(["id,x,note,bought", *lines]).encode()
    dataset = create_dataset(client, ("train.csv", content), template_id=template_id)
    roles = [("id", "Id"), ("note", "Ignore"), ("bought", "Target")]
    columns = [{"column_name": name, "attribute_name": role} for name, role in roles]
    model = trained(client, dataset["id"], predictor_name="with-default", columns=columns)
    return template_id, model


def test_prediction_data_needs_no_target_and_no_unused_column(
    client: Client, defaults: tuple[int, dict[str, Any]]
) -> None:
    template_id, model = defaults
    dataset = create_dataset(client, ("p.csv", b"id,x\nB1,9\nB2,1\n"), usage="p", template_id=template_id)
    assert [(w["code"], w["examples"]) for w in dataset["warnings"]] == [("missing_columns", ["note", "bought"])]
    assert [column["column_name"] for column in dataset["schema"]] == ["id", "x"]
    scored = batch(client, model["id"], dataset["id"])
    assert [(line["id"], line["prediction"], line["error"]) for line in scored] == [
        ("B1", "true", ""),
        ("B2", "false", ""),
    ]


def test_prediction_data_has_at_least_one_column_of_the_template(
    client: Client, defaults: tuple[int, dict[str, Any]]
) -> None:
    query = {"dataset_name": "none-of-them", "usage": "p", "template_id": defaults[0]}
    answer = client.post("/dataset/upload", params=query, files=[("files", ("p.csv", b"k\n1\n"))])
    assert (answer.status_code, answer.json()["code"]) == (422, "missing_column")


def test_the_default_of_the_training_fills_missing_values_by_every_route(
    client: Client, defaults: tuple[int, dict[str, Any]]
) -> None:
    template_id, model = defaults
    changed = template(client, "other-default", "1.0")
    live = client.post(model["endpoint_url"], json={"features": {"x": None}}).json()
    assert live["prediction"] is True
    for template_id in (changed, None):
        query = {} if template_id is None else {"template_id": template_id}
        dataset = create_dataset(client, ("p.csv", b"id,x\nB1,\nB2,\n"), usage="p", **query)
        for line in batch(client, model["id"], dataset["id"]):
            assert float(line["probability_true"]) == live["probabilities"]["true"]


def test_rows_that_the_dataset_sets_aside_have_a_line_with_the_reason(
    client: Client, defaults: tuple[int, dict[str, Any]]
) -> None:
    content = b"id,x\n" + b"".join(b"B%d,9\n" % number for number in range(9)) + b"B9,abc\n"
    dataset = create_dataset(client, ("p.csv", content), usage="p", template_id=defaults[0])
    assert (dataset["kept_records"], dataset["total_records"]) == (9, 10)
    scored = batch(client, defaults[1]["id"], dataset["id"])
    assert [line["id"] for line in scored] == [f"B{number}" for number in range(10)]
    assert (scored[-1]["prediction"], scored[-1]["error"]) == ("", "x: it is not a number")


def test_a_file_may_spell_its_numbers_in_another_way(client: Client, defaults: tuple[int, dict[str, Any]]) -> None:
    dataset = create_dataset(client, ("p.csv", b'id;x\nB1;"9,5"\nB2;"1,25"\n'), usage="p")
    scored = batch(client, defaults[1]["id"], dataset["id"])
    assert [(line["prediction"], line["error"]) for line in scored] == [("true", ""), ("false", "")]


def test_a_type_that_no_value_of_the_model_has_is_refused_at_the_call(
    client: Client, defaults: tuple[int, dict[str, Any]]
) -> None:
    dataset = create_dataset(client, ("p.csv", b"id,x\nB1,yes\nB2,no\n"), usage="p")
    body = {"train_id": defaults[1]["id"], "dataset_id": dataset["id"]}
    answer = client.post("/inference/batchPrediction", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "schema_mismatch")


def test_a_file_that_a_batch_reads_is_not_deleted(client: Client, defaults: tuple[int, dict[str, Any]]) -> None:
    dataset = create_dataset(client, ("p.csv", b"id,x\nB1,9\n"), ("q.csv", b"id,x\nB2,1\n"), usage="p")
    scored = batch(client, defaults[1]["id"], dataset["id"])
    assert [line["id"] for line in scored] == ["B1", "B2"]
