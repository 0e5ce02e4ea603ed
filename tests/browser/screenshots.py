"""`python -m tests.browser.screenshots`: pictures of every page, light, dark and on a phone, in build/screenshots."""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from dataml.access import passwords
from dataml.db import schema
from dataml.settings import load_settings
from tests.browser.chromium import DESKTOP, PHONE, find_chromium, open_context, run_chromium, sign_in
from tests.browser.faults import wait_for_charts
from tests.browser.objects import Objects
from tests.browser.pages import base_of, fill, list_routes, matching
from tests.browser.showcase import create_showcase
from tests.browser.site import Site, in_thread, open_site
from tests.client import PASSWORD
from tests.conftest import SQLITE_FILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER: Final = Path(__file__).parents[2] / "build" / "screenshots"
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
}


def main() -> int:
    """Make the pictures, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make screenshots")
    parser.add_argument("--pages", default="", help="only addresses in which this regular expression is found")
    pages = re.compile(parser.parse_args().pages)
    executable = find_chromium()
    if executable is None:
        print("There is no Chromium on this machine: apt-get install chromium", file=sys.stderr)
        return 1
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=16, parallelism=1),))
    with tempfile.TemporaryDirectory() as folder, patch.object(passwords, "_hasher", lambda: hasher):
        home = Path(folder) / "home"
        home.mkdir()
        settings = load_settings(home=home, admin_password=PASSWORD)
        schema.migrate(settings)
        with in_thread(open_site(settings, settings.root / SQLITE_FILE)) as site:
            objects = create_showcase(site.platform.client)
            with run_chromium(executable) as browser:
                for look, options in _LOOKS.items():
                    count = _take_all(browser, site, objects, pages, FOLDER / look, options)
                    print(f"{look}: {count} pages in {FOLDER / look}")
    return 0


def _take_all(
    browser: "Browser", site: Site, objects: Objects, pages: re.Pattern[str], folder: Path, options: dict[str, Any]
) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    with open_context(browser, site.url, **options) as context:
        page = context.new_page()
        _take(page, "/sign-in", folder)
        sign_in(context, "admin")
        paths = [path for path in _list_paths(page, objects) if pages.search(path)]
        for path in paths:
            _take(page, path, folder)
    return len(paths)


def _list_paths(page: "Page", objects: Objects) -> list[str]:
    paths = []
    for route in list_routes():
        base = base_of(route)
        if base is None:
            paths += fill(route, objects)
            continue
        for each in fill(base, objects):
            page.goto(each)
            links = page.eval_on_selector_all(".tabs a", "(all) => all.map((link) => link.getAttribute('href'))")
            paths += matching(route, links)
    return paths


def _take(page: "Page", path: str, folder: Path) -> None:
    page.goto(path)
    wait_for_charts(page)
    name = re.sub(r"\W+", "-", path).strip("-") or "home"
    page.screenshot(path=folder / f"{name}.png", full_page=True, animations="disabled")


if __name__ == "__main__":
    sys.exit(main())
