"""Measures the console with lists as long as in use: the time until each page is answered, and what the first loads."""

import re
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx

import dataml
from benchmarks.platform_run import CHURN, PASSWORD, running_platform, train_churn
from dataml.settings import load_settings
from tests.browser.bulk import DATASETS, MODELS, multiply
from tests.browser.objects import Objects
from tests.browser.pages import base_of, fill, list_routes, matching

_PORT: Final = 8171
_REPEATS: Final = 40
_MAX_MS: Final = 50
_LAKE_TABLE: Final = "customers"
_DEPARTURES: Final = CHURN.with_name("airport_departures.csv")
_MAX_FIRST_PAGE_KB: Final = 150
_ASSET: Final = re.compile(r'(?:src|href)="(/console/assets/[^"]+)"')
_TABS: Final = re.compile(r'<nav class="tabs".*?</nav>', re.DOTALL)
_LINK: Final = re.compile(r'href="([^"]+)"')


def measure_console(folder: Path) -> None:
    """Measure every page about a model, a dataset, a template or a job, and every list, as a browser asks for them."""
    home, url = folder / "home", f"http://127.0.0.1:{_PORT}"
    with running_platform(home, _PORT) as client:
        objects = _create_objects(client)
        multiply(load_settings(home=home), objects[0]["train_id"])
        with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as browser:
            browser.post("/sign-in", data={"username": "admin", "password": PASSWORD})
            _print_pages(browser, objects)
            _print_first_page(browser)


def _create_objects(client: dataml.Client) -> Objects:
    """Make objects of each kind that a page is about, and return their ids by the names in the routes of pages."""
    dataset = client.datasets.upload(CHURN, "churn", lake_table=_LAKE_TABLE)
    dataset.statistics()
    model = train_churn(client, dataset, "churn", "LightGBM")
    to_score = client.datasets.upload(CHURN, "churn to score", usage="prediction")
    batch = client.api.start_batch_prediction({"train_id": model.id, "dataset_id": to_score.id})
    client.api.get_job(batch["job_id"], wait=60)
    departures = client.datasets.upload(_DEPARTURES, "departures")
    forecast = client.train(
        departures, "departures", name="departures", id="origin", time="date", problem_type="Forecast",
        algorithm="LightGBM",
    )  # fmt: skip
    template = client.templates.create("people", [{"column_name": "age", "data_type": "Integer"}])
    user = client.users.create("grace", PASSWORD, email="grace@example.org")
    return [
        {
            "dataset_id": dataset.id,
            "train_id": model.id,
            "quoted_name": quote(model.name, safe=""),
            "other_train_id": forecast.id,
            "job_id": model.info["job_id"],
            "prediction_id": batch["prediction_id"],
            "template_id": template.id,
            "tenant_id": model.info["tenant_id"],
            "user_id": user.id,
            "schema": "silver",
            "table": _LAKE_TABLE,
        },
        {"train_id": forecast.id, "job_id": forecast.info["job_id"]},
    ]


def _print_pages(browser: httpx.Client, objects: Objects) -> None:
    print(f"{MODELS:,} trainings, {DATASETS:,} datasets; each page {_REPEATS} times (p50 at most {_MAX_MS} ms)")
    for route in list_routes():
        base = base_of(route)
        paths = fill(base or route, objects)
        if base is not None:
            paths = matching(route, [link for path in paths for link in _read_tabs(browser, path)])
        for path in dict.fromkeys(paths):
            if browser.get(path).status_code == 404:
                print(f"{path:<60} left out: this kind of model has no such page")
                continue
            times = sorted(_time(browser, path) for _ in range(_REPEATS))
            p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
            print(f"{path:<60} p50 {p50:6.1f} ms, p95 {p95:6.1f} ms{'  OVER' if p50 > _MAX_MS else ''}", flush=True)


def _read_tabs(browser: httpx.Client, path: str) -> list[str]:
    return [link for tabs in _TABS.findall(browser.get(path).text) for link in _LINK.findall(tabs)]


def _time(browser: httpx.Client, path: str) -> float:
    """Return the milliseconds until a page is answered.

    Raises:
        HTTPStatusError: It is answered with an error, or by the form to sign in.
    """
    started = time.perf_counter()
    answer = browser.get(path)
    milliseconds = (time.perf_counter() - started) * 1000
    if answer.status_code != 200:
        raise httpx.HTTPStatusError(f"{path}: {answer.status_code}", request=answer.request, response=answer)
    return milliseconds


def _print_first_page(browser: httpx.Client) -> None:
    """Print the bytes that a browser with an empty cache loads for the first page."""
    answer = browser.get("/")
    sizes = [len(answer.content), *(len(browser.get(path).content) for path in set(_ASSET.findall(answer.text)))]
    print(f"first page with its {len(sizes) - 1} files: {sum(sizes) / 1000:.0f} KB (at most {_MAX_FIRST_PAGE_KB} KB)")
