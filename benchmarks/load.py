"""Drives one HTTP call with wrk and reads what it measured."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Load:
    """Requests a second, latencies in milliseconds, and answers that were no 2xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def drive(
    url: str, body: dict[str, object] | None, token: str = "", *, connections: int = 16, seconds: int = 8
) -> Load:
    """POST `body` to `url`, or GET it where there is none, over so many connections for so long."""
    posting = [
        'wrk.method = "POST"',
        f"wrk.body = {json.dumps(json.dumps(body))}",
        'wrk.headers["Content-Type"] = "application/json"',
    ]
    script = "\n".join(
        [
            *(posting if body is not None else []),
            f'wrk.headers["Authorization"] = "Bearer {token}"' if token else "",
        ]
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    return Load(
        per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1]),  # type: ignore[index]
        p50_ms=_latency(printed, "50%"),
        p99_ms=_latency(printed, "99%"),
        errors=int(failed[1]) if failed else 0,
    )


def need_wrk() -> None:
    """Raises SystemExit when wrk is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("the benchmark drives HTTP with wrk: install it first (Debian: apt-get install wrk)")


def _latency(printed: str, percentile: str) -> float:
    value, unit = re.search(rf"^\s+{percentile}\s+([\d.]+)(us|ms|s)$", printed, re.M).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def resident_mb(folder: Path) -> dict[str, float]:
    """Proportional set size in MB of every process whose output goes to `folder`, by what it is."""
    from deployments.processes import find_processes

    found: dict[str, float] = {}
    for process in find_processes(folder):
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            command = " ".join(process.cmdline())
        except (OSError, psutil.Error):
            continue
        name = _process_name(command)
        size_mb = int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) / 1024  # type: ignore[index]
        found[name] = found.get(name, 0.0) + size_mb
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _process_name(command: str) -> str:
    if command.startswith("ray::"):
        return command.split()[0].removeprefix("ray::").split(".")[0].strip()
    return Path(command.split()[0]).name if "python" not in command.split()[0] else " ".join(command.split()[1:3])[-60:]
