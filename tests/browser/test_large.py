"""Pages with much on them: long lists, wide datasets, many errors."""

import time
from typing import TYPE_CHECKING

import pytest

from tests.browser.bulk import DATASETS, MODELS, multiply
from tests.browser.chromium import open_context, sign_in
from tests.browser.faults import Inspector
from tests.browser.site import Site
from tests.client import Client
from tests.conftest import log_in
from tests.dataset.datasets import create_dataset
from tests.train.training import small_csv, trained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

pytestmark = pytest.mark.browser
COLUMNS = 500
ERRORS = 100_000
# Of the first answer, without what the page loads after it.
MAX_PAGE_BYTES = 150_000
# The machine of a test may be busy: the limit of the product is measured by `make bench ARGS=console`.
MAX_SECONDS = 10


@pytest.fixture(scope="module")
def stranger(site: Site) -> Client:
    """The administrator of the other tenant, which has long lists."""
    return log_in(site.platform.anonymous, "stranger")


@pytest.fixture(scope="module")
def train_id(site: Site, stranger: Client) -> int:
    """A training that has been copied many times."""
    model = trained(stranger, create_dataset(stranger, ("small.csv", small_csv()))["id"])
    multiply(site.platform.settings, model["id"])
    return model["id"]


@pytest.fixture(scope="module")
def profile(chromium: "Browser", site: Site) -> "Iterator[BrowserContext]":
    with open_context(chromium, site.url) as context:
        sign_in(context, "stranger")
        yield context


def assert_good(profile: "BrowserContext", site: Site, path: str, max_bytes: int = MAX_PAGE_BYTES) -> None:
    """Open a page, and check that it is whole, not slow and not big."""
    started = time.monotonic()
    answer = profile.request.get(path)
    seconds = time.monotonic() - started
    assert answer.ok, path
    assert seconds < MAX_SECONDS, f"{path} took {seconds:.1f} s"
    assert len(answer.body()) <= max_bytes, f"{path} has {len(answer.body()):,} bytes"
    faults = Inspector(profile, site.url, None).find_faults(path)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/predictors",
        "/predictors?offset=1950",
        "/predictors?sort=-metric_value",
        "/predictors?q=predictor&state=succeeded",
        "/datasets",
        "/datasets?offset=150&sort=name",
        "/jobs",
    ],
)
def test_long_list_is_paged(profile: "BrowserContext", site: Site, train_id: int, path: str) -> None:
    assert_good(profile, site, path)


def test_page_of_a_list_has_a_few_rows_and_says_how_many_there_are(profile: "BrowserContext", train_id: int) -> None:
    page = profile.new_page()
    for path, total in (("/predictors", MODELS + 1), ("/datasets", DATASETS + 1)):
        page.goto(path)
        assert 10 <= page.locator("tbody tr").count() <= 100
        assert f"of {total:,}" in page.locator(".pager").inner_text()
        page.get_by_role("link", name="Next").click()
        page.wait_for_url("**offset=**")
        page.go_back()
        assert "offset" not in page.url
    page.close()


def test_model_among_many_is_shown(profile: "BrowserContext", site: Site, train_id: int) -> None:
    for tab in ("", "/report", "/try"):
        assert_good(profile, site, f"/predictors/{train_id}{tab}")


def test_wide_dataset_is_shown(profile: "BrowserContext", site: Site, stranger: Client) -> None:
    header = ",".join(f"column_{number}" for number in range(COLUMNS))
    rows = "\n".join(",".join(str(row * number) for number in range(COLUMNS)) for row in range(200))
    dataset = create_dataset(stranger, ("wide.csv", f"{header}\n{rows}\n".encode()))
    for tab in ("", "/columns", "/errors", "/files"):
        assert_good(profile, site, f"/datasets/{dataset['id']}{tab}", max_bytes=2_000_000)


def test_dataset_with_many_errors_is_shown(profile: "BrowserContext", site: Site, stranger: Client) -> None:
    schema = [{"column_name": name, "data_type": "Integer"} for name in ("good", "bad")]
    template = stranger.post("/template/", json={"template_name": "integers", "template_schema": schema}).json()
    rows = "\n".join(f"{number},{number if number % 50 == 0 else 'x'}" for number in range(ERRORS + ERRORS // 40))
    dataset = create_dataset(stranger, ("wrong.csv", f"good,bad\n{rows}\n".encode()), template_id=template["id"])
    assert dataset["error_summary"]["total_errors"] >= ERRORS
    for tab in ("", "/columns", "/errors", "/files"):
        assert_good(profile, site, f"/datasets/{dataset['id']}{tab}")
