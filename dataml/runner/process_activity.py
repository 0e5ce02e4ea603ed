"""Whether a process works, seen from outside: by the threads that the kernel lists in `/proc`.

A process that holds Python's global interpreter lock for long answers nobody. It works nevertheless while one of its
threads computes, waits for a processor on a busy machine, or waits for a disk. A stopped process does none of these,
and neither does one whose threads wait for each other.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SAMPLE_S: Final = 1.0
# Ray's own threads need less than 0.02 of a processor when there is nothing to do.
_MIN_COMPUTED: Final = 0.1
_MIN_RUNNABLE: Final = 0.5
# A thread that waits for the interpreter lock wakes up 200 times a second and computes for 20 us each time. Where many
# processes wait for a processor it waits long each time; one that computes has the processor for milliseconds then.
_MIN_SLICE_S: Final = 200e-6
_RUNNABLE: Final = "R"
_WAITING_FOR_DISK: Final = "D"


@dataclass(frozen=True)
class _Thread:
    """A thread since it began: how long it had a processor, how long it waited for one, and how often it got one."""

    state: str
    computed_s: float
    waited_s: float
    slices: int


def is_active(pid: int) -> bool:
    """Return whether the process computes, waits for a processor or waits for a disk; blocks for a second.

    False when there is no such process.
    """
    began = time.monotonic()
    before = _read_threads(pid)
    time.sleep(_SAMPLE_S)
    after = _read_threads(pid)
    elapsed_s = time.monotonic() - began
    return any(_has_worked(before[tid], after[tid], elapsed_s) for tid in before.keys() & after.keys())


def _has_worked(before: _Thread, after: _Thread, elapsed_s: float) -> bool:
    states = {before.state, after.state}
    computed_s = after.computed_s - before.computed_s
    if states == {_WAITING_FOR_DISK} or computed_s >= _MIN_COMPUTED * elapsed_s:
        return True
    # A wait is counted once it is over, so the state counts, too.
    runnable_s = computed_s + after.waited_s - before.waited_s
    wants_processor = states == {_RUNNABLE} or runnable_s >= _MIN_RUNNABLE * elapsed_s
    return wants_processor and computed_s >= _MIN_SLICE_S * (after.slices - before.slices)


def _read_threads(pid: int) -> dict[int, _Thread]:
    threads: dict[int, _Thread] = {}
    for folder in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):  # the thread has ended
            # The name of the thread is in parentheses, and may have some itself.
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            computed_ns, waited_ns, slices = map(int, (folder / "schedstat").read_text().split())
            threads[int(folder.name)] = _Thread(state, computed_ns / 1e9, waited_ns / 1e9, slices)
    return threads
