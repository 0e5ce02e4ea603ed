"""A platform that is started again when Ray has ended by itself.

Ray ends the process that started it when a core process of it dies. So the platform runs in a child of the process that
holds the home, which outlives it. All state that matters is in the database: jobs go on after the restart.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from dataml.errors import EXIT_CANNOT_START, StartupError
from deployments.platform import hold_home

WINDOW_S: Final = 600.0
"""The time in which restarts count towards the largest number of them."""

_FIRST_PAUSE_S, _MAX_PAUSE_S = 1.0, 30.0
_POLL_INTERVAL_S = 0.1
_PR_SET_PDEATHSIG = 1
log = logging.getLogger(__name__)

RunPlatform = Callable[[Callable[[], None]], None]
"""Runs a platform until it is told to stop, and calls its argument once the platform answers."""


def keep_running(home: Path, host: str, port: int, run: RunPlatform, max_restarts: int) -> None:
    """Run a platform in a child process until Ctrl-C, SIGTERM or SIGHUP, and again when it has died.

    A start that fails is not tried again, unless the platform had been up before.

    Raises:
        StartupError: the platform cannot start, or has died more than `max_restarts` times in `WINDOW_S`.
    """
    with hold_home(home, host, port):
        stop = _Stop()
        deaths: deque[float] = deque()
        was_up = False
        while True:
            child = _Child(run)
            exit_code = child.wait(stop)
            was_up |= child.was_up
            if exit_code == 0 or stop.is_asked:
                return
            if not was_up and exit_code == EXIT_CANNOT_START:
                # The child has said why.
                raise SystemExit(EXIT_CANNOT_START)
            now = time.monotonic()
            deaths.append(now)
            while deaths[0] < now - WINDOW_S:
                deaths.popleft()
            if not was_up or len(deaths) > max_restarts:
                logs = home / "logs"
                raise StartupError(f"the platform has ended by itself ({len(deaths)} times); its logs are in {logs}")
            pause_s = min(_FIRST_PAUSE_S * 2 ** (len(deaths) - 1), _MAX_PAUSE_S)
            print(f"dataml: the platform has ended by itself; it starts again in {pause_s:.0f} s", file=sys.stderr)
            if stop.wait(pause_s):
                return


class _Stop:
    """Whether this process was asked to stop; a child gets none of its signals from the terminal."""

    def __init__(self) -> None:
        self.is_asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.is_asked = True

    def wait(self, seconds: float) -> bool:
        """Wait this long, or until this process is asked to stop; return whether it was."""
        deadline = time.monotonic() + seconds
        while not self.is_asked and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL_S)
        return self.is_asked


class _Child:
    """A process that runs the platform; it is killed when its parent dies.

    `was_up` says, once it has ended, whether the platform had answered.
    """

    def __init__(self, run: RunPlatform) -> None:
        sys.stdout.flush()
        self.was_up = False
        self._ready, ready = os.pipe()
        parent = os.getpid()
        # A signal that comes before the child can take it waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._pid = os.fork()
        if self._pid == 0:
            exit_code = 1
            try:
                exit_code = _run_child(run, parent, ready)
            finally:
                # The child must never return into the code of its parent.
                os._exit(exit_code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.close(ready)
        # The child does the same: whichever comes first.
        with suppress(OSError):
            os.setpgid(self._pid, self._pid)

    def wait(self, stop: _Stop) -> int:
        """Return the exit code, negative for a signal; pass the request to stop on."""
        is_told = False
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self.was_up = bool(os.read(self._ready, 1))
                os.close(self._ready)
                return os.waitstatus_to_exitcode(status)
            if stop.is_asked and not is_told:
                # Once: a second signal would end a child that is stopping Ray.
                os.kill(self._pid, signal.SIGTERM)
                is_told = True
            time.sleep(_POLL_INTERVAL_S)


def _run_child(run: RunPlatform, parent: int, ready: int) -> int:
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return 1
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        run(lambda: _report(ready))
    except KeyboardInterrupt:
        return 0
    except StartupError as error:
        print(f"dataml: {error}", file=sys.stderr, flush=True)
        return EXIT_CANNOT_START
    except Exception:
        log.exception("the platform has failed")
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _report(ready: int) -> None:
    os.write(ready, b"1")
