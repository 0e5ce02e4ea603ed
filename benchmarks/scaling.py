"""How the pool scales under load, measured on a predictor that has no deployment of its own.

Run it by itself for a shorter time: `python -m benchmarks.scaling SECONDS`.
"""

import csv
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.load import Load, drive, require_wrk
from benchmarks.platform_run import CHURN, Client, environment, process

PORT = 8171
PREDICTORS = 5
"""One more than have a deployment of their own by default."""
CONNECTIONS = 16
_PROBE_S = 4
_POLL_INTERVAL_S = 0.5


def scaling(folder: Path, seconds: int = 60) -> None:
    """Measure the fifth newest predictor under load: before the pool has scaled, meanwhile, and after."""
    require_wrk()
    home = folder / "home"
    url = f"http://127.0.0.1:{PORT}"
    with process(["-m", "dataml.cli", "up"], f"{url}/api/v1/utils/health-check/", environment(home, PORT)):
        client = Client(url)
        body = _train(client)
        client.post("/inference/", body)
        before = _count_replicas(home)
        _print("before", [before], _load(url, client, body, _PROBE_S))
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(_load, url, client, body, seconds)
            counts = _watch(home, running)
        _print(f"during {seconds} s of load", counts, running.result())
        after = _load(url, client, body, _PROBE_S)
        _print("after", [_count_replicas(home)], after)


def _train(client: Client) -> dict[str, Any]:
    """Train the predictors, wait until the newest have deployments, and return a request for the oldest."""
    dataset = client.upload("churn", "t", CHURN)["dataset_id"]
    trainings = []
    for number in range(PREDICTORS):
        trainings.append(client.train(dataset, f"churn-{number}", "LightGBM"))
        client.wait(trainings[-1]["job_id"])
    for training in trainings[1:]:
        client.await_own(training["id"])
    with CHURN.open() as file:
        row = next(csv.DictReader(file))
    features = {name: value for name, value in row.items() if name not in ("customer_id", "churn")}
    oldest = trainings[0]
    body = {"train_id": oldest["id"], "preprocess_id": oldest["preprocess_id"], "target": "churn"}
    return body | {"features": features}


def _load(url: str, client: Client, body: dict[str, Any], seconds: int) -> Load:
    return drive(f"{url}/api/v1/inference/", body, client.token, connections=CONNECTIONS, seconds=seconds)


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
    from deployments.platform import private_folder
    from deployments.processes import find_processes

    commands = (" ".join(process.cmdline()) for process in find_processes(private_folder(home)))
    return sum(command.startswith("ray::ServeReplica:dataml:PredictorPool") for command in commands)


def _print(label: str, replicas: list[int], load: Load) -> None:
    errors = f", {load.errors} errors" if load.errors else ""
    print(
        f"{label}: {' -> '.join(map(str, replicas))} replicas of the pool, {load.per_second:.0f} requests/s, "
        f"p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms{errors}",
        flush=True,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dataml-bench-") as temporary:
        scaling(Path(temporary), *map(int, sys.argv[1:]))
