"""The way of a person from an empty installation to a prediction, through the console alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import open_context, sign_in
from tests.browser.faults import Watch
from tests.browser.site import in_thread, open_site
from tests.conftest import NewHome
from tests.train.training import small_csv

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
# A training on a busy machine.
TRAINING_MS = 240_000


def test_from_an_empty_installation_to_a_prediction(
    chromium: "Browser", new_home: NewHome, migrated_database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes(small_csv())
    with (
        in_thread(open_site(new_home(), migrated_database)) as site,
        open_context(chromium, site.url) as context,
    ):
        sign_in(context, "admin")
        page = context.new_page()
        watch = Watch(site.url)
        watch.attach(page)
        page.goto("/")
        page.get_by_role("link", name="Upload data").first.click()

        page.locator("input[type=file]").set_input_files(file)
        page.get_by_role("button", name="Upload", exact=True).click()
        page.wait_for_url("**/datasets/*")
        page.locator(".badge", has_text="valid").first.wait_for()
        assert page.get_by_role("heading", level=1).inner_text() == "customers"

        page.goto("/predictors")
        page.locator("a[href='/predictors/new']").first.click()
        page.get_by_role("link", name="customers").click()
        page.get_by_label("Column to predict").select_option("bought")
        page.wait_for_url("**target=bought**")
        page.get_by_label("Role of id").select_option("Id")
        page.locator("select[name=algorithm]").select_option("LightGBM")
        page.locator("#check", has_text="Ready").wait_for()
        page.get_by_role("button", name="Start the training").click()
        page.wait_for_url("**/predictors/*notice=**")
        page.locator(".badge", has_text="succeeded").first.wait_for(timeout=TRAINING_MS)

        page.reload()
        page.get_by_role("link", name="Try it").first.click()
        page.get_by_label("age", exact=True).fill("75")
        page.locator("#answer .answer").wait_for()
        assert page.locator("#answer .answer").inner_text().strip() == "true"
        assert not watch.faults
