"""The faults: how each is injected and ended, and how soon the platform has to serve again."""

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psutil

from dataml import NotConnected
from tests.chaos.running_platform import RunningPlatform, connect

_FIND_TIMEOUT_S = 120.0
_STOPPED_S = 20.0
_LOCKED_S = 20.0
_OVERLOAD_S = 10.0
_SLOW_S = 15.0
_FULL_S = 15.0
_CLOCK_SET_S = 30.0
_HOUR_S = 3600


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: of the fault.
        inject: injects it, and returns when it is over; a process that was killed is not replaced yet then.
        target_s: within which the platform answers every probe again, after the fault has begun.
    """

    name: str
    inject: Callable[[RunningPlatform], None]
    target_s: float


def _kill(kind: str) -> Callable[[RunningPlatform], None]:
    def inject(platform: RunningPlatform) -> None:
        deadline = time.monotonic() + _FIND_TIMEOUT_S
        # One that an earlier fault has ended may be starting.
        while not (found := platform.find(kind)):
            if time.monotonic() > deadline:
                raise SystemExit(f"there is no process of the kind {kind} to kill")
            time.sleep(0.1)
        found[0].kill()

    return inject


def _stop(kind: str) -> Callable[[RunningPlatform], None]:
    """Stop a process for a while: it neither works nor answers, and continues as if no time had passed."""

    def inject(platform: RunningPlatform) -> None:
        for process in platform.find(kind)[:1]:
            process.send_signal(signal.SIGSTOP)
            time.sleep(_STOPPED_S)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    return inject


def _kill_everything(platform: RunningPlatform) -> None:
    platform.kill_all()
    platform.start()


def _cut_power(platform: RunningPlatform) -> None:
    """Lose everything that is not on the disk: all processes, and what they have written and not synced."""
    assert platform.disk is not None
    platform.suspend_all()
    copied = platform.disk.copy()
    platform.kill_all()
    platform.disk.replace_by(copied)
    platform.start()


def _lock_database(platform: RunningPlatform) -> None:
    connection = sqlite3.connect(platform.home / "dataml.db", isolation_level=None, timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    time.sleep(_LOCKED_S)
    connection.execute("ROLLBACK")
    connection.close()


def _fill_disk(platform: RunningPlatform) -> None:
    """Fill the disk of the home, which is a small one, to the last byte."""
    file = platform.home / "filler"
    # Without a buffer: what it held could not be written when the file is closed.
    with file.open("wb", buffering=0) as filler:
        size_bytes = 1024**2
        while size_bytes:
            try:
                filler.write(b"\0" * size_bytes)
            except OSError:
                size_bytes //= 2
    time.sleep(_FULL_S)
    file.unlink()


def _set_clock(offset_s: int) -> Callable[[RunningPlatform], None]:
    """Set the clock of the platform to another time of day, and back after a while, which is a jump as well."""

    def inject(platform: RunningPlatform) -> None:
        assert platform.clock is not None
        platform.clock.set(offset_s)
        time.sleep(_CLOCK_SET_S)
        platform.clock.set(0)

    return inject


def _overload(platform: RunningPlatform) -> None:
    """Send many more requests at once than the platform can answer."""
    ended = time.monotonic() + _OVERLOAD_S

    def send() -> None:
        form = {"username": "nobody", "password": "wrong"}
        with connect(platform.url, timeout_s=60) as client:
            while time.monotonic() < ended:
                with suppress(NotConnected):
                    client.transport.send("POST", "/api/v1/login/access-token", form=form, signed=False)

    threads = [threading.Thread(target=send) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _connect_slowly(platform: RunningPlatform) -> None:
    """Keep 1,000 connections idle, and send the body of an upload byte by byte over others."""
    with _connections(platform, 1000), _connections(platform, 20) as slow:
        for connection in slow:
            connection.sendall(
                b"POST /api/v1/dataset/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            )
        ended = time.monotonic() + _SLOW_S
        while time.monotonic() < ended:
            for connection in slow:
                with suppress(OSError):
                    connection.sendall(b"x")
            time.sleep(1)


@contextmanager
def _connections(platform: RunningPlatform, number: int) -> Iterator[list[socket.socket]]:
    connections = [socket.create_connection(("127.0.0.1", platform.port), timeout=30) for _ in range(number)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("HAProxy killed", _kill("haproxy"), 3),
        Fault("Serve's HAProxy manager killed", _kill("manager"), 3),
        Fault("API replica killed", _kill("api"), 5),
        Fault("pool killed", _kill("pool"), 5),
        Fault("own deployment killed", _kill("own"), 1),
        Fault("Serve's controller killed", _kill("controller"), 1),
        Fault("supervisor killed", _kill("supervisor"), 1),
        Fault("supervisor stopped for 20 s", _stop("supervisor"), 1),
        Fault("worker killed", _kill("worker"), 1),
        Fault("worker stopped for 20 s", _stop("worker"), 1),
        Fault("raylet killed", _kill("raylet"), 60),
        Fault("GCS killed", _kill("gcs"), 60),
        Fault("dashboard agent killed", _kill("agent"), 60),
        Fault("everything killed", _kill_everything, 85),
        Fault("power cut", _cut_power, 85),
        Fault("SQLite locked for 20 s", _lock_database, 1),
        Fault("disk full for 15 s", _fill_disk, 1),
        Fault("clock an hour back for 30 s", _set_clock(-_HOUR_S), 1),
        Fault("clock a day ahead for 30 s", _set_clock(24 * _HOUR_S), 1),
        Fault("overload for 10 s", _overload, _OVERLOAD_S + 5),
        Fault("1,000 idle and 20 slow connections", _connect_slowly, 1),
    )
}
SHORT: Final = ("HAProxy killed", "API replica killed", "worker killed", "supervisor killed", "everything killed")
"""The faults of the short form."""

KILLS: Final = tuple(name for name in FAULTS if name.endswith(" killed"))
"""The faults that only kill."""

NEED_DISK: Final = frozenset({"disk full for 15 s", "power cut"})
NEED_CLOCK: Final = frozenset(name for name in FAULTS if name.startswith("clock "))
