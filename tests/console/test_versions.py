"""The versions of a predictor, and the drawing of where they come from."""

import re
from typing import Any

import pytest

from dataml.console import lineage
from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset, create_template
from tests.train.training import small_csv, trained

PATH = "/predictors/versions"
NAME = "<b>versions</b> & more"


@pytest.fixture(scope="module")
def versions(client: Client) -> list[dict[str, Any]]:
    """A first version on a dataset with a template, its continuation, and a version on another dataset."""
    template = create_template(client, id="String", age="Integer", colour="String", price="Float", bought="Boolean")
    first = create_dataset(client, ("small.csv", small_csv()), template_id=template)
    second = create_dataset(client, ("small.csv", small_csv(200)))
    made = [trained(client, first["id"], predictor_name=NAME)]
    made.append(trained(client, first["id"], predictor_name=NAME, is_incremental=True, columns=[]))
    made.append(trained(client, second["id"], predictor_name=NAME, new_version=True))
    return made


def page_of(browser: Browser, **query: Any) -> str:
    answer = browser.get(PATH, params={"name": NAME} | query)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_versions_are_listed_and_can_be_compared(admin: Browser, versions: list[dict[str, Any]]) -> None:
    page = page_of(admin)
    for row in versions:
        assert f'name="id" value="{row["id"]}"' in page
    assert page.count("a continuation") == 1
    assert page.count("answers by name") == 1
    assert "<b>versions" not in page
    assert "&lt;b&gt;versions&lt;/b&gt; &amp; more" in page


def test_lineage_has_template_datasets_and_continuation(
    client: Client, admin: Browser, versions: list[dict[str, Any]]
) -> None:
    first, child, other = versions
    page = page_of(admin, id=child["id"])
    drawing = page.split("<svg")[1].split("</svg>")[0]
    detail = client.get(f"/train/{child['id']}").json()["lineage"]
    assert detail["parent"]["id"] == first["id"]
    assert f"/templates/{detail['dataset']['template_id']}" in drawing
    for row in versions:
        assert f"/predictors/{row['id']}" in drawing
    for dataset_id in (first["dataset_id"], other["dataset_id"]):
        assert f"/datasets/{dataset_id}" in drawing
    assert drawing.count('class="continues"') == 1
    assert len(re.findall("<path", drawing)) == 1 + 3 + 1
    assert "style=" not in page


def test_lineage_ends_in_predictions(client: Client, admin: Browser, versions: list[dict[str, Any]]) -> None:
    train_id = versions[0]["id"]
    rows = create_dataset(client, ("p.csv", small_csv(30, target=False)), usage="p")
    started = client.post("/inference/batch-prediction", json={"train_id": train_id, "dataset_id": rows["id"]})
    assert started.status_code == 202, started.text
    assert wait_for_job(client, started.json()["job_id"])["state"] == "succeeded"
    assert "Batch prediction" in page_of(admin, id=train_id)
    assert "30 rows, completed" in page_of(admin, id=train_id)
    assert "Batch prediction" not in page_of(admin, id=versions[2]["id"])


def test_unknown_predictor_has_no_versions(admin: Browser) -> None:
    assert "No versions" in page_of(admin, name="absent")
    assert admin.get(PATH).status_code == 404
    assert page_of(admin, id="x")
    assert page_of(admin, id="9" * 30)


def test_of_another_tenant_nothing_is_shown(anonymous: Client, versions: list[dict[str, Any]]) -> None:
    assert "No versions" in page_of(signed_in(anonymous, "stranger"), id=versions[0]["id"])
    page = page_of(signed_in(anonymous, "analyst"))
    assert "/predictors/new" not in page


def test_long_names_are_cut_in_the_drawing() -> None:
    row = {"id": 1, "version": 1, "dataset_id": 2, "dataset_name": "x" * 200, "parent_id": None, "state": "failed"}
    row |= {"metric": None, "metric_value": None}
    origin = {"id": 2, "name": "x" * 200, "template_id": None, "template_version": None}
    drawing = lineage.draw([row], {"id": 1, "lineage": {"dataset": origin}}, [])
    assert len(drawing.nodes) == 2
    assert all(len(node.shown) <= 25 for node in drawing.nodes)
    assert drawing.width >= max(node.x + node.width for node in drawing.nodes)
