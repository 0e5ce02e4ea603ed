"""A place for profiles of the tests' own."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without profiles, and an environment that says nothing about a platform."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DATAML_URL", "DATAML_API_KEY", "DATAML_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
