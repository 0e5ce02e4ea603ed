"""What runs: the platform of the home, what a killed one has left, and what a start needs."""

import os
from collections.abc import Iterator
from typing import Final

import httpx

from dataml.doctor.findings import Check, Finding, error, warning
from dataml.errors import StartupError
from dataml.settings import Settings
from deployments import haproxy, platform
from deployments.processes import find_processes

_TIMEOUT_S: Final = 10.0
_HEALTH: Final = "/api/v1/utils/health-check"


def check_platform(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the platform that runs in the home, or with what the next start needs."""
    record = platform.find_running(settings.root)
    if record is None:
        yield from _check_remains(settings)
        yield from _check_next_start(settings)
        return
    try:
        answer = httpx.get(f"http://{_reachable(record.host)}:{record.port}{_HEALTH}", timeout=_TIMEOUT_S)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as failure:
        message = f"the platform of process {record.pid} does not answer on port {record.port} ({failure})"
        yield error(Check.PLATFORM, message, f"look at {platform.log_folder(settings.root)}, then dataml down and up")
        return
    if answer.status_code != 200 or body.get("status") != "ok":
        yield error(Check.PLATFORM, f"the health check says: {body.get('message') or answer.status_code}", "see there")


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _check_remains(settings: Settings) -> Iterator[Finding]:
    folder = platform.private_folder(settings.root)
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.geteuid()):
        yield error(Check.PLATFORM, f"{folder} belongs to somebody else", "remove it as its owner, or as root")
        return
    processes = find_processes(folder)
    if processes:
        pids = ", ".join(str(process.pid) for process in processes)
        yield warning(Check.PLATFORM, f"a platform that has ended has left processes: {pids}", "dataml down")
    elif platform.record_file(settings.root).exists() or folder.exists():
        yield warning(Check.PLATFORM, "a platform that was killed has left files", "dataml down, or the next start")


def _check_next_start(settings: Settings) -> Iterator[Finding]:
    try:
        platform.check_port(settings.host, settings.port)
    except StartupError as refusal:
        yield error(Check.PLATFORM, str(refusal), "set DATAML_PORT or DATAML_HOST, or end what listens there")
    try:
        haproxy.find_binary()
    except StartupError as refusal:
        message, _, advice = str(refusal).partition(": ")
        yield error(Check.PLATFORM, message, advice)
