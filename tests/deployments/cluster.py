"""A real platform for the tests: `dataml up` in a process of its own, on a home and port of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deployments.platform import folder_of
from deployments.processes import free_ports, processes_of
from tests.client import PASSWORD


class Cluster:
    """One platform, and an administrator's client of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (self.port,) = free_ports(1, besides=0)
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=f"{self.url}/api/v1", timeout=60)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and log in; back when the API answers."""
        environment = {
            **os.environ,
            "DATAML_HOME": str(self.home),
            "DATAML_PORT": str(self.port),
            "DATAML_ADMIN_PASSWORD": PASSWORD,
            "DATAML_OWN_ENDPOINTS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dataml.cli", "up"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        printed = []
        for line in self._process.stdout:
            printed.append(line)
            if "is up" in line:
                break
        else:
            raise AssertionError("the platform did not start:\n" + "".join(printed))
        answer = self.http.post("/login/access-token", data={"username": "admin", "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(30)

    def kill(self) -> None:
        """The process that started the platform is killed hard."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def processes(self, name: str = "") -> list[int]:
        """Ids of the platform's processes whose command line starts with `name`."""
        return [pid for pid in processes_of(folder_of(self.home)) if _command(pid).startswith(name)]

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.http.post(path, json=body, params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def upload(self, name: str, content: bytes, usage: str = "t") -> int:
        """Upload and wait until the dataset is valid; its id."""
        files = {"files": (f"{name}.csv", content)}
        answer = self.http.post("/dataset/upload", params={"dataset_name": name, "usage": usage}, files=files)
        assert answer.status_code == 201, answer.text
        assert self.ended(answer.json()["job_id"])["state"] == "succeeded"
        return answer.json()["dataset_id"]

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        return until(lambda: self.get(f"/jobs/{job_id}"), lambda job: job["state"] not in ("queued", "running"))

    def training(self, train_id: int) -> dict[str, Any]:
        return next(row for row in self.get("/train/list", limit=1000)["data"] if row["id"] == train_id)


def until(look: Callable[[], Any], good: Callable[[Any], bool], timeout_s: float = 120.0) -> Any:
    """What `look` gives, once it is `good`."""
    deadline = time.monotonic() + timeout_s
    while not good(found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found} after {timeout_s} s")
        time.sleep(0.05)
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
