"""A real platform for the tests: `dataml up` in a process of its own, on a home and port of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import dataml
from deployments.platform import private_folder
from deployments.processes import find_free_ports, find_processes
from tests.client import PASSWORD

HEALTH_CHECK = "/api/v1/utils/health-check"


class Cluster:
    """One platform, and an administrator's client of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.grpc_port = find_free_ports(2, exclude=0)
        self.url = f"http://127.0.0.1:{self.port}"
        # Each call is sent once, so that a test sees every failure.
        self.client = dataml.connect(self.url, username="admin", password=PASSWORD, max_retries=0)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and wait until the API responds."""
        environment = {
            **os.environ,
            "DATAML_HOME": str(self.home),
            "DATAML_PORT": str(self.port),
            "DATAML_GRPC_PORT": str(self.grpc_port),
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

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit status."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(30)

    def kill(self) -> None:
        """Kill the process that started the platform."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def processes(self, name: str = "") -> list[int]:
        """Return the ids of the platform's processes whose command line starts with `name`."""
        found = find_processes(private_folder(self.home))
        return [process.pid for process in found if _command(process).startswith(name)]

    def is_healthy(self) -> bool:
        """Return whether the platform answers its health check."""
        try:
            return self.client.transport.send("GET", HEALTH_CHECK, signed=False).is_success
        except dataml.NotConnected:
            return False


def wait_until(read: Callable[[], Any], is_done: Callable[[Any], bool], timeout_s: float = 120.0) -> Any:
    """Return what `read` returns, once it `is_done`."""
    deadline = time.monotonic() + timeout_s
    while not is_done(value := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value} after {timeout_s} s")
        time.sleep(0.05)
    return value


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
