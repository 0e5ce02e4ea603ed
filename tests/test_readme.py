"""The examples of the README and the tutorials run as they are written."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from tests.client import PASSWORD
from tests.conftest import Platform
from tests.services.program import free_port

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorials" / "first-prediction.md"
# They go on in the terminal of the tutorial.
CONTINUATIONS = ("tutorials/first-forecast.md", "how-to/lake.md", "how-to/tenants-and-users.md")
pytestmark = pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="needs curl and bash")
# In place of `auto`, which tries them all: what is tested here is what the texts say, not how well it predicts.
QUICK = {"Classification": "LightGBM", "Forecast": "SeasonalNaive"}


@pytest.fixture(scope="module")
def port(platform: Platform) -> Iterator[int]:
    """The port of a platform that answers over the network."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(platform.client.app, port=port, log_level="warning", lifespan="off"))
    # The application's event loop is the portal's.
    done = platform.client.portal.start_task_soon(server.serve)
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield port
    server.should_exit = True
    done.result(timeout=30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like the repository's, with the examples and the password of the administrator."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".dataml").mkdir()
    (tmp_path / ".dataml" / "admin-password").write_text(PASSWORD)
    return tmp_path


def blocks(page: Path, language: str) -> str:
    """All code of a language on a page, in its order, without what is marked as not run."""
    block = rf"^(<!-- not run: .* -->\n)?```{language}\n(.*?)^```"
    code = re.findall(block, page.read_text(), re.MULTILINE | re.DOTALL)
    return "\n".join(text for marker, text in code if not marker)


def run(command: list[str], code: str, folder: Path, port: int) -> str:
    """What the code prints, run at the address of this platform and with quick algorithms."""
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    for problem, algorithm in QUICK.items():
        named = f'"problem_type": "{problem}"'
        code = code.replace(named, f'{named}, "algorithm": "{algorithm}"')
    # The client of this repository, from a folder that is not its own.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, input=code, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_shows_commands_of_the_tutorial() -> None:
    shown = [line for line in blocks(ROOT / "README.md", "sh").splitlines() if line and not line.startswith("# ")]
    tutorial = blocks(TUTORIAL, "sh").splitlines()
    assert [line for line in shown if line not in tutorial] == []


def test_the_examples_run(port: int, folder: Path) -> None:
    code = blocks(TUTORIAL, "sh")
    code += "\n".join(blocks(ROOT / "docs" / page, "sh") for page in CONTINUATIONS)
    printed = run(["bash", "-eu", "-o", "pipefail"], code, folder, port)
    assert '"state":"valid"' in printed
    assert '"probabilities":{"false":' in printed
    assert (folder / "churn-v1-report.html").stat().st_size > 10_000
    assert '"forecast":[{"unique_id":"EWR"' in printed
    assert '"churn"' in printed
    assert '"median"' in printed
    assert "dataml_" in printed
    assert '"request_id"' not in printed, "a call was refused"

    printed = run([sys.executable, "-"], blocks(TUTORIAL, "python"), folder, port)
    assert printed.startswith("7043 rows, 0 with an error")
    assert "customer_id" in printed


def test_the_story_of_the_readme_runs_and_is_short(port: int, folder: Path) -> None:
    code = blocks(ROOT / "README.md", "python")
    assert len(code.splitlines()) <= 12
    printed = run(
        [sys.executable, "-"], code.replace('id="customer_id"', 'id="customer_id", algorithm="LightGBM"'), folder, port
    )
    assert "roc_auc" in printed
    assert "Feature importance" in printed
    assert "probability_true" in printed


def test_wait_for_a_job_that_is_not_there_fails_with_the_reason(port: int, folder: Path) -> None:
    code = blocks(TUTORIAL, "sh").split("DATASET=")[0] + "finished validate-job-999999"
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    done = subprocess.run(
        ["bash", "-eu"], input=code, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "job_not_found" in done.stderr
