"""The README says all there is to set: a setting without a row in its table is not documented."""

import re
from pathlib import Path

from dataml.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def documented() -> set[str]:
    """Settings that have a row of their own in the configuration table."""
    return set(re.findall(r"^\| `(DATAML_[A-Z_]+)`", README.read_text(), re.MULTILINE))


def test_every_setting_has_a_row_and_every_row_is_a_setting() -> None:
    assert documented() == {f"DATAML_{name.upper()}" for name in Settings.model_fields}
