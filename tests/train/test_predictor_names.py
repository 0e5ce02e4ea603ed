"""The name of a predictor is any printable text; `url_name` stands for it in URLs and names of files."""

from typing import Any

import pytest

from dataml.train.predictor_names import derive_url_name
from tests.client import Client
from tests.conftest import log_in
from tests.sample_tenant import create_user
from tests.test_every_route import refusal
from tests.train.training import small_dataset, train, trained

FEATURES = {"features": {"age": 60, "colour": "red", "price": 5.0}}


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


@pytest.fixture(scope="module")
def churn(client: Client, dataset_id: int) -> dict[str, Any]:
    return trained(client, dataset_id, predictor_name="Churn v1")


@pytest.mark.parametrize(
    ("name", "url_name"),
    [
        ("churn_v1", "churn_v1"),
        ("Churn v1", "Churn-v1"),
        ("Übergänge (Köln) / 2024", "Ubergange-Koln-2024"),
        ("../../etc/passwd", "etc-passwd"),
        ("a%2Fb?c#d", "a-2Fb-c-d"),
        ("-x-", "x"),
        ("離脱", "predictor"),
        ("😀", "predictor"),
        ("_", "predictor"),
        ("x" * 100, "x" * 100),
        ("é" * 100, "e" * 90),
        ("x" * 89 + " y", "x" * 89),
    ],
)
def test_url_name_has_only_characters_of_urls(name: str, url_name: str) -> None:
    assert derive_url_name(name) == url_name


def test_name_with_a_blank_is_shown_as_it_is(client: Client, churn: dict[str, Any]) -> None:
    assert (churn["predictor_name"], churn["url_name"]) == ("Churn v1", "Churn-v1")
    assert churn["endpoint_url"] == "/models/default/Churn-v1/predict"
    by_url = client.post(churn["endpoint_url"], json=FEATURES)
    by_name = client.post("/models/default/Churn%20v1/predict", json=FEATURES)
    assert by_url.status_code == by_name.status_code == 200
    assert by_url.json()["prediction"] == by_name.json()["prediction"]


def test_misspelt_predictor_is_suggested_to_who_may_list_them(
    client: Client, stranger: Client, dataset_id: int, churn: dict[str, Any]
) -> None:
    unknown = "There is no predictor of this name"
    assert client.post("/models/default/Chrun-v1/predict", json=FEATURES).json() | {"request_id": ""} == {
        "detail": f"{unknown}; did you mean 'Churn-v1'?",
        "code": "predictor_not_found",
        "request_id": "",
    }
    continued = train(client, dataset_id, predictor_name="Churn V1", is_incremental=True)
    assert continued.json()["detail"] == f"{unknown}; did you mean 'Churn v1'?"
    service = log_in(client, create_user(client, roles=["service"])["username"])
    for user, path in (
        (service, "/models/default/Chrun-v1/predict"),
        (stranger, "/models/default/Churn-v1/predict"),
        (client, "/models/elsewhere/Churn-v1/predict"),
    ):
        answer = user.post(path, json=FEATURES)
        assert (answer.status_code, answer.json()["detail"]) == (404, f"{unknown}.")


def test_names_of_files_are_safe(client: Client, churn: dict[str, Any]) -> None:
    schema = client.get(f"/train/download-schema/{churn['id']}")
    assert schema.headers["content-disposition"] == 'attachment; filename="Churn-v1-schema.json"'
    export = client.get(f"/train/{churn['id']}/export")
    assert export.headers["content-disposition"] == 'attachment; filename="Churn-v1-v1.zip"'
    page = client.get(f"/train/{churn['id']}/report", params={"format": "html"})
    assert page.status_code == 200
    assert "Churn v1" in page.text


def test_versions_share_their_url_name(client: Client, dataset_id: int, churn: dict[str, Any]) -> None:
    second = train(client, dataset_id, predictor_name="  Churn v1 ", new_version=True).json()
    assert (second["predictor_name"], second["url_name"], second["version"]) == ("Churn v1", "Churn-v1", 2)


def test_no_two_predictors_have_one_url_name(client: Client, dataset_id: int, churn: dict[str, Any]) -> None:
    others = [train(client, dataset_id, predictor_name=name).json() for name in ("Churn/v1", "Churn: v1", "Churn  v1")]
    assert [other["url_name"] for other in others] == ["Churn-v1-2", "Churn-v1-3", "Churn-v1-4"]
    for name in ("Churn-v1", "Churn-v1-2"):
        assert refusal(train(client, dataset_id, predictor_name=name)) == (409, "url_name_exists")


def test_name_is_the_same_in_another_tenant(stranger: Client) -> None:
    made = train(stranger, small_dataset(stranger), predictor_name="Churn v1").json()
    assert (made["url_name"], made["version"]) == ("Churn-v1", 1)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "💥 прогноз", "a'; DROP TABLE training; --", "{{7*7}}"])
def test_any_printable_text_is_a_name(client: Client, dataset_id: int, name: str) -> None:
    row = trained(client, dataset_id, predictor_name=name)
    assert row["predictor_name"] == name
    assert client.post(row["endpoint_url"], json=FEATURES).status_code == 200
    page = client.get(f"/train/{row['id']}/report", params={"format": "html"}).text
    assert "<script>alert" not in page


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\tb", "a\x00b", "a\u200bb", "\u2028", "x" * 5000])
def test_other_text_is_refused(client: Client, dataset_id: int, name: str) -> None:
    answer = train(client, dataset_id, predictor_name=name)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["loc"][-1] for error in answer.json()["detail"]] == ["predictor_name"]
