"""Trying a model: the form, the answer, its reasons, and what another value would change."""

import html
import json
import re
from typing import Any

import httpx
import pytest

from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset
from tests.train.training import trained

VALUES = {"f.age": "70", "f.colour": "red", "f.price": "10"}


def try_it(browser: Browser, model: dict[str, Any], **fields: str) -> httpx.Response:
    """Send the form as the page's script does."""
    headers = {"Sec-Fetch-Site": "same-origin", "X-Fragment": "answer"}
    return browser.request("POST", f"/predictors/{model['id']}/try", data={**VALUES, **fields}, headers=headers)


def curve_of(answer: httpx.Response) -> list[dict[str, Any]]:
    chart = re.search(r'id="curve">(.*?)</script>', answer.text, re.S)
    assert chart is not None, answer.text
    return json.loads(chart[1])["data"]["values"]


def predicted(client: Client, model: dict[str, Any], **features: Any) -> dict[str, Any]:
    body = {"train_id": model["id"], "features": {"age": 70, "colour": "red", "price": 10} | features}
    return client.post("/inference", json=body).json()


def test_form_has_a_field_for_each_feature_with_its_range(admin: Browser, model: dict[str, Any]) -> None:
    page = admin.get(f"/predictors/{model['id']}/try").text
    assert re.findall(r'name="f\.(\w+)"', page) == ["age", "colour", "price"]
    assert "Integer, 18 to 80 in the training" in page
    assert all(re.search(rf'name="f\.{name}" value="[^"]+"', page) for name in ("age", "colour", "price"))


def test_answer_has_the_prediction_its_probabilities_and_reasons(
    client: Client, admin: Browser, model: dict[str, Any]
) -> None:
    answer = try_it(admin, model)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    expected = predicted(client, model)
    assert f'<p class="answer">{str(expected["prediction"]).lower()}</p>' in answer.text
    assert f"{100 * expected['probability']:.1f}%" in answer.text
    assert re.search(r'<dt title="age">age</dt>.*?towards true', answer.text, re.S)


def test_form_works_without_a_script_and_keeps_what_was_typed(admin: Browser, model: dict[str, Any]) -> None:
    answer = admin.send(f"/predictors/{model['id']}/try", **VALUES | {"f.colour": "<b>red</b>"})
    assert answer.status_code == 200
    assert 'name="f.colour" value="&lt;b&gt;red&lt;/b&gt;"' in answer.text
    assert '<p class="answer">' in answer.text
    assert "<b>red" not in answer.text
    refused = admin.send(f"/predictors/{model['id']}/try", **VALUES | {"f.age": "old"})
    assert refused.status_code == 422
    assert 'name="f.age" value="old"' in refused.text
    assert 'role="alert"' in refused.text


def test_refusal_is_said_in_the_part(admin: Browser, model: dict[str, Any]) -> None:
    refused = try_it(admin, model, **{"f.age": "old"})
    assert "notice bad" in refused.text
    assert "age" in refused.text


def test_curve_has_the_predictions_over_the_values_of_a_column(
    client: Client, admin: Browser, model: dict[str, Any]
) -> None:
    points = curve_of(try_it(admin, model, varied="age"))
    assert [points[0]["x"], points[-1]["x"]] == [18, 80]
    assert len(points) == 25
    for point in (points[0], points[12], points[-1]):
        assert point["y"] == predicted(client, model, age=point["x"])["probabilities"]["true"]


@pytest.mark.parametrize("varied", ["", "absent", "<script>"])
def test_a_column_that_is_none_has_no_curve(admin: Browser, model: dict[str, Any], varied: str) -> None:
    answer = try_it(admin, model, varied=varied)
    assert answer.status_code == 200
    assert 'id="curve"' not in answer.text


def test_older_version_has_a_curve_of_its_own(client: Client, admin: Browser, dataset: dict[str, Any]) -> None:
    columns = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "price", "attribute_name": "Target"}]
    first = trained(client, dataset["id"], columns=columns, problem_type="Regression")
    second = trained(
        client,
        dataset["id"],
        predictor_name=first["predictor_name"],
        new_version=True,
        columns=columns,
        problem_type="Regression",
        seed=5,
    )
    assert second["endpoint_url"]
    age = {"varied": "age", "f.bought": "yes"}
    curves = [[point["y"] for point in curve_of(try_it(admin, model, **age))] for model in (first, second)]
    assert curves[0] != curves[1]
    assert curves[0][0] == predicted(client, first, age=18, bought="yes")["prediction"]


def test_numbers_are_numbers_however_the_dataset_spells_them(client: Client, admin: Browser) -> None:
    rows = [f"{n};{n},5;{'a' if n < 50 else 'b'}" for n in range(100)]
    made = create_dataset(client, ("german.csv", "\n".join(["id;x;y", *rows]).encode()))
    columns = [{"column_name": "id", "attribute_name": "Id"}, {"column_name": "y", "attribute_name": "Target"}]
    model = trained(client, made["id"], columns=columns)
    headers = {"Sec-Fetch-Site": "same-origin", "X-Fragment": "answer"}
    for typed, expected in (("90.5", "b"), ("3.5", "a")):
        answer = admin.request("POST", f"/predictors/{model['id']}/try", data={"f.x": typed}, headers=headers)
        assert f'<p class="answer">{expected}</p>' in answer.text


def test_form_has_the_rules_of_the_contract(client: Client, admin: Browser) -> None:
    schema = [
        {"column_name": "size", "data_type": "Float", "minimum": "1", "maximum": "9", "nullable": False},
        {"column_name": "kind", "data_type": "String", "allowed_values": ["a", "b & c"]},
        {"column_name": "good", "data_type": "Boolean"},
        {"column_name": "y", "data_type": "String"},
    ]
    template = client.post("/template/", json={"template_name": "ruled", "template_schema": schema}).json()
    rows = [
        f"{1 + n % 8},{'a' if n % 3 else 'b & c'},{'yes' if n % 2 else 'no'},{'p' if n % 8 < 4 else 'q'}"
        for n in range(200)
    ]
    content = "\n".join(["size,kind,good,y", *rows]).encode()
    made = create_dataset(client, ("ruled.csv", content), template_id=template["id"])
    model = trained(client, made["id"], columns=[{"column_name": "y", "attribute_name": "Target"}])
    fields = client.get("/inference/form-based-prediction", params={"id": model["id"]}).json()["headers"]
    assert fields[0]["is_required"] is True
    assert (fields[0]["minimum"], fields[0]["maximum"]) == ("1", "9")
    assert fields[1]["allowed_values"] == ["a", "b & c"]
    page = html.unescape(admin.get(f"/predictors/{model['id']}/try").text)
    assert "Float, allowed 1 to 9" in page
    assert re.search(
        r'<select name="f\.kind">\s*<option value="">missing</option>\s*<option[^>]*>a</option><option[^>]*>b & c<',
        page,
    )
    assert '<select name="f.good">' in page


def test_another_tenant_predicts_nothing(anonymous: Client, model: dict[str, Any]) -> None:
    stranger = signed_in(anonymous, "stranger")
    assert try_it(stranger, model).status_code == 404
