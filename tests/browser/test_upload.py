"""An upload by hand: files that are chosen and dropped, a draft of their columns, a refusal, and a cancelled one."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import Site
from tests.dataset.datasets import get_dataset, new_name

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, FilePayload, Page

pytestmark = pytest.mark.browser


def csv_file(name: str, text: str) -> "FilePayload":
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


def open_form(admin: "BrowserContext", *files: "FilePayload") -> "Page":
    page = admin.new_page()
    page.goto("/datasets/new")
    page.get_by_label("Files", exact=True).set_input_files(list(files))
    return page


def test_files_are_looked_at_and_uploaded_as_one_table(admin: "BrowserContext", site: Site) -> None:
    page = open_form(admin, csv_file("one.csv", "n,place\n1,Rome\n2,Oslo\n"))
    name = new_name("by-hand")
    page.get_by_label("Name", exact=True).fill(name)
    # More files are added to those that were chosen before.
    page.get_by_label("Files", exact=True).set_input_files([csv_file("two.csv", "n,place\n3,Bonn\nx,Kyiv\n")])
    assert page.locator("[data-files] .name").all_inner_texts() == ["one.csv", "two.csv"]
    page.get_by_role("button", name="Look at the columns first").click()
    page.get_by_label("Type of n", exact=True).select_option("Integer")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"/datasets/\d+$"))
    # The page follows the validation to its end, without being asked for again.
    page.locator(".head .badge", has_text=re.compile("^(in)?valid$")).wait_for()
    dataset = get_dataset(site.platform.client, int(page.url.rsplit("/", 1)[1]))
    assert (dataset["dataset_name"], dataset["file_count"], dataset["total_records"]) == (name, 2, 4)
    assert dataset["template_name"] == name
    assert dataset["error_summary"]["by_column"] == {"n": 1}


def test_refusal_is_said_and_what_was_typed_stays(admin: "BrowserContext") -> None:
    page = open_form(admin, csv_file("<b>broken.csv", "n,place\n1,2,3\n"))
    page.get_by_label("Name", exact=True).fill("kept name")
    page.get_by_role("button", name="Upload").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "Line 2" in alert.inner_text()
    assert page.get_by_label("Name", exact=True).input_value() == "kept name"
    page.get_by_role("button", name="Remove <b>broken.csv").click()
    page.get_by_role("button", name="Upload").click()
    assert alert.inner_text() == "Choose a file, or drop one here."


def test_upload_is_cancelled(admin: "BrowserContext", site: Site) -> None:
    page = open_form(admin, csv_file("one.csv", "n\n1\n"))
    name = new_name("cancelled")
    page.get_by_label("Name", exact=True).fill(name)
    # The server takes its time for as long as the page is open.
    page.route("**/console/api/dataset/upload**", lambda route: None)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled. Nothing was stored.").wait_for()
    assert page.get_by_role("button", name="Upload").is_enabled()
    assert site.platform.client.get("/dataset/list", params={"name": name}).json()["total"] == 0
