"""The first page: the first steps of a new tenant, sample data, and what runs."""

import pytest

from dataml.console import samples
from tests.client import Client, wait_for_job
from tests.console.browser import Browser, signed_in
from tests.sample_tenant import create_user

CHURN = "sample-churn"


@pytest.fixture(scope="module")
def newcomer(anonymous: Client) -> Browser:
    """A browser of the administrator of a tenant without predictors."""
    return signed_in(anonymous, "stranger")


def test_new_tenant_is_shown_its_first_steps(newcomer: Browser) -> None:
    page = newcomer.get("/").text
    assert "First steps" in page
    assert 'action="/samples/sample-churn"' in page
    assert 'action="/samples/sample-departures"' in page
    assert "healthy" in page


@pytest.mark.parametrize("sample", samples.available_samples(), ids=lambda sample: sample.name)
def test_click_on_a_sample_leads_to_its_training(stranger: Client, newcomer: Browser, sample: samples.Sample) -> None:
    answer = newcomer.send(f"/samples/{sample.name}")
    dataset = stranger.get("/dataset/list", params={"name": sample.name}).json()["data"][0]
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"/predictors/new?dataset={dataset['id']}&target=")
    if dataset["state"] == "validating":
        wait_for_job(stranger, dataset["job_id"])
    described = stranger.get("/dataset/get_dataset_by_id", params={"dataset_id": dataset["id"]}).json()
    assert described["state"] == "valid"
    assert sample.training["target"] in {column["column_name"] for column in described["schema"]}
    again = newcomer.send(f"/samples/{sample.name}")
    assert again.headers["location"] == answer.headers["location"]
    assert stranger.get("/dataset/list", params={"name": sample.name}).json()["total"] == 1


def test_unknown_sample_is_not_found(newcomer: Browser) -> None:
    answer = newcomer.send("/samples/..%2Fsecret")
    assert answer.status_code == 404


def test_no_sample_is_offered_where_the_examples_are_missing(
    newcomer: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(samples, "_FOLDER", tmp_path_factory.mktemp("empty"))
    assert "/samples/" not in newcomer.get("/").text
    assert newcomer.send(f"/samples/{CHURN}").status_code == 404


def test_who_may_not_upload_is_offered_no_sample(anonymous: Client) -> None:
    analyst = signed_in(anonymous, "analyst")
    assert "/samples/" not in analyst.get("/").text
    assert analyst.send(f"/samples/{CHURN}").status_code == 403


def test_user_without_permissions_has_a_first_page(client: Client, anonymous: Client) -> None:
    user = create_user(client, roles=["service"])
    browser = signed_in(anonymous, user["username"])
    page = browser.get("/")
    assert page.status_code == 200
    assert "/account/keys" in page.text
    assert "/jobs" not in page.text


def test_another_origin_uploads_no_sample(anonymous: Client) -> None:
    browser = signed_in(anonymous, "admin")
    answer = browser.request("POST", f"/samples/{CHURN}", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
