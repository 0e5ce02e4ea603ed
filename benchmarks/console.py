"""Measures the console with lists as long as in use: the time until each page is answered, and what the first loads."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.platform_run import CHURN, PASSWORD, running_platform, train_churn
from dataml.settings import load_settings
from tests.browser.bulk import DATASETS, MODELS, multiply
from tests.browser.pages import addresses_of, base_of, fill, list_routes, matching, parameters_of

_PORT: Final = 8171
_REPEATS: Final = 40
_MAX_MS: Final = 50
_MAX_FIRST_PAGE_KB: Final = 150
_ASSET: Final = re.compile(r'(?:src|href)="(/console/assets/[^"]+)"')
_TABS: Final = re.compile(r'<nav class="tabs".*?</nav>', re.DOTALL)
_LINK: Final = re.compile(r'href="([^"]+)"')


def measure_console(folder: Path) -> None:
    """Measure every page about a model, a dataset, a template or a job, and every list, as a browser asks for them."""
    home, url = folder / "home", f"http://127.0.0.1:{_PORT}"
    with running_platform(home, _PORT) as client:
        dataset = client.datasets.upload(CHURN, "churn")
        model = train_churn(client, dataset, "churn", "LightGBM")
        schema = [{"column_name": "age", "data_type": "Integer"}]
        template = client.api.create_template({"template_name": "people", "template_schema": schema})
        multiply(load_settings(home=home), model.id)
        objects = {
            "dataset_id": dataset.id,
            "train_id": model.id,
            "template_id": template["id"],
            "job_id": model.info["job_id"],
        }
        with httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as browser:
            browser.post("/sign-in", data={"username": "admin", "password": PASSWORD})
            _print_pages(browser, objects)
            _print_first_page(browser)


def _print_pages(browser: httpx.Client, objects: Mapping[str, Any]) -> None:
    print(f"{MODELS:,} trainings, {DATASETS:,} datasets; each page {_REPEATS} times (p50 at most {_MAX_MS} ms)")
    for route in list_routes():
        base = base_of(route)
        needed = set[str]().union(*(parameters_of(address) for address in addresses_of(base or route)))
        if needed - objects.keys():
            print(f"{route:<40} left out: it is about {', '.join(sorted(needed - objects.keys()))}")
            continue
        paths = (
            fill(route, [objects]) if base is None else matching(route, _read_tabs(browser, fill(base, [objects])[0]))
        )
        for path in paths:
            if browser.get(path).status_code == 404:
                print(f"{path:<40} left out: this kind of model has no such page")
                continue
            times = sorted(_time(browser, path) for _ in range(_REPEATS))
            p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
            print(f"{path:<40} p50 {p50:6.1f} ms, p95 {p95:6.1f} ms{'  OVER' if p50 > _MAX_MS else ''}", flush=True)


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
