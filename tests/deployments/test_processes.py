"""Processes are found by the files that they have open for writing, and stopped; all others stay."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployments.processes import find_free_ports, find_processes, is_alive, start_id, stop_processes

StartWriter = Callable[[Path], subprocess.Popen[bytes]]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "platform"


@pytest.fixture
def start_writer() -> Iterator[StartWriter]:
    """Return a function that starts a process with a file open for writing, like every process that Ray starts."""
    started: list[subprocess.Popen[bytes]] = []

    def start(path: Path) -> subprocess.Popen[bytes]:
        path.parent.mkdir(parents=True, exist_ok=True)
        code = f"import time; f = open({str(path)!r}, 'w'); f.write('x'); f.flush(); time.sleep(60)"
        started.append(subprocess.Popen([sys.executable, "-c", code]))
        deadline = time.monotonic() + 10
        while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def find_pids(folder: Path) -> list[int]:
    return [process.pid for process in find_processes(folder)]


def test_only_processes_that_write_in_the_folder_are_stopped(folder: Path, start_writer: StartWriter) -> None:
    ours, neighbour = start_writer(folder / "ray" / "log"), start_writer(folder.with_name("platform2") / "log")
    with (folder / "ray" / "log").open() as read:
        reader = subprocess.Popen(SLEEP, stdin=read)
        try:
            assert stop_processes(folder) == 1
            assert ours.wait(5) != 0
            assert neighbour.poll() is None
            assert reader.poll() is None
        finally:
            reader.kill()
            reader.wait()


def test_a_process_that_ignores_sigterm_is_killed(folder: Path) -> None:
    path = folder / "log"
    path.parent.mkdir(parents=True)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with path.open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log)
    while not path.read_text():
        time.sleep(0.01)
    assert stop_processes(folder) == 1
    assert process.wait(5) == -9


def test_stopping_a_folder_without_processes_takes_no_time(folder: Path) -> None:
    before = time.monotonic()
    assert stop_processes(folder) == 0
    assert time.monotonic() - before < 1


def test_a_process_whose_files_were_deleted_is_found(folder: Path, start_writer: StartWriter) -> None:
    writer = start_writer(folder / "ray" / "log")
    shutil.rmtree(folder)
    assert find_pids(folder) == [writer.pid]


def test_neither_this_process_nor_a_zombie_is_found(folder: Path, start_writer: StartWriter) -> None:
    writer = start_writer(folder / "log")
    with (folder / "own").open("w"):
        assert find_pids(folder) == [writer.pid]
        writer.kill()
        process = psutil.Process(writer.pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert find_pids(folder) == []


def test_a_zombie_is_neither_alive_nor_has_a_start_id() -> None:
    child = subprocess.Popen(SLEEP)
    process = psutil.Process(child.pid)
    assert is_alive(process)
    assert start_id(child.pid)
    child.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not is_alive(process)
    assert start_id(child.pid) == ""
    child.wait()
    assert not is_alive(process)


def test_the_start_id_identifies_one_start() -> None:
    assert start_id(os.getpid()) == start_id(os.getpid())
    child = subprocess.Popen(SLEEP)
    try:
        assert start_id(child.pid) not in ("", start_id(os.getpid()))
    finally:
        child.kill()
        child.wait()


def test_free_ports_exclude_the_given_one() -> None:
    ports = find_free_ports(3, exclude=8000)
    assert len({*ports, 8000}) == 4
