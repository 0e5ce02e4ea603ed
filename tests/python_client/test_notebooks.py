"""The notebooks of the examples run from their first cell to their last."""

import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import uvicorn
from nbclient import NotebookClient

from dataml.client import profiles
from dataml.client.profiles import Profile
from tests.client import PASSWORD
from tests.conftest import EXAMPLES, Platform
from tests.services.program import free_port

NOTEBOOKS = sorted(EXAMPLES.parent.glob("*.ipynb"))


@pytest.fixture(scope="module")
def url(platform: Platform) -> Iterator[str]:
    """The address of a platform that answers over the network."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(platform.client.app, port=port, log_level="warning", lifespan="off"))
    # The application's event loop is the portal's.
    done = platform.client.portal.start_task_soon(server.serve)
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    done.result(timeout=30)


@pytest.fixture
def profile(platform: Platform, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile as `dataml login` writes it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parents[1]))
    form = {"username": "admin", "password": PASSWORD}
    tokens = platform.anonymous.post("/login/access-token", data=form).json()
    expires_at = time.time() + tokens["expires_in"]
    profiles.save_profile(Profile(url, "admin", None, tokens["access_token"], tokens["refresh_token"], expires_at))


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["churn", "forecast", "regression", "wrong_file"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_its_output(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, profile: None) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    # Tables, reports and charts have a form of their own in a notebook.
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert not any(output.output_type == "error" for output in shown)
