"""The README says all there is to set, and the documentation of permissions what each call needs."""

import re
from pathlib import Path

from dataml.access.permissions import Permission
from dataml.settings import Settings
from tests.client import API
from tests.conftest import Platform

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def documented() -> set[str]:
    """Settings that have a row of their own in the configuration table."""
    return set(re.findall(r"^\| `(DATAML_[A-Z_]+)`", README.read_text(), re.MULTILINE))


def test_every_setting_has_a_row_and_every_row_is_a_setting() -> None:
    assert documented() == {f"DATAML_{name.upper()}" for name in Settings.model_fields}


def test_the_table_of_permissions_is_true(platform: Platform) -> None:
    """A row for each permission, and every call in the row of what it needs."""
    stated: dict[str, set[str]] = {}
    for path, methods in platform.anonymous.get("/openapi.json").json()["paths"].items():
        for method, about in methods.items():
            stated.setdefault(about["x-needs"], set()).add(f"{method.upper()} {path.removeprefix(API)}")
    lines = (ROOT / "docs" / "permissions.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if (line.startswith("| ") and "/" in line) or "— |" in line]
    told = {needs.strip("`"): set(re.findall(r"`([A-Z]+ /[^`]*)`", calls)) for needs, calls in rows}
    assert {needs: calls for needs, calls in told.items() if calls} == stated
    assert set(Permission) <= told.keys()
