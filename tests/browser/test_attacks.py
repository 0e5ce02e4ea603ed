"""What a page of another site, or an address that somebody made up, can do to a user who has signed in."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.browser.chromium import sign_in
from tests.browser.hostile import IMAGE, SCRIPT
from tests.browser.objects import Objects
from tests.browser.pages import fill, list_changes, list_routes
from tests.browser.site import Site
from tests.client import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

pytestmark = pytest.mark.browser
EVIL = "http://evil.test"


def open_evil_page(context: "BrowserContext", html: str) -> "Page":
    """Open a page of another site; no server is asked for it."""

    def answer(route: "Route") -> None:
        route.fulfill(content_type="text/html", body=f"<!doctype html><title>evil</title>{html}")

    context.route(f"{EVIL}/**", answer)
    page = context.new_page()
    page.goto(f"{EVIL}/")
    return page


def count_events(site: Site) -> int:
    return site.platform.client.get("/audit/list", params={"outcome": "success"}).json()["total"]


@pytest.mark.parametrize("route", list_changes())
def test_form_of_another_site_changes_nothing(
    admin: "BrowserContext", site: Site, objects: Objects, route: str
) -> None:
    before = count_events(site)
    page = open_evil_page(admin, f'<form method="post" action="{site.url}{fill(route, objects)[0]}"><button>')
    with page.expect_navigation() as navigation:
        page.locator("button").click()
    assert navigation.value.status == 403
    assert "foreign_origin" in page.content()
    page.goto(f"{site.url}/")
    assert "/sign-in" not in page.url, "the session goes on"
    assert count_events(site) == before


def test_script_of_another_site_reads_and_changes_nothing(admin: "BrowserContext", site: Site) -> None:
    before = count_events(site)
    page = open_evil_page(admin, "")
    asked = """async ([url, method]) => {
      try { return (await (await fetch(url, { method, credentials: "include" })).text()).slice(0, 80); }
      catch { return "refused"; }
    }"""
    for method, path in (("GET", "/datasets"), ("GET", "/console/api/dataset/list"), ("POST", "/sign-out")):
        assert page.evaluate(asked, [site.url + path, method]) == "refused", path
    assert count_events(site) == before


def test_no_site_shows_a_page_in_a_frame(admin: "BrowserContext", site: Site) -> None:
    page = open_evil_page(admin, "")
    page.set_content(f'<iframe src="{site.url}/datasets"></iframe>')
    page.wait_for_timeout(1000)
    assert len(page.frames) == 2
    assert page.frames[1].locator("main").count() == 0
    answer = admin.request.get("/datasets")
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "target",
    [
        f"{EVIL}/",
        "//evil.test/",
        "/\\evil.test/",
        "/\t/evil.test/",
        "javascript:alert(1)",
        "/%0d%0aX: y",
        "\\\\evil.test",
    ],
)
def test_signing_in_leads_to_no_other_site(context: "BrowserContext", site: Site, target: str) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(f"/sign-in?{urlencode({'next': target})}")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/sign-in" not in address)
    assert page.url.startswith(f"{site.url}/")
    assert all(url.startswith((f"{site.url}/", "data:")) for url in asked), asked


def test_pages_are_kept_nowhere(admin: "BrowserContext", objects: Objects) -> None:
    routes = [route for route in list_routes() if not route.endswith("/{tab}")]
    for path in (path for route in routes for path in fill(route, objects)):
        headers = admin.request.get(path).headers
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path


def test_nothing_is_shown_after_signing_out(context: "BrowserContext") -> None:
    sign_in(context, "admin")
    page = context.new_page()
    page.goto("/datasets")
    assert page.locator("tbody tr").count() > 0
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.go_back()
    page.wait_for_url("**/sign-in**")
    assert page.locator("tbody tr").count() == 0


def test_reading_changes_nothing(admin: "BrowserContext", site: Site, objects: Objects) -> None:
    before = count_events(site)
    routes = [route for route in list_routes() if not route.endswith("/{tab}")]
    for path in (path for route in routes for path in fill(route, objects)):
        assert admin.request.get(path).status in (200, 404), path
    for route in set(list_changes()) - set(list_routes()):
        assert admin.request.get(fill(route, objects)[0], max_redirects=0).status < 500, route
    assert count_events(site) == before


def test_what_is_typed_stays_text(admin: "BrowserContext", objects: Objects) -> None:
    dialogs: list[str] = []
    page = admin.new_page()
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(f"/predictors/{objects[0]['train_id']}/try")
    for field in page.locator("form[data-predict] input:not([type=date]):visible").all():
        field.fill(SCRIPT + IMAGE)
    page.locator("form[data-predict] button").first.click()
    page.locator("#answer .notice.bad, #answer .answer").first.wait_for()
    for path in ("/datasets", "/predictors", "/templates", "/jobs"):
        for name in ("q", "notice", "sort", "state", "offset"):
            page.goto(f"{path}?{urlencode({name: SCRIPT + IMAGE})}")
            assert page.locator("main img, main script:not([type='application/json'])").count() == 0, page.url
    assert not dialogs
