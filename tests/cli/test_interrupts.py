"""Ctrl-C while a command waits for a job: a real process gets real signals."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataml.cli.exit_codes import ExitCode
from dataml.runner.execution import execute
from tests.cli.conftest import CommandLine, write_csv
from tests.client import Client, wait_for_job

TIMEOUT_S = 120.0


class Gate:
    """Holds every job that runs until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def execute(self, *arguments: object) -> object:
        self.reached.set()
        assert self.opened.wait(TIMEOUT_S)
        return execute(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr("tests.fakes.execute", gate.execute)
    yield gate
    gate.opened.set()


class Process:
    """A command in a process of its own, whose messages can be waited for."""

    def __init__(self, command_line: CommandLine, *words: str | Path) -> None:
        environment = {name: value for name, value in command_line.environment.items() if value is not None}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dataml.cli", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)} | environment,
        )
        self.messages = ""

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def wait_for_message(self, text: str) -> None:
        assert self._process.stderr is not None
        while text not in self.messages:
            line = self._process.stderr.readline()
            assert line, self.messages
            self.messages += line

    def end(self) -> int:
        """Return the exit code; nothing may have been printed to stdout."""
        stdout, stderr = self._process.communicate(timeout=TIMEOUT_S)
        self.messages += stderr
        assert stdout == ""
        return self._process.returncode

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def job_id(process: Process) -> str:
    found = re.search(r"dataml jobs watch (\S+)", process.messages)
    assert found is not None, process.messages
    return found.group(1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_csv(tmp_path / f"{tmp_path.name}.csv", ["id,age", "1,30"])


@pytest.fixture
def waiting(admin: CommandLine, gate: Gate, file: Path) -> Iterator[Process]:
    """An upload that waits for a validation which runs."""
    with Process(admin, "datasets", "upload", file) as process:
        process.wait_for_message(": validate ")
        assert gate.reached.wait(TIMEOUT_S)
        yield process


def test_ctrl_c_leaves_the_job_running(client: Client, gate: Gate, waiting: Process) -> None:
    waiting.interrupt()
    assert waiting.end() == ExitCode.INTERRUPTED
    job = client.get(f"/jobs/{job_id(waiting)}").json()
    assert job["state"] == "running"
    gate.opened.set()
    assert wait_for_job(client, job["job_id"])["state"] == "succeeded"


def test_second_ctrl_c_cancels_the_job(client: Client, waiting: Process) -> None:
    waiting.interrupt()
    waiting.wait_for_message("Press Ctrl-C again")
    waiting.interrupt()
    assert waiting.end() == ExitCode.INTERRUPTED
    assert "is cancelled" in waiting.messages
    assert client.get(f"/jobs/{job_id(waiting)}").json()["state"] == "cancelled"


def test_job_that_was_cancelled_by_another_is_exit_code_5(admin: CommandLine, waiting: Process) -> None:
    watched = re.search(r"(\S+): validate ", waiting.messages)
    assert watched is not None
    assert admin.run("jobs", "cancel", watched.group(1)).exit_code == ExitCode.OK
    assert waiting.end() == ExitCode.JOB_FAILED
    assert "[job_cancelled]" in waiting.messages


def test_watched_job_goes_on_after_ctrl_c(admin: CommandLine, client: Client, gate: Gate, file: Path) -> None:
    started = admin.data("datasets", "upload", file, "--no-wait")
    with Process(admin, "jobs", "watch", started["job_id"]) as process:
        process.wait_for_message(f"{started['job_id']}: ")
        process.interrupt()
        assert process.end() == ExitCode.INTERRUPTED
    gate.opened.set()
    assert wait_for_job(client, started["job_id"])["state"] == "succeeded"
