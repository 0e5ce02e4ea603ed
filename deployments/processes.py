"""The processes of a platform, found by the folder they write to, and ended by their ids."""

import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

PROCESS_STOP_S = 2.0


def end_processes(folder: Path) -> int:
    """Ends every process of a platform's folder by its id: asked first, killed later. Returns how many there were."""
    asked: set[int] = set()
    kill_at = time.monotonic() + PROCESS_STOP_S
    while (alive := processes_of(folder)) and time.monotonic() < kill_at + PROCESS_STOP_S:
        for pid in alive:
            with suppress(ProcessLookupError):
                if time.monotonic() > kill_at:
                    os.kill(pid, signal.SIGKILL)
                elif pid not in asked:
                    os.kill(pid, signal.SIGTERM)
        asked.update(alive)
        time.sleep(0.05)
    return len(asked)


def processes_of(folder: Path) -> list[int]:
    """The processes that write to a file in the folder: all that Ray and HAProxy start, and what those start."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile, or somebody else's
            if any(_writes_to(folder, fd) for fd in (process / "fd").iterdir()):
                found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


def _writes_to(folder: Path, fd: Path) -> bool:
    try:
        if not os.readlink(fd).startswith(f"{folder}/"):
            return False
        flags = (fd.parent.parent / "fdinfo" / fd.name).read_text().partition("flags:")[2].split()[0]
    except OSError:
        return False
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def started_at(pid: int) -> str:
    """When a process started, as the kernel counts; empty when there is none."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if state == "Z" else f"{boot}/{fields[18]}"


def is_core(pid: int) -> bool:
    """Whether it is one of the two without which a Ray cluster is none."""
    with suppress(OSError):
        return Path(os.readlink(f"/proc/{pid}/exe")).name in {"raylet", "gcs_server"}
    return False


def free_ports(count: int, *, besides: int) -> list[int]:
    """Ports nobody listens on at this moment."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count + 1)]
        for each in sockets:
            each.bind(("", 0))
        return [port for each in sockets if (port := each.getsockname()[1]) != besides][:count]
