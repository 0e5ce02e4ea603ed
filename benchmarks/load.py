"""HTTP load by wrk, and the memory of the platform's processes."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Load:
    """The result of a load test: requests per second, latencies, and the number of answers that are not 2xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def drive(
    url: str, body: dict[str, object] | None, token: str = "", *, connections: int = 16, seconds: int = 8
) -> Load:
    """Send one request repeatedly over a number of connections: POST `body` to `url`, or GET `url` without a body."""
    post_lines = [
        'wrk.method = "POST"',
        f"wrk.body = {json.dumps(json.dumps(body))}",
        'wrk.headers["Content-Type"] = "application/json"',
    ]
    script = "\n".join(
        [
            *(post_lines if body is not None else []),
            f'wrk.headers["Authorization"] = "Bearer {token}"' if token else "",
        ]
    )
    return _run_wrk(url, script, connections, seconds)


def drive_many(
    url: str,
    bodies: Sequence[dict[str, object]],
    order: Sequence[int],
    token: str,
    *,
    connections: int = 16,
    seconds: int = 8,
) -> Load:
    """Send several bodies by POST repeatedly; `order` has the index of the body of each request, again and again."""
    texts = ",\n".join(json.dumps(json.dumps(body)) for body in bodies)
    script = f"""
        wrk.method = "POST"
        wrk.headers["Content-Type"] = "application/json"
        wrk.headers["Authorization"] = "Bearer {token}"
        local bodies = {{{texts}}}
        local order = {{{", ".join(str(index + 1) for index in order)}}}
        local at = 0
        request = function()
            at = at % #order + 1
            return wrk.format(nil, nil, nil, bodies[order[at]])
        end
    """
    return _run_wrk(url, script, connections, seconds)


def _run_wrk(url: str, script: str, connections: int, seconds: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Load(
        per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),  # type: ignore[index]
        p50_ms=_latency(output, "50%"),
        p99_ms=_latency(output, "99%"),
        errors=int(failed[1]) if failed else 0,
    )


def require_wrk() -> None:
    """Raise SystemExit if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("the benchmark drives HTTP with wrk: install it first (Debian: apt-get install wrk)")


def _latency(output: str, percentile: str) -> float:
    found = re.search(rf"^\s+{percentile}\s+([\d.]+)(us|ms|s)\s*$", output, re.M)
    if found is None:
        raise RuntimeError(f"wrk has measured no latency:\n{output}")
    value, unit = found.groups()
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def resident_mb(folder: Path) -> dict[str, float]:
    """Return the proportional set size in MB of the processes whose output goes to `folder`, by process name."""
    from deployments.processes import find_processes

    sizes_mb: dict[str, float] = {}
    for process in find_processes(folder):
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            command = " ".join(process.cmdline())
        except (OSError, psutil.Error):
            continue
        name = _process_name(command)
        size_mb = int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) / 1024  # type: ignore[index]
        sizes_mb[name] = sizes_mb.get(name, 0.0) + size_mb
    return dict(sorted(sizes_mb.items(), key=lambda item: -item[1]))


def _process_name(command: str) -> str:
    if command.startswith("ray::"):
        return command.split()[0].removeprefix("ray::").split(".")[0].strip()
    return Path(command.split()[0]).name if "python" not in command.split()[0] else " ".join(command.split()[1:3])[-60:]
