"""Whether a process works: real processes that compute, wait, are stopped, or hold the interpreter lock."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from dataml.runner.process_activity import is_active

COMPUTING = "print(flush=True)\nwhile True: pass"
# One call of a function in C, which holds the interpreter lock all the time.
COMPUTING_WITH_LOCK = "print(flush=True); sum(range(10**15))"
COMPUTING_IN_A_THREAD = (
    "import threading, time\ndef run():\n  while True: pass\n"
    "threading.Thread(target=run, daemon=True).start()\nprint(flush=True)\ntime.sleep(1000)"
)
# `PyDLL` calls a function without giving the interpreter lock back.
WAITING_WITH_LOCK = (
    "import ctypes, threading, time\ndef run():\n  while True: time.sleep(0.2)\n"
    "threading.Thread(target=run, daemon=True).start()\nprint(flush=True); ctypes.PyDLL(None).pause()"
)
WAITING = "import time; print(flush=True); time.sleep(1000)"
DEADLOCKED = (
    "import threading; lock = threading.Lock(); lock.acquire()\n"
    "threading.Thread(target=lock.acquire, daemon=True).start()\nprint(flush=True); lock.acquire()"
)
Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a program of Python, and returns its process id once it has printed a line."""
    processes: list[subprocess.Popen[bytes]] = []

    def start_program(program: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process.pid

    yield start_program
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(COMPUTING, id="computing"),
        pytest.param(COMPUTING_WITH_LOCK, id="computing with the lock"),
        pytest.param(COMPUTING_IN_A_THREAD, id="computing in a thread"),
    ],
)
def test_a_process_that_computes_is_active_until_it_is_stopped(start: Start, program: str) -> None:
    pid = start(program)
    assert is_active(pid)
    os.kill(pid, signal.SIGSTOP)
    # Each thread stops the next time it has a processor.
    process = psutil.Process(pid)
    while process.status() != psutil.STATUS_STOPPED:
        pass
    assert not is_active(pid)


def test_a_process_that_waits_for_a_processor_is_active(start: Start) -> None:
    """Of several that share one processor, at the lowest priority, each has little of it."""
    (processor, *_) = os.sched_getaffinity(0)
    confine = f"import os; os.sched_setaffinity(0, {{{processor}}})\n"
    for _ in range(3):
        start(confine + COMPUTING)
    assert is_active(start(confine + "os.nice(19)\n" + COMPUTING))


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(WAITING, id="waiting"),
        pytest.param(WAITING_WITH_LOCK, id="waiting with the lock"),
        pytest.param(DEADLOCKED, id="deadlocked"),
    ],
)
def test_a_process_that_waits_is_not_active(start: Start, program: str) -> None:
    assert not is_active(start(program))


def test_a_process_that_has_ended_is_not_active(start: Start) -> None:
    pid = start(WAITING)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_active(pid)
    assert not is_active(2**22 + 1)
