"""The explanation of a model over HTTP."""

import json
from typing import Any

import pytest

from tests.client import Client, wait_for_job
from tests.conftest import Platform
from tests.train.training import small_dataset, trained


@pytest.fixture(scope="module")
def training(client: Client) -> dict[str, Any]:
    return trained(client, small_dataset(client))


def explained(client: Client, train_id: int) -> Any:
    asked = client.post("/train/generate-feature-importance", params={"train_id": train_id}).json()
    assert wait_for_job(client, asked["shap_job_id"])["state"] == "succeeded"
    answer = client.get(f"/train/{train_id}/explanation")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_missing_explanation_is_not_found(client: Client) -> None:
    row = trained(client, small_dataset(client))
    for path in ("explanation", "explanation/beeswarm.png"):
        answer = client.get(f"/train/{row['id']}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "explanation_not_found")
        absent = client.get(f"/train/{10**9}/{path}")
        assert (absent.status_code, absent.json()["code"]) == (404, "training_not_found")


def test_the_explanation_has_importance_charts_and_rows(client: Client, training: dict[str, Any]) -> None:
    found = explained(client, training["id"])
    view = client.get("/train/view-feature-importance", params={"train_id": training["id"]}).json()
    assert found["feature_importance"] == view["feature_importance"]
    assert (found["sample_rows"], found["total_rows"]) == (300, 300)
    names = list(found["feature_importance"])
    assert [chart["feature"] for chart in found["dependence"]] == names
    for spec in (found["beeswarm"], *(chart["chart"] for chart in found["dependence"])):
        assert spec["$schema"].endswith("/vega-lite/v5.json")
        assert spec["data"]["values"]
        assert len(json.dumps(spec)) < 1_000_000
    assert found["rows"][0]["values"].keys() == set(names)
    assert {row["row"] for row in found["rows"]} == set(range(50))


def test_only_charts_of_the_explanation_have_a_picture(client: Client, training: dict[str, Any]) -> None:
    found = explained(client, training["id"])
    for name in ("beeswarm", *(chart["name"] for chart in found["dependence"])):
        answer = client.get(f"/train/{training['id']}/explanation/{name}.png")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
    for name in ("dependence-9", "summary", "..%2Fexplanation%2Fbeeswarm", "%2e%2e", "beeswarm%00", "*", "BEESWARM"):
        answer = client.get(f"/train/{training['id']}/explanation/{name}.png")
        assert answer.status_code == 404, name
        assert answer.json()["code"] in ("explanation_not_found", "not_found")


def test_explanation_matches_its_documented_schema(client: Client, training: dict[str, Any]) -> None:
    found = explained(client, training["id"])
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert found.keys() == schemas["ExplanationAnswer"]["properties"].keys()
    assert found["rows"][0].keys() == schemas["ExplainedRow"]["properties"].keys()
    assert found["dependence"][0].keys() == schemas["DependenceChart"]["properties"].keys()


def test_explanation_missing_in_storage_is_reported(platform: Platform, client: Client) -> None:
    row = trained(client, small_dataset(client))
    explained(client, row["id"])
    (folder,) = sorted(
        (platform.settings.storage_root / "jobs").glob("*/explanation"), key=lambda p: p.stat().st_ctime
    )[-1:]
    for file in folder.iterdir():
        file.unlink()
    for path in ("explanation", "explanation/beeswarm.png"):
        answer = client.get(f"/train/{row['id']}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "file_missing")
        assert str(platform.settings.root) not in answer.text
