"""How pages behave when they are used: by two users, twice, without scripts, and after the session has ended."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import open_context, sign_in
from tests.browser.hostile import IMAGE, lengthen
from tests.browser.objects import Objects
from tests.browser.pages import base_of, fill, list_routes, matching
from tests.browser.site import Site
from tests.client import PASSWORD
from tests.dataset.datasets import get_dataset

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, Route

pytestmark = pytest.mark.browser
HTML_OF_NAMES = "onerror=alert"


def routes_without_tabs() -> list[str]:
    return [route for route in list_routes() if base_of(route) is None]


def test_users_of_two_tenants_work_side_by_side(chromium: "Browser", site: Site, objects: Objects) -> None:
    name = lengthen(IMAGE, 200)
    with open_context(chromium, site.url) as ours, open_context(chromium, site.url) as theirs:
        sign_in(ours, "admin")
        sign_in(theirs, "stranger")
        ours_page, their_page = ours.new_page(), theirs.new_page()
        for page, is_shown in ((ours_page, True), (their_page, False), (ours_page, True)):
            page.goto("/datasets")
            assert bool(page.get_by_text(name).count()) is is_shown
        for route in routes_without_tabs():
            for path in fill(route, objects) if "{" in route else []:
                assert HTML_OF_NAMES not in theirs.request.get(path).text(), path
        their_page.goto(f"/datasets/{objects[0]['dataset_id']}")
        assert their_page.get_by_role("heading", level=1).inner_text() == "Not found"
        their_page.get_by_role("button", name="Sign out").click()
        their_page.wait_for_url("**/sign-in")
        ours_page.reload()
        assert ours_page.get_by_role("heading", level=1).inner_text() == "Datasets"


def test_session_that_ends_in_the_middle_leads_to_the_form_and_back(
    context: "BrowserContext", site: Site, objects: Objects
) -> None:
    sign_in(context, "admin")
    page = context.new_page()
    path = f"/datasets/{objects[0]['dataset_id']}"
    page.goto(path)
    refresh_token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "dataml_refresh")
    assert site.platform.anonymous.post("/logout", data={"refresh_token": refresh_token}).status_code == 200
    delete = page.locator(f"form[action='{path}/delete'] button")
    page.on("dialog", lambda dialog: dialog.accept())
    delete.click()
    page.wait_for_url("**/sign-in**")
    assert get_dataset(site.platform.client, objects[0]["dataset_id"])
    page.goto(f"{path}/columns?offset=0")
    page.wait_for_url("**/sign-in?next=**")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}/columns?offset=0")


@pytest.fixture(scope="module")
def sent_actions() -> set[str]:
    """What forms were sent already: the same form is on many pages."""
    return set()


@pytest.mark.parametrize("route", routes_without_tabs())
def test_double_click_sends_a_form_once(
    admin: "BrowserContext", objects: Objects, sent_actions: set[str], route: str
) -> None:
    page = admin.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    for path in list_paths_with_tabs(page, route, objects):
        page.goto(path)
        for number in range(page.locator("form[method=post]").count()):
            form = page.locator("form[method=post]").nth(number)
            action = re.sub(r"[\w-]*\d[\w-]*", "#", form.get_attribute("action") or path)
            # A form that asks for a prediction or a forecast changes nothing.
            is_reading = form.evaluate("(form) => 'predict' in form.dataset || 'forecast' in form.dataset")
            if action in sent_actions or is_reading:
                continue
            sent_actions.add(action)
            assert count_sent_by_double_click(page, form) in (None, 1), f"{path}: {action}"
            page.goto(path)


def list_paths_with_tabs(page: "Page", route: str, objects: Objects) -> list[str]:
    paths = fill(route, objects)
    for tabs in (each for each in list_routes() if base_of(each) == route):
        page.goto(paths[0])
        links = page.eval_on_selector_all(".tabs a", "(links) => links.map((link) => link.getAttribute('href'))")
        paths += matching(tabs, links)
    return paths


def count_sent_by_double_click(page: "Page", form: "Locator") -> int | None:
    """Return how often a form is sent, or None if it cannot be sent now."""
    button = form.locator("button:not([type=button]):not([aria-hidden])").first
    if not button.is_visible() or not button.is_enabled():
        return None
    sent: list[str] = []

    def intercept(intercepted: "Route") -> None:
        # A check while somebody types is no form that is sent.
        if intercepted.request.method != "POST" or not intercepted.request.is_navigation_request():
            return intercepted.continue_()
        # Without content the page stays, and the platform is not asked.
        sent.append(intercepted.request.url)
        return intercepted.fulfill(status=204)

    page.route("**/*", intercept)
    form.evaluate("(form) => { form.noValidate = true; }")
    button.dblclick()
    page.wait_for_timeout(300)
    page.unroute_all()
    return len(sent)


@pytest.fixture(scope="module")
def scriptless(chromium: "Browser", site: Site) -> Iterator["BrowserContext"]:
    """A profile without JavaScript, in which the administrator has signed in."""
    with open_context(chromium, site.url, java_script_enabled=False) as context:
        sign_in(context, "admin")
        yield context


@pytest.mark.parametrize("route", routes_without_tabs())
def test_page_is_read_without_scripts(scriptless: "BrowserContext", objects: Objects, route: str) -> None:
    page = scriptless.new_page()
    for path in fill(route, objects):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status in (200, 404)
        assert page.locator("h1").inner_text()
        assert page.locator("[data-needs-script]:visible").count() == 0, f"{path} offers what needs a script"
        assert len(page.locator("main").inner_text()) > 40, path
    page.close()


def test_another_target_changes_the_form_in_place(admin: "BrowserContext", objects: Objects) -> None:
    page = admin.new_page()
    page.goto(f"/predictors/new?dataset={objects[0]['dataset_id']}")
    target = page.get_by_label("Column to predict")
    target.select_option("<i>target</i>")
    page.locator("[name=predictor_name]").fill("My predictor")
    page.evaluate("window.isSamePage = true")
    target.select_option("age")
    page.locator("strong", has_text="Target").wait_for()
    page.locator("input[value=Regression]:checked").wait_for()
    assert page.locator("[name=predictor_name]").input_value() == "My predictor"
    assert "target=age" in page.url
    assert page.evaluate("window.isSamePage")
    page.locator("#check h2").first.wait_for()
    page.close()


def test_button_of_a_form_has_a_question_of_its_own(admin: "BrowserContext", objects: Objects) -> None:
    page = admin.new_page()
    questions: list[str] = []

    def dismiss(dialog: "Dialog") -> None:
        questions.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    (path,) = fill("/predictors/release", objects)
    page.goto(path)
    page.get_by_role("button", name="Roll back").click()
    assert questions == ["Let the version answer again that did before?"]
    assert "rollback" not in page.url
    with page.expect_request(lambda request: request.method == "POST"):
        page.get_by_role("button", name="Promote", exact=True).click()
    assert len(questions) == 1
