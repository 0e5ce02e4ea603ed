"""Forecasts in the console: the form, the series to choose, and the answer."""

import json
import random
import re
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset
from tests.train.test_series import train_forecast, train_hierarchy
from tests.train.training import trained


@pytest.fixture(scope="module")
def calls(client: Client) -> dict[str, Any]:
    """A forecast of three series, one with a name that is HTML."""
    return train_forecast(client, "Anna", "<b>Ben</b>", "Benno")


@pytest.fixture(scope="module")
def weather(client: Client) -> dict[str, Any]:
    """A forecast of one series that needs values of the future."""
    first = date(2024, 1, 1)
    dice = random.Random(1)
    heats = [dice.randint(0, 4) for _ in range(120)]
    rows = [f"{first + timedelta(n)},{heat},{10 + 3 * heat}" for n, heat in enumerate(heats)]
    dataset = create_dataset(client, ("sold.csv", "\n".join(["day,heat,sold", *rows]).encode()))
    roles = {"day": "Time", "heat": "Exogenous", "sold": "Target"}
    columns = [{"column_name": name, "attribute_name": role} for name, role in roles.items()]
    return trained(client, dataset["id"], columns=columns, problem_type="Forecast", algorithm="LightGBM")


def ask(browser: Browser, model: dict[str, Any], **form: str) -> httpx.Response:
    """Send the form as the page's script does."""
    headers = {"Sec-Fetch-Site": "same-origin", "X-Fragment": "answer"}
    return browser.request("POST", f"/predictors/{model['id']}/forecast", data=form, headers=headers)


def chart_of(text: str) -> dict[str, Any]:
    found = re.search(r'id="forecast-chart">(.*?)</script>', text, re.S)
    assert found is not None, text
    return json.loads(found[1])


def test_page_has_a_form_and_the_series(admin: Browser, calls: dict[str, Any]) -> None:
    page = admin.get(f"/predictors/{calls['id']}/forecast?series=Anna").text
    assert 'name="series" value="Anna"' in page
    assert "&lt;b&gt;Ben&lt;/b&gt;" in page
    assert "<b>Ben" not in page
    assert "Values of the future" not in page
    found = admin.get(f"/predictors/{calls['id']}/forecast?q=benno").text
    assert re.findall(r'forecast\?series=(\w+)"', found) == ["Benno"]
    assert "No series has this" in admin.get(f"/predictors/{calls['id']}/forecast?q=x<y").text


def test_answer_is_that_of_the_api_with_the_history_before_it(
    client: Client, admin: Browser, calls: dict[str, Any]
) -> None:
    answer = ask(admin, calls, series="<b>Ben</b>", steps="5", level="80")
    assert answer.status_code == 200
    assert "<html" not in answer.text
    layers = chart_of(answer.text)["layer"]
    body = {"train_id": calls["id"], "unique_id": "<b>Ben</b>", "steps": 5, "level": 80}
    expected = client.post("/inference/forecast", json=body).json()["forecast"]
    drawn = layers[0]["data"]["values"]
    names = ("date", "value", "lower", "upper")
    assert [[step[name] for name in names] for step in drawn] == [[step[name] for name in names] for step in expected]
    line = layers[1]["data"]["values"]
    history = client.get(f"/train/{calls['id']}/history", params={"unique_id": "<b>Ben</b>"}).json()["history"]
    assert [point["value"] for point in line if point["of"] == "observed"] == [step["value"] for step in history][-60:]
    assert f">{expected[0]['date']}</th>" in answer.text
    assert "series=%3Cb%3EBen%3C%2Fb%3E" in answer.text


def test_coarser_steps_are_sums_or_means(client: Client, admin: Browser, calls: dict[str, Any]) -> None:
    for aggregate in ("sum", "mean"):
        answer = ask(admin, calls, series="Anna", steps="2", frequency="Week", aggregate=aggregate)
        body = {"train_id": calls["id"], "unique_id": "Anna", "steps": 2, "frequency": "Week", "aggregate": aggregate}
        expected = client.post("/inference/forecast", json=body).json()["forecast"]
        drawn = chart_of(answer.text)["layer"][0]["data"]["values"]
        assert [step["value"] for step in drawn] == [step["value"] for step in expected]


@pytest.mark.parametrize(
    "form",
    [
        {"series": "nobody", "steps": "3"},
        {"series": "Anna", "steps": "many"},
        {"series": "Anna", "steps": "0"},
        {"series": "Anna", "steps": "3", "level": "nan"},
        {"series": "Anna", "steps": "3", "frequency": "Hour"},
        {"series": "Anna", "steps": "3", "dataset_id": "999999"},
    ],
    ids=str,
)
def test_refusal_is_said(admin: Browser, calls: dict[str, Any], form: dict[str, str]) -> None:
    answer = ask(admin, calls, **form)
    assert 'class="notice bad" role="alert"' in answer.text
    whole = admin.send(f"/predictors/{calls['id']}/forecast", **form)
    assert whole.status_code in (404, 409, 422)
    assert 'role="alert"' in whole.text
    assert f'name="steps" inputmode="numeric" value="{form["steps"]}"' in whole.text


def test_form_works_without_a_script(admin: Browser, calls: dict[str, Any]) -> None:
    answer = admin.send(f"/predictors/{calls['id']}/forecast", series="Anna", steps="3", explain="1")
    assert answer.status_code == 200
    assert len(chart_of(answer.text)["layer"][0]["data"]["values"]) == 3
    assert re.search(r'name="explain" value="1" checked', answer.text)


def test_values_of_the_future_are_asked_for_and_used(client: Client, admin: Browser, weather: dict[str, Any]) -> None:
    page = admin.get(f"/predictors/{weather['id']}/forecast?steps=2").text
    dates = re.findall(r'name="future\.\d" value="([^"]+)"', page)
    assert dates == ["2024-04-30", "2024-05-01"]
    assert page.count('.heat" value=""') == 2
    form = {"steps": "2", "future.0": dates[0], "future.0.heat": "4", "future.1": dates[1], "future.1.heat": "0"}
    drawn = chart_of(ask(admin, weather, **form).text)["layer"][0]["data"]["values"]
    future = [{"day": dates[0], "heat": 4}, {"day": dates[1], "heat": 0}]
    body = {"train_id": weather["id"], "steps": 2, "future": future}
    expected = client.post("/inference/forecast", json=body).json()["forecast"]
    assert [step["value"] for step in drawn] == [step["value"] for step in expected]
    assert drawn[0]["value"] > drawn[1]["value"]
    refused = admin.send(f"/predictors/{weather['id']}/forecast", **form | {"future.1.heat": ""})
    assert refused.status_code == 422
    assert 'name="future.0.heat" value="4"' in refused.text


@pytest.mark.parametrize(
    "query", ["steps=x", "steps=-1", "steps=" + "9" * 5000, "series=nobody", "dataset_id=<i>", "q=%00"]
)
def test_page_takes_any_address(admin: Browser, calls: dict[str, Any], query: str) -> None:
    assert admin.get(f"/predictors/{calls['id']}/forecast?{query}").status_code in (200, 404, 422)


def test_pages_of_other_kinds_of_models_are_absent(
    admin: Browser, calls: dict[str, Any], model: dict[str, Any]
) -> None:
    for tab in ("try", "explanation", "errors"):
        assert admin.get(f"/predictors/{calls['id']}/{tab}").status_code == 404
    assert admin.get(f"/predictors/{model['id']}/forecast").status_code == 404
    assert "/try" not in admin.get(f"/predictors/{calls['id']}").text


def test_another_tenant_forecasts_nothing(anonymous: Client, calls: dict[str, Any]) -> None:
    stranger = signed_in(anonymous, "stranger")
    assert stranger.get(f"/predictors/{calls['id']}/forecast").status_code == 404
    assert ask(stranger, calls, series="Anna", steps="2").status_code == 404


def test_series_of_a_hierarchy_are_chosen_by_level(admin: Browser, client: Client) -> None:
    model = train_hierarchy(client)
    page = admin.get(f"/predictors/{model['id']}/forecast").text
    assert re.findall(r'forecast\?series=(\w+)"', page) == ["Total", "North", "South", "Anna", "Ben", "Cleo"]
    assert "region (2)" in page
    page = admin.get(f"/predictors/{model['id']}/forecast?in=region").text
    assert re.findall(r'forecast\?series=(\w+)"', page) == ["North", "South"]
    assert '<option value="region" selected>' in page
