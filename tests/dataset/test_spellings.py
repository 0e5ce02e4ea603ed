"""Files as people write them, over HTTP: one spelling a column, and warnings where a column is not what it seems."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client
from tests.dataset.datasets import create_dataset, new_name, upload
from tests.train.training import trained

COLUMNS = [{"column_name": "spent", "attribute_name": "Target"}]


def rows() -> list[dict[str, Any]]:
    """Return amounts, shares and days from which `spent` follows; some are missing."""
    dice = random.Random(3)
    made = []
    for number in range(120):
        price, share = round(dice.uniform(-2_000, 9_000), 2), dice.randint(1, 99) / 100
        made.append({"price": None if number % 17 == 5 else price, "share": share, "month": 1 + number % 12})
        made[-1]["spent"] = round(price * share + 10 * made[-1]["month"], 2)
    return made


def plain(number: float) -> str:
    return f"{number:.2f}"


def american(number: float) -> str:
    return f"(${-number:,.2f})" if number < 0 else f"${number:,.2f}"


def german(number: float) -> str:
    text = f"{abs(number):,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
    return f"{text}- €" if number < 0 else f"{text} €"


def swiss(number: float) -> str:
    return f"{number:,.2f}".replace(",", "\u2019")


def german_percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".", ",")


# Delimiter, number, share, month, and what a missing value is.
SPELLINGS: dict[str, tuple[str, Callable[[float], str], Callable[[float], str], str, str]] = {
    "plain": (",", plain, str, "2024-{:02}", ""),
    "american": (",", american, "{:.0%}".format, "{}/2024", "N/A"),
    "german": (";", german, german_percent, "2024Q{}", "-"),
    "swiss": ("\t", swiss, str, "2024{:02}01", "NULL"),
}


def spelled(name: str) -> bytes:
    """Return the rows as a file in one spelling; quarters stand for the months that begin them."""
    delimiter, number, percent, month, missing = SPELLINGS[name]
    lines = [delimiter.join(["price", "share", "month", "spent"])]
    for row in rows():
        price = missing if row["price"] is None else number(row["price"])
        period = 1 + (row["month"] - 1) // 3 if "Q" in month else row["month"]
        cells = [price, percent(row["share"]), month.format(period), plain(row["spent"])]
        lines.append(delimiter.join(f'"{cell}"' for cell in cells))
    return ("\n".join(lines) + "\n").encode()


def kept_rows(client: Client, dataset: dict[str, Any]) -> list[tuple[Any, ...]]:
    preview = client.get("/dataset/view", params={"dataset_id": dataset["id"], "limit": 1000}).json()["preview"]
    return [(row["price"], row["share"], row["spent"]) for row in preview]


@pytest.mark.parametrize("name", ["american", "german", "swiss"])
def test_one_table_in_several_spellings_is_one_dataset(client: Client, name: str) -> None:
    expected = create_dataset(client, ("plain.csv", spelled("plain")))
    made = create_dataset(client, (f"{name}.csv", spelled(name)))
    assert made["warnings"] == []
    assert [(c["column_name"], c["data_type"]) for c in made["schema"]] == [
        ("price", "Float"),
        ("share", "Float"),
        ("month", "Date"),
        ("spent", "Float"),
    ]
    assert made["kept_records"] == 120
    assert kept_rows(client, made) == kept_rows(client, expected)


def test_predictions_read_the_spelling_of_the_training(client: Client) -> None:
    dataset = create_dataset(client, ("german.csv", spelled("german")))
    model = trained(client, dataset["id"], problem_type="Regression", columns=COLUMNS)

    def predict(**features: Any) -> Any:
        body = {"train_id": model["id"], "preprocess_id": model["preprocess_id"], "target": "spent"}
        return client.post("/inference/", json=body | {"features": features})

    typed = predict(price=-1234.5, share=0.125, month="2024-04-01").json()["prediction"]
    written = predict(price="1.234,50- €", share="12,5 %", month="2024Q2").json()["prediction"]
    assert written == typed
    missing = predict(price="teuer", share="12,5 %", month="2024Q2")
    assert missing.status_code == 422
    other = predict(price="1,234.50", share="12,5 %", month="2024Q2")
    assert other.status_code == 422
    assert other.json()["detail"][0]["type"] == "other_number_format"
    assert "1234.50" in other.json()["detail"][0]["msg"]


def test_spelling_is_settled_under_a_template_too(client: Client) -> None:
    schema = [{"column_name": name, "data_type": "Float"} for name in ("price", "share", "spent")]
    schema.append({"column_name": "month", "data_type": "Date"})
    body = {"template_name": new_name("template"), "template_schema": schema}
    template_id = client.post("/template/", json=body).json()["id"]
    for name in ("american", "swiss"):
        made = create_dataset(client, (f"{name}.csv", spelled(name)), template_id=template_id)
        assert (made["state"], made["kept_records"]) == ("valid", 120)
        assert kept_rows(client, made) == kept_rows(client, create_dataset(client, ("plain.csv", spelled("plain"))))


def test_format_of_a_template_is_recorded_and_obeyed(client: Client) -> None:
    columns = [
        {"column_name": "n", "data_type": "Integer", "number_format": "1.234,5", "missing_values": ["-999"]},
        {"column_name": "at", "data_type": "Timestamp", "date_format": "epoch_s"},
        {"column_name": "t", "data_type": "String", "missing_values": ["NA"], "strip": True},
    ]
    body = {"template_name": new_name("template"), "template_schema": columns}
    created = client.post("/template/", json=body)
    assert created.status_code == 201, created.text
    shown = client.get(f"/template/{created.json()['id']}").json()["template_schema"]
    assert [{key: column[key] for key in given} for given, column in zip(columns, shown, strict=True)] == columns
    content = b"n;at;t\n1.234;1700000000;  a \n-999;1700000001;NA\n"
    made = create_dataset(client, ("n.csv", content), template_id=created.json()["id"])
    preview = client.get("/dataset/view", params={"dataset_id": made["id"]}).json()["preview"]
    assert [(row["n"], row["at"], row["t"]) for row in preview] == [
        (1234, "2023-11-14T22:13:20Z", "a"),
        (None, "2023-11-14T22:13:21Z", None),
    ]


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ({"data_type": "Float", "number_format": "12.5"}, "bad_number_format"),
        ({"data_type": "String", "number_format": "1,234.5"}, "bad_number_format"),
        ({"data_type": "Float", "date_format": "year"}, "bad_date_format"),
        ({"data_type": "Float", "default_value": "NA"}, "bad_default"),
    ],
)
def test_format_that_does_not_fit_is_refused(client: Client, column: dict[str, Any], code: str) -> None:
    body = {"template_name": "never", "template_schema": [{"column_name": "x"} | column]}
    answer = client.post("/template/", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_nearly_numeric_column_is_named_in_dataset_and_draft(client: Client) -> None:
    content = ("weight;n\n" + "".join(f"{i}.5;{i}\n" for i in range(97)) + "abc;1\nx7;2\nabc;3\n").encode()
    (warning,) = create_dataset(client, ("w.csv", content))["warnings"]
    assert (warning["code"], warning["column"], warning["count"]) == ("nearly_numeric", "weight", 3)
    assert warning["examples"] == ["abc", "x7"]
    assert "97.0%" in warning["message"]
    drafted = client.post("/template/infer", files=[("files", ("w.csv", content))])
    assert [each["code"] for each in drafted.json()["warnings"]] == ["nearly_numeric"]


def test_on_error_reject_waits_until_the_spelling_is_settled(client: Client) -> None:
    template = {"template_name": new_name("template"), "template_schema": [{"column_name": "n", "data_type": "Float"}]}
    template_id = client.post("/template/", json=template).json()["id"]
    good = upload(client, ("n.csv", b'n\n5\n"1.234,5"\n'), template_id=template_id, on_error="reject")
    assert good.status_code == 201, good.text
    ambiguous = upload(client, ("n.csv", b'n\n5\n"1,234"\n'), template_id=template_id, on_error="reject")
    assert ambiguous.status_code == 422
    assert "1234 or 1.234" in ambiguous.json()["detail"]
