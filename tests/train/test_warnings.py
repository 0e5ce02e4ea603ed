"""Warnings of trainings: what to know about the data, in every answer about a training."""

import random
from typing import Any

import pytest

from tests.client import Client
from tests.dataset.datasets import create_dataset
from tests.ml.pages import Page
from tests.train.training import small_csv, small_dataset, trained

COLUMNS = [{"column_name": "left", "attribute_name": "Target"}]


def suspicious_csv(rows: int = 300) -> bytes:
    """Return rows with a number of the row, a reason that only leavers have, copies, and a nearly numeric column."""
    dice = random.Random(5)
    lines = []
    for number in range(rows):
        left = dice.random() < 0.4
        weight = "unknown" if number % 50 == 0 else f"{dice.uniform(50, 90):.1f}"
        # An integer is missing somewhere, and is one all the same.
        lines.append(f"{1_000 + number},{dice.gauss(left, 2):.3f},{'moved' if left else ''},{weight},{left}")
    return "\n".join(["customer_id,usage,reason,weight,left", *lines]).encode()


@pytest.fixture(scope="module")
def suspicious(client: Client) -> dict[str, Any]:
    dataset = create_dataset(client, ("customers.csv", suspicious_csv()))
    return trained(client, dataset["id"], columns=COLUMNS)


def test_a_leak_an_identifier_and_a_nearly_numeric_column_have_warnings(
    client: Client, suspicious: dict[str, Any]
) -> None:
    found = {(warning["code"], warning["column"]): warning for warning in suspicious["warnings"]}
    assert set(found) == {
        ("leaking_feature", "reason"),
        ("identifier_feature", "customer_id"),
        ("nearly_numeric", "weight"),
    }
    assert "'reason' alone decides the target" in found["leaking_feature", "reason"]["message"]
    assert found["nearly_numeric", "weight"]["examples"] == ["unknown"]


def test_every_answer_about_a_training_has_its_warnings(client: Client, suspicious: dict[str, Any]) -> None:
    warnings = suspicious["warnings"]
    assert all(set(warning) == {"code", "column", "message", "count", "examples"} for warning in warnings)
    train_id = suspicious["id"]
    assert client.get(f"/train/{train_id}").json()["warnings"] == warnings
    summary = client.get("/train/model-summary", params={"train_id": train_id}).json()
    assert summary["warnings"] == warnings
    assert [each["code"] for each in summary["model_summary"]["warnings"]] == [each["code"] for each in warnings]
    report = client.get(f"/train/{train_id}/report").json()
    assert report["summary"]["warnings"] == summary["model_summary"]["warnings"]
    page = Page(client.get(f"/train/{train_id}/report?format=html").text)
    assert {warning["message"] for warning in warnings} <= set(page.texts)


def test_unused_columns_have_no_warnings(client: Client) -> None:
    dataset = create_dataset(client, ("customers.csv", suspicious_csv()))
    ignored = [
        {"column_name": name, "attribute_name": role}
        for name, role in (("customer_id", "Id"), ("reason", "Ignore"), ("weight", "Ignore"))
    ]
    assert trained(client, dataset["id"], columns=COLUMNS + ignored)["warnings"] == []


def test_ordinary_data_has_no_warnings(client: Client) -> None:
    assert trained(client, small_dataset(client))["warnings"] == []


def test_copies_on_both_sides_of_the_split_are_counted(client: Client) -> None:
    lines = small_csv(200).decode().splitlines()
    twice = "\n".join([lines[0], *lines[1:], *lines[1:]])
    dataset = create_dataset(client, ("twice.csv", twice.encode()))
    (warning,) = trained(client, dataset["id"])["warnings"]
    assert (warning["code"], warning["column"]) == ("duplicates_across_split", None)
    assert warning["count"] > 40


def test_held_out_rows_of_another_time_are_noticed(client: Client) -> None:
    dice = random.Random(4)
    lines = []
    for number in range(400):
        price = dice.gauss(10 + 5 * (number > 300), 2)
        day = f"{2023 + number // 336}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"
        lines.append(f"{day},{price:.2f},{dice.gauss(0, 1):.3f},{dice.gauss(2 * (price > 12), 2):.3f}")
    dataset = create_dataset(client, ("prices.csv", "\n".join(["day,price,other,left", *lines]).encode()))
    columns = [*COLUMNS, {"column_name": "day", "attribute_name": "Time"}]
    warnings = trained(client, dataset["id"], columns=columns, problem_type="Regression")["warnings"]
    assert [(warning["code"], warning["column"]) for warning in warnings] == [("shifted_holdout", "price")]
