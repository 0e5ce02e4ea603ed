"""A continuation reads its rows by the contract of the model, whatever they would be by themselves."""

from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.dataset.datasets import create_dataset
from tests.train.training import train, trained

COLUMNS = [
    {"column_name": "id", "attribute_name": "Id"},
    {"column_name": "note", "attribute_name": "Ignore"},
    {"column_name": "bought", "attribute_name": "Target"},
]


def table(rows: int, internet: tuple[str, ...] = ("No", "DSL", "Fiber"), fraction: float = 0.5) -> list[list[str]]:
    """Return rows of which every third has no internet, and of which prices have a fraction."""
    return [
        [
            f"A{number}",
            internet[number % len(internet)],
            str(10 + number % 7 + fraction) if fraction else str(10 + number % 7),
            "a note",
            "yes" if number % 7 > 3 else "no",
        ]
        for number in range(rows)
    ]


def to_csv(rows: list[list[str]], names: str = "id,internet,price,note,bought") -> bytes:
    return "\n".join([names, *(",".join(row) for row in rows)]).encode()


@pytest.fixture(scope="module")
def parent(client: Client) -> dict[str, Any]:
    dataset = create_dataset(client, ("train.csv", to_csv(table(300))))
    return trained(client, dataset["id"], predictor_name="internet", columns=COLUMNS, algorithm="LightGBM")


def continued(client: Client, content: bytes) -> dict[str, Any]:
    dataset = create_dataset(client, ("newer.csv", content))
    usual = {"predictor_name": "internet", "is_incremental": True, "columns": []}
    answer = train(client, dataset["id"], **usual)
    assert answer.status_code == 201, answer.text
    wait_for_job(client, answer.json()["job_id"])
    return client.get(f"/train/{answer.json()['id']}").json()


def test_texts_that_are_booleans_by_themselves_stay_texts(client: Client, parent: dict[str, Any]) -> None:
    made = continued(client, to_csv(table(200, internet=("Yes", "No"))))
    schemas = [client.get(f"/train/download-schema/{each['id']}").json()["schema"] for each in (made, parent)]
    assert schemas[0] == schemas[1]
    rows = made["lineage"]["dataset"]
    assert rows["parquet"].endswith("/rows.parquet")
    assert [file["name"] for file in rows["files"]] == ["newer.csv"]


def test_whole_numbers_continue_a_float(client: Client, parent: dict[str, Any]) -> None:
    assert continued(client, to_csv(table(200, fraction=0)))["version"] > parent["version"]


def test_ids_and_ignored_columns_may_be_missing(client: Client, parent: dict[str, Any]) -> None:
    rows = [row[1:3] + row[4:] for row in table(200)]
    assert continued(client, to_csv(rows, "internet,price,bought"))["version"] > parent["version"]


def test_a_few_rows_that_do_not_fit_are_left_out_and_named(client: Client, parent: dict[str, Any]) -> None:
    rows = table(200)
    rows[7][2] = rows[9][2] = "abc"
    (warning,) = [w for w in continued(client, to_csv(rows))["warnings"] if w["code"] == "rows_left_out"]
    assert (warning["count"], warning["examples"]) == (2, ["price 'abc': it is not a number"])


def test_an_explanation_reads_the_rows_of_the_model(client: Client, parent: dict[str, Any]) -> None:
    made = continued(client, to_csv(table(200, internet=("Yes", "No"), fraction=0)))
    answer = client.post("/train/generate-feature-importance", params={"train_id": made["id"]})
    assert answer.status_code == 202, answer.text
    assert wait_for_job(client, answer.json()["shap_job_id"])["state"] == "succeeded"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [(1, "", "'internet' is missing"), (2, "abc", "'price' is String, it was Float: 'abc' is")],
    ids=["missing", "other values"],
)
def test_a_true_change_is_refused_with_the_difference(
    client: Client, parent: dict[str, Any], column: int, value: str, message: str
) -> None:
    rows, names = table(100), ["id", "internet", "price", "note", "bought"]
    for number, row in enumerate(rows):
        row[column] = value if number % 2 else row[column]
    if not value:
        names[column] = "connection"
    dataset = create_dataset(client, ("newer.csv", to_csv(rows, ",".join(names))))
    answer = train(client, dataset["id"], predictor_name="internet", is_incremental=True, columns=[])
    assert (answer.status_code, answer.json()["code"]) == (409, "schema_changed")
    assert message in answer.json()["detail"]
