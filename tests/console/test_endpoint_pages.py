"""The pages of endpoints: what answers for a model, code that calls it, and a deployment of its own."""

import ast
import html
import json
import re
import shlex
from typing import Any

import pytest

from dataml.console.views import endpoint_code
from tests.client import Client
from tests.console.browser import Browser, signed_in

HOSTILE = {"features": {"a'b": "</pre><script>alert(1)</script>", "n": None, "is": True}}


def test_models_are_listed_with_what_answers(admin: Browser, model: dict[str, Any]) -> None:
    page = admin.get("/endpoints").text
    assert f'href="/endpoints/{model["id"]}"' in page
    assert html.escape(model["endpoint_url"]) in page
    assert "Calls in 5 min" in page
    assert "Nothing matches." in admin.get("/endpoints?q=absent-name").text


def test_code_of_a_model_predicts(admin: Browser, client: Client, model: dict[str, Any]) -> None:
    page = admin.get(f"/endpoints/{model['id']}").text
    code = html.unescape(re.findall(r'id="sample-curl" tabindex="0">(.*?)</pre>', page, re.DOTALL)[0])
    words = shlex.split(code.replace("\\\n", ""))
    url, body = words[3], json.loads(words[words.index("-d") + 1])
    assert set(body["features"]) == {"age", "colour", "price"}
    answer = client.post(url.removeprefix("http://dataml"), json=body)
    assert answer.status_code == 200, answer.text
    assert "prediction" in answer.json()
    figures = re.search(r"Last five minutes</dt><dd>(.*?)</dd>", admin.get(f"/endpoints/{model['id']}").text)
    assert figures is not None
    assert re.search(r"[1-9]\d*</data> calls?, .* with an error; half within .* ms", figures[1])
    assert 'href="/account"' in page


@pytest.mark.parametrize("number", [1, 2])
def test_python_of_any_values_can_be_parsed(number: int) -> None:
    samples = endpoint_code.samples("http://dataml", "/models/t/p/predict", "it's", HOSTILE)
    tree = ast.parse(samples[number][2])
    assert any(isinstance(node, ast.Constant) and node.value == "a'b" for node in ast.walk(tree))


def test_a_deployment_is_asked_for_and_given_back(admin: Browser, client: Client, model: dict[str, Any]) -> None:
    path = f"/endpoints/{model['id']}"
    answer = admin.send(path, min_replicas="1", max_replicas="2", downscale_delay_s="0")
    assert answer.status_code == 303, answer.text
    endpoint = client.get(f"/endpoints/{model['id']}").json()
    assert (endpoint["wanted"], endpoint["max_replicas"]) == ("requested", 2)
    assert (endpoint["upscale_delay_s"], endpoint["downscale_delay_s"]) == (5, 0)
    page = admin.get(path).text
    assert "Give it back to the pool" in page
    assert re.search(r'name="downscale_delay_s"[^>]* value="0.0"', page)
    refused = admin.send(path, min_replicas="3", max_replicas="2")
    assert refused.status_code == 422
    assert "min_replicas is larger than max_replicas." in refused.text
    assert 'value="3"' in refused.text
    assert admin.send(path, min_replicas="many").status_code == 422
    assert admin.send(f"{path}/withdraw").status_code == 303
    assert client.get(f"/endpoints/{model['id']}").json()["wanted"] != "requested"
    assert admin.send(f"{path}/withdraw").status_code == 404


def test_changes_need_their_permission_and_tenant(anonymous: Client, model: dict[str, Any]) -> None:
    analyst, stranger = signed_in(anonymous, "analyst"), signed_in(anonymous, "stranger")
    path = f"/endpoints/{model['id']}"
    page = analyst.get(path)
    assert page.status_code == 200
    assert 'name="min_replicas"' not in page.text
    assert analyst.send(path, min_replicas="1").status_code == 403
    assert stranger.get(path).status_code == 404
    assert stranger.send(path, min_replicas="1").status_code == 404
    assert stranger.send(f"{path}/withdraw").status_code == 404
    assert model["endpoint_url"] not in stranger.get("/endpoints").text
