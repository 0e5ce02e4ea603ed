"""What starts the platform again: real processes, with a platform that does nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployments.platform import find_running

_WAIT_S = 20
_PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from dataml.errors import StartupError
from deployments import restarts

# Ignored where the tests run under nohup.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
home = Path(sys.argv[1])
restarts._FIRST_PAUSE_S = float(sys.argv[3])

def run(report_ready):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (home / "starts").open("a") as file:
        print(os.getpid(), file=file)
    number = len((home / "starts").read_text().splitlines())
    {behaviour}

def serve():
    try:
        while True:
            time.sleep(0.05)
    except KeyboardInterrupt:
        (home / "stopped").touch()

try:
    restarts.keep_running(home, "127.0.0.1", 8000, run, int(sys.argv[2]))
except StartupError as error:
    sys.exit(str(error))
"""
UP = "report_ready(); serve()"
DIES_ONCE = "report_ready(); os.kill(os.getpid(), 9) if number == 1 else serve()"
DIES_ALWAYS = "report_ready(); os.kill(os.getpid(), 9)"


def wait_for(is_done: Callable[[], object]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def starts(home: Path) -> list[int]:
    file = home / "starts"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def started(
    home: Path, behaviour: str, max_restarts: int = 3, first_pause_s: float = 0.01
) -> Iterator["subprocess.Popen[str]"]:
    program = _PROGRAM.replace("{behaviour}", behaviour)
    command = [sys.executable, "-c", program, str(home), str(max_restarts), str(first_pause_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_platform_and_the_command(tmp_path: Path, number: signal.Signals):
    with started(tmp_path, UP) as process:
        wait_for(lambda: starts(tmp_path))
        record = find_running(tmp_path)
        assert record is not None
        assert record.pid == process.pid
        process.send_signal(number)
        assert process.wait(_WAIT_S) == 0
    assert (tmp_path / "stopped").exists()
    assert find_running(tmp_path) is None
    assert len(starts(tmp_path)) == 1


def test_the_platform_gets_one_signal_however_long_it_takes_to_stop(tmp_path: Path):
    behaviour = (
        "report_ready()\n"
        "    try:\n"
        "        serve()\n"
        "    finally:\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "        time.sleep(1.5)\n"
        "        (home / 'cleaned').touch()"
    )
    with started(tmp_path, behaviour) as process:
        wait_for(lambda: starts(tmp_path))
        process.terminate()
        assert process.wait(_WAIT_S) == 0
    assert (tmp_path / "cleaned").exists()


def test_a_platform_that_has_died_starts_again(tmp_path: Path):
    with started(tmp_path, DIES_ONCE) as process:
        wait_for(lambda: len(starts(tmp_path)) == 2)
        process.terminate()
        _, errors = process.communicate(timeout=_WAIT_S)
        assert process.returncode == 0
    assert "starts again" in errors


def test_a_start_that_fails_after_a_death_is_tried_again(tmp_path: Path):
    behaviour = (
        "report_ready() if number != 2 else None; "
        "os.kill(os.getpid(), 9) if number == 1 else None\n"
        "    if number == 2: raise StartupError('not yet')\n"
        "    serve()"
    )
    with started(tmp_path, behaviour) as process:
        wait_for(lambda: len(starts(tmp_path)) == 3)
        process.terminate()
        assert process.wait(_WAIT_S) == 0


def test_a_first_start_that_fails_is_not_tried_again_and_says_why_once(tmp_path: Path):
    with started(tmp_path, "raise StartupError('the port is taken')") as process:
        _, errors = process.communicate(timeout=_WAIT_S)
    assert process.returncode == 2
    assert errors == "dataml: the port is taken\n"
    assert len(starts(tmp_path)) == 1


@pytest.mark.parametrize("behaviour", ["os.kill(os.getpid(), 9)", "raise ValueError('defect')"])
def test_a_first_start_that_dies_is_not_tried_again(tmp_path: Path, behaviour: str):
    with started(tmp_path, behaviour) as process:
        _, errors = process.communicate(timeout=_WAIT_S)
    assert process.returncode == 1
    assert "the platform has ended by itself" in errors
    assert len(starts(tmp_path)) == 1


@pytest.mark.parametrize("limit", [0, 2])
def test_restarts_have_a_limit(tmp_path: Path, limit: int):
    with started(tmp_path, DIES_ALWAYS, limit) as process:
        _, errors = process.communicate(timeout=_WAIT_S)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith(f"the platform has ended by itself ({limit + 1} times)")
    assert len(starts(tmp_path)) == limit + 1


def test_it_can_be_stopped_while_it_waits_for_a_restart(tmp_path: Path):
    with started(tmp_path, DIES_ALWAYS, first_pause_s=600) as process:
        assert process.stderr is not None
        assert "starts again in" in process.stderr.readline()
        assert find_running(tmp_path) is not None
        process.terminate()
        assert process.wait(_WAIT_S) == 0
    assert find_running(tmp_path) is None


def test_the_platform_dies_with_the_command(tmp_path: Path):
    with started(tmp_path, UP) as process:
        wait_for(lambda: starts(tmp_path))
        child = starts(tmp_path)[0]
        process.kill()
        process.wait(_WAIT_S)
        wait_for(lambda: not is_running(child))
    assert not (tmp_path / "stopped").exists()
