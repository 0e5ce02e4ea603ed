"""A platform that `dataml up` runs, and its processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

import dataml
from dataml.client.sync.transport import Transport
from deployments.platform import private_folder
from deployments.processes import find_free_ports, find_processes
from tests.chaos.clock import Clock
from tests.chaos.disk import Disk

PASSWORD: Final = "chaos-password"
HEALTH_CHECK: Final = "/api/v1/utils/health-check/"
TIMEOUT_S: Final = 40.0
"""How long an answer may take, in seconds."""
START_TIMEOUT_S: Final = 180.0
COMMANDS: Final = {
    "haproxy": "-db -f",
    "manager": "ray::ProxyActor",
    "api": "ray::ServeReplica:dataml:Api",
    "pool": "ray::ServeReplica:dataml:PredictorPool",
    "own": "ray::ServeReplica:predictor-",
    "controller": "ray::ServeController",
    "supervisor": "ray::SupervisorActor",
    "worker": "ray::Worker",
    "raylet": "raylet/raylet",
    "gcs": "gcs_server",
    "agent": "ray::DashboardAgent",
}
"""What the command line of each kind of process has in it."""


class RunningPlatform:
    """One platform in a home of its own; it may be killed and started again."""

    def __init__(self, home: Path, log: Path, disk: Disk | None = None, clock: Clock | None = None) -> None:
        self.home = home
        self.disk = disk
        self.clock = clock
        self.port = find_free_ports(1, exclude=0)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = private_folder(home)
        # The one whose processes are of the kind "own"; empty: any.
        self.own_application = ""
        self._log = log
        self._command: subprocess.Popen[bytes] | None = None
        self._client = connect(self.url, timeout_s=5)

    def start(self) -> None:
        """Run `dataml up` and wait until it answers."""
        with self._log.open("ab") as log:
            self._command = subprocess.Popen(
                [sys.executable, "-m", "dataml.cli", "up"],
                env=self.environment | (self.clock.environment if self.clock else {}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_healthy():
            if self._command.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the platform does not start:\n{self._log.read_text(errors='replace')[-5000:]}")
            time.sleep(0.2)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command in this home."""
        return os.environ | {
            "DATAML_HOME": str(self.home),
            "DATAML_PORT": str(self.port),
            "DATAML_ADMIN_PASSWORD": PASSWORD,
            "DATAML_ACCESS_TOKEN_MINUTES": "1440",
            # Faults end more attempts than a user meets, and Ray more often.
            "DATAML_JOB_ATTEMPTS": "10",
            "DATAML_MAX_RESTARTS": "100",
            # The home is a small disk.
            "DATAML_STORAGE_RESERVE_BYTES": str(50 * 1024**2),
        }

    def is_healthy(self) -> bool:
        """Return whether the platform answers its health check."""
        try:
            return self._client.transport.send("GET", HEALTH_CHECK, signed=False).status_code == 200
        except dataml.NotConnected:
            return False

    def find(self, kind: str) -> list[psutil.Process]:
        """Return the processes of a kind of `COMMANDS`."""
        part = COMMANDS[kind]
        if kind == "own" and self.own_application:
            part = f"ray::ServeReplica:{self.own_application}:"
        return [process for process in find_processes(self.folder) if part in command_of(process)]

    def suspend_all(self) -> None:
        """Stop the command and everything it has started for a while."""
        assert self._command is not None
        self._command.send_signal(signal.SIGSTOP)
        for process in find_processes(self.folder):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def kill_all(self) -> None:
        """Kill the command and everything it has started, as a loss of power does."""
        if self._command is not None:
            self._command.kill()
        for process in find_processes(self.folder):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._command is not None:
            self._command.wait()

    def remove(self) -> None:
        """Kill everything, and remove what a platform that was killed leaves in its private folder."""
        self.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> int:
        """Stop the platform as a user does, and return the exit code."""
        assert self._command is not None
        self._command.terminate()
        return self._command.wait(60)


def connect(url: str, timeout_s: float = TIMEOUT_S) -> dataml.Client:
    """Return an administrator's client that sends nothing twice, so that every failure is seen."""
    return dataml.connect(url, username="admin", password=PASSWORD, timeout_s=timeout_s, max_retries=0)


def send(transport: Transport, method: str, path: str, **request: Any) -> httpx.Response:
    """Send a request once, and once more when its token has expired: the platform's clock may have been set."""
    answer = transport.send(method, path, **request)
    if answer.status_code == 401 and answer.json().get("code") == "token_expired":
        transport.session.renew_after(transport.session.token())
        answer = transport.send(method, path, **request)
    return answer


def command_of(process: psutil.Process) -> str:
    """Return the command line of a process; empty when it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
