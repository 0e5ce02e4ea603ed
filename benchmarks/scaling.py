"""How the pool scales under load, measured on a predictor that has no deployment of its own.

Run it by itself for a shorter time: `python -m benchmarks.scaling SECONDS`.
"""

import sys
import tempfile
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

import dataml
from benchmarks.load import Load, drive, require_wrk
from benchmarks.platform_run import CHURN, await_own_deployment, churn_request, running_platform, train_churn
from deployments.platform import private_folder
from deployments.processes import find_processes

PORT = 8171
PREDICTORS = 5
"""One more than have a deployment of their own by default."""
_SLICE_S = 8
"""Every figure is of a load of this length, so that the first and the last can be compared."""
_PROCESSES = {"API": "ray::ServeReplica:dataml:Api", "pool": "ray::ServeReplica:dataml:PredictorPool"}
_POLL_INTERVAL_S = 0.5


def scaling(folder: Path, seconds: int = 64) -> None:
    """Measure the fifth newest predictor under load: by the number of replicas, for `seconds` seconds."""
    require_wrk()
    home = folder / "home"
    with running_platform(home, PORT) as client:
        url, token = f"{client.url}/api/v1/inference/", client.transport.session.token()
        body = _train(client)
        client.api.predict(body)
        for start in range(0, seconds, _SLICE_S):
            before = _cpu_seconds(home)
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(drive, url, body, token, seconds=_SLICE_S)
                counts = _watch(home, running)
            after = _cpu_seconds(home)
            _print(f"from {start} s", counts, running.result(), {name: after[name] - before[name] for name in after})


def _train(client: dataml.Client) -> Any:
    """Train the predictors, wait until the newest have deployments, and return a request for the oldest."""
    dataset = client.datasets.upload(CHURN, "churn")
    models = [train_churn(client, dataset, f"churn-{number}", "LightGBM") for number in range(PREDICTORS)]
    for model in models[1:]:
        await_own_deployment(model)
    return churn_request(models[0])


def _watch(home: Path, running: "Future[Load]") -> list[int]:
    """Return each number of replicas of the pool while the load runs, in order, without repetitions."""
    counts = [_count_replicas(home)]
    while not running.done():
        try:
            running.exception(_POLL_INTERVAL_S)
        except TimeoutError:
            count = _count_replicas(home)
            if count != counts[-1]:
                counts.append(count)
    return counts


def _count_replicas(home: Path) -> int:
    return sum(name == "pool" for name, _ in _replicas(home))


def _cpu_seconds(home: Path) -> Counter[str]:
    """Return the processor time of all replicas of the API and of the pool."""
    seconds: Counter[str] = Counter()
    for name, replica in _replicas(home):
        times = replica.cpu_times()
        seconds[name] += times.user + times.system
    return seconds


def _replicas(home: Path) -> list[tuple[str, psutil.Process]]:
    commands = [(" ".join(process.cmdline()), process) for process in find_processes(private_folder(home))]
    return [
        (name, process)
        for command, process in commands
        for name, start in _PROCESSES.items()
        if command.startswith(start)
    ]


def _print(label: str, replicas: list[int], load: Load, cpu_seconds: dict[str, float]) -> None:
    requests = load.per_second * _SLICE_S
    costs = ", ".join(f"{name} {1000 * seconds / requests:.2f}" for name, seconds in cpu_seconds.items())
    errors = f", {load.errors} errors" if load.errors else ""
    print(
        f"{label}: {' -> '.join(map(str, replicas))} replicas of the pool, {load.per_second:.0f} requests/s, "
        f"p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms{errors}; ms of the processor a request: {costs}",
        flush=True,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dataml-bench-") as temporary:
        scaling(Path(temporary), *map(int, sys.argv[1:]))
