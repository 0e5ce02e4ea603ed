"""The pages: what they show, to whom, and with which headers."""

import html
import re
from typing import Any

import pytest
from starlette.routing import Route

from dataml.console.routes import create_routes
from dataml.console.visit import POLICY
from tests.client import Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import create_dataset

PATHS = [
    "/",
    "/templates",
    "/templates/new",
    "/lake",
    "/endpoints",
    "/endpoints/{model}",
    "/datasets",
    "/datasets/new",
    "/datasets/from-table",
    "/datasets/{dataset}",
    "/datasets/{dataset}/preview",
    "/datasets/{dataset}/columns",
    "/datasets/{dataset}/errors",
    "/datasets/{dataset}/files",
    "/datasets/{dataset}/uses",
    "/predictors",
    "/predictors/compare?id={model}",
    "/predictors/new",
    "/predictors/new?dataset={dataset}&target=bought",
    "/predictors/new?from={model}&mode=continue",
    "/predictors/{model}",
    "/predictors/{model}/report",
    "/predictors/{model}/errors",
    "/predictors/{model}/threshold",
    "/predictors/{model}/batches",
    "/predictors/{model}/explanation",
    "/predictors/{model}/try",
    "/jobs",
    "/jobs/{job}",
    "/account",
    "/account/keys",
    "/account/sessions",
    "/admin/users",
    "/admin/users/new",
    "/admin/users/1",
    "/admin/roles",
    "/admin/audit",
    "/admin/tenants",
    "/admin/health",
]


def fill(path: str, dataset: dict[str, Any], model: dict[str, Any]) -> str:
    return path.format(dataset=dataset["id"], model=model["id"], job=model["job_id"])


@pytest.mark.parametrize("path", PATHS)
def test_page_is_shown(admin: Browser, dataset: dict[str, Any], model: dict[str, Any], path: str) -> None:
    answer = admin.get(fill(path, dataset, model))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert re.search(r"<h1>\S", answer.text)
    assert "<script>alert" not in answer.text
    assert "<i>A0" not in answer.text
    assert not re.search(r"\son[a-z]+=|<style|style=|<script>(?!\s*$)", answer.text), "the policy forbids these"
    assert len(answer.content) < 150_000


def test_names_and_cells_are_shown_as_they_are(admin: Browser, dataset: dict[str, Any]) -> None:
    assert "&lt;script&gt;alert(1)&lt;" in admin.get("/datasets").text
    assert "&lt;i&gt;A0&lt;/i&gt;" in admin.get(f"/datasets/{dataset['id']}").text


def test_page_shows_its_calls_as_code(admin: Browser, dataset: dict[str, Any]) -> None:
    text = html.unescape(admin.get(f"/datasets/{dataset['id']}").text)
    assert f"dm.api.get_dataset(dataset_id={dataset['id']})" in text
    assert "/api/v1/dataset/get_dataset_by_id?dataset_id=" in text


def test_no_page_changes_anything_by_a_get(
    client: Client, admin: Browser, dataset: dict[str, Any], model: dict[str, Any]
) -> None:
    changing = [route for route in create_routes() if isinstance(route, Route) and route.methods == {"POST"}]
    assert len(changing) >= 6
    before = client.get("/audit/list").json()["total"]
    ids = {"dataset_id": dataset["id"], "train_id": model["id"], "job_id": model["job_id"]}
    for route in changing:
        admin.get(re.sub(r"\{(\w+)(:\w+)?\}", lambda name: str(ids.get(name[1], 1)), route.path))
    assert client.get("/audit/list").json()["total"] == before


def test_another_tenant_sees_nothing(anonymous: Client, dataset: dict[str, Any], model: dict[str, Any]) -> None:
    stranger = signed_in(anonymous, "stranger")
    for path in (path for path in PATHS if "{" in path):
        answer = stranger.get(fill(path, dataset, model))
        assert answer.status_code == 404, path
    assert stranger.send(f"/datasets/{dataset['id']}/delete").status_code == 404


def test_what_a_user_may_not_do_is_hidden_and_refused(
    anonymous: Client, dataset: dict[str, Any], model: dict[str, Any]
) -> None:
    analyst = signed_in(anonymous, "analyst")
    page = analyst.get(f"/datasets/{dataset['id']}")
    assert page.status_code == 200
    assert "/delete" not in page.text
    assert "/datasets/new" not in analyst.get("/datasets").text
    assert analyst.get("/datasets/new").status_code == 403
    refused = analyst.send(f"/datasets/{dataset['id']}/delete")
    assert refused.status_code == 403
    assert "can_delete_dataset" in refused.text
    assert analyst.send(f"/predictors/{model['id']}/delete").status_code == 403


def test_a_dataset_is_deleted(client: Client, admin: Browser) -> None:
    made = create_dataset(client, ("a.csv", b"a\n1\n"))
    answer = admin.send(f"/datasets/{made['id']}/delete")
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets?notice=The+dataset+is+deleted.")
    assert admin.get(f"/datasets/{made['id']}").status_code == 404


def test_files_are_uploaded_by_a_script(admin: Browser) -> None:
    answer = admin.request(
        "POST",
        "/console/api/dataset/upload",
        params={"dataset_name": "by-browser", "usage": "training", "wait": 30},
        files={"files": ("a.csv", b"a,b\n1,2\n")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 201, answer.text
    assert "by-browser" in admin.get("/datasets?q=by-browser").text


def test_lists_are_filtered_sorted_and_paged(admin: Browser, dataset: dict[str, Any]) -> None:
    assert "Nothing matches." in admin.get("/datasets?q=absent-name").text
    assert 'aria-sort="descending"' in admin.get("/datasets?sort=-name").text
    assert admin.get("/datasets?offset=x").status_code == 200
    refused = admin.get("/datasets?sort=secret")
    assert refused.status_code == 422


def test_assets_are_kept_for_good(admin: Browser) -> None:
    text = admin.get("/").text
    for path in re.findall(r"/console/assets/[0-9a-f]+/console\.\w+", text):
        answer = admin.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert admin.get("/console/assets/0000/console.css").status_code == 404
    assert admin.get("/console/assets/0000/..%2f..%2fsettings.py").status_code == 404
