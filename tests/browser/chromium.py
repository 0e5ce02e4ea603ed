"""Finds and starts the Chromium of the system, which Playwright drives."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.client import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A container has no user namespaces for the sandbox. Fonts are drawn the same way on each machine.
_OPTIONS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none", "--hide-scrollbars")
DESKTOP: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 400, "height": 800}
TIMEOUT_MS: Final = 90_000


def find_chromium() -> Path | None:
    """Return the Chromium of this machine, or None if there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    return Path(found) if found else None


@contextmanager
def run_chromium(executable: Path) -> Iterator["Browser"]:
    """Run a Chromium without a window until the block ends."""
    # Only the tests with a browser need the package.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


def open_context(browser: "Browser", url: str, **options: Any) -> "BrowserContext":
    """Return a new profile of the browser, with cookies of its own, for the console at `url`."""
    context = browser.new_context(
        **{"base_url": url, "viewport": DESKTOP, "locale": "en-GB", "timezone_id": "UTC"} | options
    )
    context.set_default_timeout(TIMEOUT_MS)
    return context


def sign_in(context: "BrowserContext", username: str, password: str = PASSWORD) -> None:
    """Sign in with the form."""
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/sign-in" not in address)
    page.close()
