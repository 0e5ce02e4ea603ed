"""Versions side by side: which rows the page has, and for whom."""

import html
import json
import re
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset
from tests.inference.series import forecast_request, shop_rows
from tests.train.training import trained

PATH = "/predictors/compare"


@pytest.fixture(scope="module")
def other(client: Client, model: dict[str, Any]) -> dict[str, Any]:
    """The next version of the model, by another algorithm and with another share of held-out rows."""
    return trained(
        client,
        model["dataset_id"],
        predictor_name=model["predictor_name"],
        new_version=True,
        algorithm="XGBoost",
        validation={"holdout": 0.4},
    )


def charts_of(page: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)]


def test_metrics_and_differences_are_side_by_side(
    client: Client, admin: Browser, model: dict[str, Any], other: dict[str, Any]
) -> None:
    page = admin.get(f"{PATH}?id={model['id']}&id={other['id']}")
    assert page.status_code == 200
    for row in (model, other):
        assert f"{row['predictor_name']} v{row['version']}" in page.text
        accuracy = client.get(f"/train/{row['id']}").json()["metrics"]["accuracy"]
        assert f"{accuracy:.4g}" in page.text
    differences = html.unescape(page.text.split("What differs")[1])
    for text in ("Algorithm", "LightGBM", "XGBoost", '"holdout": 0.4', "Rows that scored"):
        assert text in differences
    assert "Role of" not in differences
    assert "not scored on the same rows" in page.text


def test_curves_of_all_versions_are_on_one_plot(admin: Browser, model: dict[str, Any], other: dict[str, Any]) -> None:
    charts = charts_of(admin.get(f"{PATH}?id={model['id']}&id={other['id']}").text)
    assert len(charts) == 3
    labels = {row["version"] for row in charts[0]["layer"][0]["data"]["values"]}
    assert labels == {f"{row['predictor_name']} v{row['version']}" for row in (model, other)}
    for chart in charts:
        assert all(0 <= row["x"] <= 1 and 0 <= row["y"] <= 1 for row in chart["layer"][-1]["data"]["values"])


def test_equal_versions_differ_in_nothing_that_matters(client: Client, admin: Browser, model: dict[str, Any]) -> None:
    again = trained(client, model["dataset_id"], predictor_name=model["predictor_name"], new_version=True)
    page = admin.get(f"{PATH}?id={model['id']}&id={again['id']}").text
    assert "not scored on the same rows" not in page
    assert "new_version" in page.split("What differs")[1]


def test_forecasts_and_regressions_have_their_own_plots(
    client: Client, admin: Browser, dataset: dict[str, Any]
) -> None:
    shops = create_dataset(client, ("shops.csv", shop_rows(range(60))))
    started = client.post("/train", json=forecast_request(shops["id"], algorithm="SeasonalNaive")).json()
    wait_for_job(client, started["job_id"])
    columns = [{"column_name": "price", "attribute_name": "Target"}, {"column_name": "id", "attribute_name": "Id"}]
    regression = trained(client, dataset["id"], problem_type="Regression", columns=columns)
    page = admin.get(f"{PATH}?id={started['id']}&id={regression['id']}").text
    assert "Error by step of the forecast" in page
    assert "Errors of the predictions" in page
    assert "ROC curve" not in page
    shares = charts_of(page)[0]["layer"][0]["data"]["values"]
    assert 0.5 < sum(row["y"] for row in shares) <= 1.0


def test_too_few_and_too_many(admin: Browser, model: dict[str, Any], other: dict[str, Any]) -> None:
    for path in (PATH, f"{PATH}?id={model['id']}", f"{PATH}?id=x"):
        page = admin.get(path)
        assert page.status_code == 200
        assert "Choose versions to compare" in page.text
    many = "&".join(f"id={each}" for each in [model["id"], other["id"], *range(90_000, 90_010)])
    assert admin.get(f"{PATH}?{many}").status_code == 404
    assert admin.get(f"{PATH}?id={model['id']}&id={'9' * 400}").status_code in (404, 422)


def test_of_another_tenant_nothing_is_shown(anonymous: Client, model: dict[str, Any], other: dict[str, Any]) -> None:
    stranger = signed_in(anonymous, "stranger")
    page = stranger.get(f"{PATH}?id={model['id']}&id={other['id']}")
    assert page.status_code == 404
    assert model["predictor_name"] not in page.text
    assert model["predictor_name"] not in stranger.get(PATH).text
    assert signed_in(anonymous, "analyst").get(f"{PATH}?id={model['id']}&id={other['id']}").status_code == 200
