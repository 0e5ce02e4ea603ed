"""A real Prometheus scrapes the platform, and evaluates the rules and every panel of the dashboard."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml

from dataml.settings import Settings
from tests.conftest import NewHome, Platform
from tests.dataset.datasets import create_dataset
from tests.monitoring.files import ALERTS, read_expressions
from tests.services.program import Program, free_port

pytestmark = pytest.mark.services
TOKEN = "a-token-of-the-scraper"
FOLDER = os.environ.get("DATAML_TEST_PROMETHEUS")


@pytest.fixture(scope="module")
def programs() -> Path:
    if FOLDER is None:
        pytest.skip("DATAML_TEST_PROMETHEUS names no folder with Prometheus: make test-prometheus")
    return Path(FOLDER) / "usr" / "bin"


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(metrics_token=TOKEN)


@pytest.fixture(scope="module")
def address(platform: Platform) -> Iterator[str]:
    """The platform on a port."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(platform.client.app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def prometheus(programs: Path, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("prometheus")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {
                "job_name": "dataml",
                "authorization": {"credentials": TOKEN},
                "static_configs": [{"targets": [address]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        str(programs / "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with Program(command, port, folder / "log"), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def ask(prometheus: httpx.Client, path: str, **parameters: str) -> Any:
    answer = prometheus.get(f"/api/v1/{path}", params=parameters).json()
    assert answer["status"] == "success", answer
    return answer["data"]


def await_value(prometheus: httpx.Client, expression: str) -> float:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if result := ask(prometheus, "query", query=expression)["result"]:
            return float(result[0]["value"][1])
        time.sleep(0.2)
    raise AssertionError(f"no value of {expression}: {ask(prometheus, 'targets')}")


def test_rules_are_sound(programs: Path) -> None:
    checked = subprocess.run(
        [programs / "promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_metrics_are_as_prometheus_wants_them(programs: Path, address: str) -> None:
    metrics = httpx.get(f"http://{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content
    checked = subprocess.run(
        [programs / "promtool", "check", "metrics"], input=metrics, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_scrapes_the_platform(prometheus: httpx.Client, platform: Platform) -> None:
    assert await_value(prometheus, 'up{job="dataml"}') == 1
    create_dataset(platform.client, ("a.csv", b"a,b\n1,2\n"))
    assert await_value(prometheus, 'dataml_jobs_finished_total{kind="validate"}') >= 1
    assert await_value(prometheus, "dataml_supervisor_up") == 1
    # OpenMetrics is what Prometheus asks for; a histogram arrives whole.
    assert await_value(prometheus, 'dataml_http_request_duration_seconds_bucket{le="+Inf"}') >= 1


def test_every_expression_can_be_evaluated(prometheus: httpx.Client) -> None:
    assert await_value(prometheus, 'up{job="dataml"}') == 1
    for expression in read_expressions().values():
        ask(prometheus, "query", query=expression)


def test_no_rule_fails_and_none_fires_at_first(prometheus: httpx.Client) -> None:
    await_value(prometheus, 'up{job="dataml"}')
    deadline = time.monotonic() + 30
    while True:
        rules = [rule for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] == "ok" for rule in rules) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
    assert [rule["name"] for rule in rules if rule["state"] != "inactive"] == []
