"""The operating system processes of a platform: found by the folder that they write to, and stopped."""

import os
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

STOP_TIMEOUT_S = 2.0
_POLL_INTERVAL_S = 0.05


def stop_processes(folder: Path) -> int:
    """Stop every process of a platform's folder: SIGTERM first, SIGKILL after STOP_TIMEOUT_S.

    Returns:
        How many processes there were.
    """
    signalled: set[psutil.Process] = set()
    kill_at = time.monotonic() + STOP_TIMEOUT_S
    while (alive := find_processes(folder)) and time.monotonic() < kill_at + STOP_TIMEOUT_S:
        for process in alive:
            # psutil raises rather than signal another process that has the id by now.
            with suppress(psutil.NoSuchProcess):
                if time.monotonic() > kill_at:
                    process.kill()
                elif process not in signalled:
                    process.terminate()
        signalled.update(alive)
        time.sleep(_POLL_INTERVAL_S)
    return len(signalled)


def find_processes(folder: Path) -> list[psutil.Process]:
    """Return the processes, except this one, that have a file of the folder open for writing.

    These are all that Ray and HAProxy start, and what those start. A zombie has no open files and is not among them.
    """
    own_pid = os.getpid()
    return [process for process in psutil.process_iter() if process.pid != own_pid and _writes_to(process.pid, folder)]


def _writes_to(pid: int, folder: Path) -> bool:
    # Not `psutil.Process.open_files`: it leaves out files that were deleted, for example when /tmp was cleaned.
    with suppress(OSError):  # the process has ended meanwhile, or belongs to another user
        return any(_is_written(fd, folder) for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _is_written(fd: Path, folder: Path) -> bool:
    try:
        if not os.readlink(fd).startswith(f"{folder}/"):
            return False
        flags = (fd.parent.parent / "fdinfo" / fd.name).read_text().partition("flags:")[2].split()[0]
    except OSError:
        return False
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def is_alive(process: psutil.Process) -> bool:
    """Return whether this very process runs: no zombie, and no other process that has its id by now."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_id(pid: int) -> str:
    """Return a text that identifies this start of a process among all with the same id; empty when it does not run.

    It is the id of the boot and the clock ticks from the boot to the start of the process. Unlike
    `psutil.Process.create_time`, it stays the same when the system clock is set.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if state == "Z" else f"{boot_id}/{fields[18]}"


def is_ray_core(process: psutil.Process) -> bool:
    """Return whether the process is one of the two that every Ray head node has: raylet and gcs_server."""
    with suppress(psutil.Error):
        return Path(process.exe()).name in {"raylet", "gcs_server"}
    return False


def find_free_ports(count: int, *, exclude: int) -> list[int]:
    """Return ports on which no process listens at the moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count + 1)]
        for each in sockets:
            each.bind(("", 0))
        return [port for each in sockets if (port := each.getsockname()[1]) != exclude][:count]
