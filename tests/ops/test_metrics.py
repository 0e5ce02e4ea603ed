"""`GET /metrics`: what Prometheus reads."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from dataml.db.session import Database
from dataml.metrics.definitions import RECORDED
from dataml.metrics.totals import Snapshot
from dataml.ops.metrics import MEASURED
from dataml.settings import Settings, load_settings
from tests.client import Client
from tests.conftest import NewHome, Platform, run_platform
from tests.database import execute_sql
from tests.dataset.datasets import create_dataset
from tests.test_every_route import refusal
from tests.train.training import small_dataset, trained

TOKEN = "a-token-of-the-scraper"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(metrics_token=TOKEN)


@pytest.fixture
def scraper(platform: Platform) -> Client:
    return Client(platform.client.app, platform.client.portal, {"Authorization": f"Bearer {TOKEN}"})


def scrape(client: Client) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def count(samples: Samples, name: str, **labels: str) -> float:
    return value(samples, name, **labels) or 0.0


def test_every_metric_is_declared(scraper: Client) -> None:
    answer = scraper.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {metric.name.removesuffix("_total") for metric in (*MEASURED, *RECORDED)} == families


def test_open_metrics_is_answered_where_it_is_asked_for(scraper: Client) -> None:
    answer = scraper.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_requests_are_counted_by_route_and_not_by_path(scraper: Client, client: Client) -> None:
    before = scrape(scraper)
    for path in ("/template/77", "/template/78", "/template/list", "/no/such/path"):
        client.get(path)
    client.request("BREW", "/template/list")
    after = scrape(scraper)

    def grown(name: str, **labels: str) -> float:
        return count(after, name, **labels) - count(before, name, **labels)

    by_id = {"method": "GET", "route": "/api/v1/template/{template_id}"}
    assert grown("dataml_http_requests_total", status="404", **by_id) == 2
    assert grown("dataml_http_request_duration_seconds_count", **by_id) == 2
    assert grown("dataml_http_requests_total", method="GET", route="/api/v1/template/list", status="200") == 1
    assert grown("dataml_http_requests_total", method="GET", route="unmatched", status="404") == 1
    assert grown("dataml_http_requests_total", method="other", route="/api/v1/template/list", status="405") == 1
    assert grown("dataml_http_errors_total", code="template_not_found") == 2
    assert grown("dataml_http_errors_total", code="not_found") == 1
    assert not [labels for _, labels in after if "77" in dict(labels).get("route", "")]


def test_queue_is_read_from_the_database(platform: Platform, scraper: Client, client: Client) -> None:
    create_dataset(client, ("a.csv", b"a,b\n1,2\n"))
    assert value(scrape(scraper), "dataml_jobs", kind="validate", state="running") == 0
    assert value(scrape(scraper), "dataml_job_queue_age_seconds", kind="train") == 0
    # No worker takes a job that is running already.
    execute_sql(platform.settings, "UPDATE job SET state = 'running', kind = 'train'")
    samples = scrape(scraper)
    assert count(samples, "dataml_jobs", kind="train", state="running") >= 1
    assert value(samples, "dataml_supervisor_up") == 1
    assert value(samples, "dataml_database_up") == value(samples, "dataml_metrics_up") == 1
    assert count(samples, "dataml_storage_free_bytes") > 0
    execute_sql(platform.settings, "UPDATE job SET state = 'succeeded'")


def test_predictions_are_counted_by_predictor(scraper: Client, client: Client) -> None:
    row = trained(client, small_dataset(client))
    predictor = {"tenant": "default", "predictor": row["predictor_name"], "version": "1"}
    url, good = row["endpoint_url"], {"age": 60, "colour": "red", "price": 5.0}
    before = scrape(scraper)
    assert client.post(url, json={"instances": [good, good | {"colour": "violet"}]}).status_code == 200
    by_id = {"train_id": row["id"], "preprocess_id": row["preprocess_id"], "target": "bought"}
    assert client.post("/inference", json=by_id | {"features": good}).status_code == 200
    assert client.post(url, json={"features": {"age": "old"}}).status_code == 422
    assert client.post(f"{url.removesuffix('/predict')}@champion/predict", json={"features": good}).status_code == 200
    samples = scrape(scraper)
    assert value(samples, "dataml_predicted_rows_total", **predictor) == 4
    assert value(samples, "dataml_prediction_warnings_total", code="unseen_category", **predictor) == 1
    assert value(samples, "dataml_prediction_duration_seconds_count", status="2xx", alias="", **predictor) == 2
    assert value(samples, "dataml_prediction_duration_seconds_count", status="4xx", alias="", **predictor) == 1
    assert value(samples, "dataml_prediction_duration_seconds_count", status="2xx", alias="champion", **predictor) == 1
    for route in ("/models/{tenant_name}/{predictor_name}/predict", "/api/v1/inference"):
        answered = ("dataml_http_requests_total", {"method": "POST", "route": route, "status": "200"})
        assert count(samples, answered[0], **answered[1]) - count(before, answered[0], **answered[1]) == 1


def test_jobs_are_counted_once_they_have_ended(scraper: Client, client: Client) -> None:
    before = scrape(scraper)
    create_dataset(client, ("a.csv", b"a,b\n1,2\n"))
    after = scrape(scraper)
    ended = {"kind": "validate", "state": "succeeded"}
    assert (
        count(after, "dataml_jobs_finished_total", **ended) - count(before, "dataml_jobs_finished_total", **ended) == 1
    )
    name = "dataml_job_duration_seconds_count"
    assert count(after, name, kind="validate") - count(before, name, kind="validate") == 1
    for operation in ("write", "flush"):
        name = "dataml_storage_operation_duration_seconds_count"
        assert count(after, name, operation=operation) > count(before, name, operation=operation)
    for kind in ("read", "write", "lookup"):
        name = "dataml_database_transaction_duration_seconds_count"
        assert count(after, name, kind=kind) > count(before, name, kind=kind)


def test_metrics_are_answered_while_database_and_supervisor_are_away(
    scraper: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Database) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    async def know_nothing() -> Snapshot | None:
        return None

    app = scraper.app.app  # type: ignore[attr-defined]
    monkeypatch.setattr(app.state.metrics, "collect", know_nothing)
    monkeypatch.setattr(Database, "reading", fail)
    samples = scrape(scraper)
    assert value(samples, "dataml_database_up") == value(samples, "dataml_metrics_up") == 0
    # A part of the totals would look like counters that began again.
    assert {name for name, _ in samples} <= {metric.name for metric in MEASURED}
    assert value(samples, "dataml_supervisor_up") is None


def test_metrics_are_for_the_token_and_for_administrators_of_the_platform(
    scraper: Client, client: Client, stranger: Client, anonymous: Client
) -> None:
    assert scrape(client)
    assert refusal(stranger.get("/metrics")) == (403, "missing_permission")
    assert refusal(anonymous.get("/metrics")) == (401, "missing_token")
    for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), ""):
        answer = anonymous.get("/metrics", headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
    # The token opens nothing else.
    assert scraper.get("/utils/status").status_code == 401


def test_short_token_is_refused() -> None:
    with pytest.raises(Exception, match="DATAML_METRICS_TOKEN"):
        load_settings(metrics_token="short")


@pytest.fixture
def without_metrics(new_home: NewHome, migrated_database: object) -> Iterator[Platform]:
    with run_platform(new_home(metrics=False, metrics_token=TOKEN), migrated_database) as platform:  # type: ignore[arg-type]
        yield platform


def test_metrics_can_be_switched_off(without_metrics: Platform) -> None:
    answer = without_metrics.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert refusal(answer) == (404, "not_found")
