import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium as browsers
from tests.browser.faults import Inspector
from tests.browser.hostile import create_hostile_tenant
from tests.browser.objects import Objects
from tests.browser.site import Site, in_thread, open_site
from tests.conftest import NewHome

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

# Profiles share a session, whose refresh token is good once.
_TOKEN_MINUTES = 1440


@pytest.fixture(scope="session")
def site(new_home: NewHome, migrated_database: Path) -> Iterator[Site]:
    """A platform with a hostile tenant, and another one."""
    with in_thread(open_site(new_home(access_token_minutes=_TOKEN_MINUTES), migrated_database)) as running:
        yield running


@pytest.fixture(scope="session")
def objects(site: Site) -> Objects:
    """The ids of the hostile tenant's objects."""
    return create_hostile_tenant(site.platform.client)


@pytest.fixture(scope="session")
def chromium(site: Site) -> Iterator["Browser"]:
    """A browser without a window."""
    executable = browsers.find_chromium()
    if executable is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with browsers.run_chromium(executable) as running:
        yield running


@pytest.fixture(scope="session")
def axe() -> str | None:
    """The script of axe-core; None where it was not fetched."""
    path = os.environ.get("DATAML_TEST_AXE")
    return Path(path).read_text() if path else None


@pytest.fixture(scope="session")
def session_cookies(chromium: "Browser", site: Site) -> list[dict[str, object]]:
    """The cookies of a session of the hostile tenant's administrator."""
    with browsers.open_context(chromium, site.url) as context:
        browsers.sign_in(context, "admin")
        return context.cookies()


@pytest.fixture
def context(chromium: "Browser", site: Site) -> Iterator["BrowserContext"]:
    """A profile in which nobody has signed in."""
    with browsers.open_context(chromium, site.url) as opened:
        yield opened


@pytest.fixture
def admin(context: "BrowserContext", session_cookies: list[dict[str, object]]) -> "BrowserContext":
    """A profile in which the hostile tenant's administrator has signed in."""
    context.add_cookies(session_cookies)
    return context


@pytest.fixture(scope="session", params=["light", "dark"])
def inspector(
    request: pytest.FixtureRequest,
    chromium: "Browser",
    site: Site,
    session_cookies: list[dict[str, object]],
    axe: str | None,
) -> Iterator[Inspector]:
    """Opens pages as the hostile tenant's administrator."""
    with browsers.open_context(chromium, site.url, color_scheme=request.param) as context:
        context.add_cookies(session_cookies)
        yield Inspector(context, site.url, axe)
