"""Every page of the console in a browser: wide and narrow, light and dark, with names that are meant to do harm."""

import pytest

from tests.browser.faults import Inspector
from tests.browser.objects import Objects
from tests.browser.pages import base_of, fill, list_routes, matching

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("route", list_routes())
def test_page_has_no_fault(inspector: Inspector, objects: Objects, route: str) -> None:
    base = base_of(route)
    if base is None:
        paths = fill(route, objects)
    else:
        paths = [path for page in fill(base, objects) for path in matching(route, inspector.tabs(page))]
    paths = [path for path in paths if inspector.is_found(path)]
    assert paths, f"there is no page of {route}"
    faults = [fault for path in paths for fault in inspector.find_faults(path)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", ["/datasets/999999", "/jobs/absent", "/predictors/999999/try"])
def test_page_of_an_error_has_no_fault(inspector: Inspector, path: str) -> None:
    faults = inspector.find_faults(path, status=404)
    assert not faults, "\n".join(faults)


def test_accessibility_is_checked(axe: str | None) -> None:
    if axe is None:
        pytest.skip("DATAML_TEST_AXE names no script of axe-core: make test-browser")
    assert "axe-core" in axe or "axe.run" in axe
