"""What a platform does under many times the load that it can answer.

Run it by itself for another time: `python -m benchmarks.overload SECONDS`.
"""

import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.load import Load, drive, require_wrk, resident_mb
from benchmarks.platform_run import CHURN, Client, churn_request, environment, first_churn_row, process
from deployments.platform import private_folder

PORT = 8172
_PREDICTING, _LISTING = 256, 128
"""Connections that ask for predictions, and for lists, all the time."""
_INTERVAL_S = 0.05


@dataclass
class HealthProbes:
    """Health checks in a thread, each over a connection of its own: their times in seconds, and how many failed."""

    url: str
    times_s: list[float] = field(default_factory=list)
    failed: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_INTERVAL_S):
            started = time.perf_counter()
            try:
                is_ok = httpx.get(self.url, timeout=30, verify=False).is_success
            except httpx.HTTPError:
                is_ok = False
            self.failed += not is_ok
            self.times_s.append(time.perf_counter() - started)


def overload(folder: Path, seconds: int = 30) -> None:
    """Print health checks under overload, what was refused, the time until it answers as before, and the memory."""
    require_wrk()
    home = folder / "home"
    url = f"http://127.0.0.1:{PORT}"
    health = f"{url}/api/v1/utils/health-check/"
    with process(["-m", "dataml.cli", "up"], health, environment(home, PORT)):
        client = Client(url)
        body = _train(client)
        client.post("/inference/", body)
        drive(f"{url}/api/v1/inference/", body, client.token)  # so that what grows once has grown
        before_mb = resident_mb(private_folder(home))
        with HealthProbes(health) as probes, ThreadPoolExecutor(2) as pool:
            predictions = pool.submit(
                drive, f"{url}/api/v1/inference/", body, client.token, connections=_PREDICTING, seconds=seconds
            )
            lists = pool.submit(
                drive, f"{url}/api/v1/train/list", None, client.token, connections=_LISTING, seconds=seconds
            )
            loads = {"predictions": predictions.result(), "lists": lists.result()}
        recovery_s = _time_to_normal(client, body)
        after_mb = resident_mb(private_folder(home))
        for name, load in loads.items():
            _print(name, load, seconds)
        p50, p99 = (statistics.quantiles(probes.times_s, n=100)[at - 1] for at in (50, 99))
        print(f"health checks: {len(probes.times_s)}, p50 {p50:.3f} s, p99 {p99:.3f} s, {probes.failed} failed")
        print(f"a prediction takes 0.1 s or less again {recovery_s:.1f} s after the end")
        for name in ("ServeReplica:dataml:Api", "ServeReplica:dataml:PredictorPool"):
            print(f"{name}: {before_mb.get(name, 0):.0f} MB before, {after_mb.get(name, 0):.0f} MB after")


def _train(client: Client) -> dict[str, Any]:
    dataset = client.upload("churn", "t", CHURN)["dataset_id"]
    training = client.train(dataset, "churn", "LightGBM")
    client.wait(training["job_id"])
    return churn_request(training, first_churn_row())


def _time_to_normal(client: Client, body: dict[str, Any]) -> float:
    """Return the seconds until ten predictions in a row take at most 0.1 s each."""
    ended = time.perf_counter()
    good = 0
    while good < 10:
        started = time.perf_counter()
        answer = client.http.post("/inference/", json=body)
        good = good + 1 if answer.is_success and time.perf_counter() - started <= 0.1 else 0
        if time.perf_counter() - ended > 60:
            raise RuntimeError("the platform does not recover within 60 s")
    return time.perf_counter() - ended


def _print(name: str, load: Load, seconds: int) -> None:
    total = load.per_second * seconds
    print(
        f"{name}: {load.per_second:.0f} answers/s, p50 {load.p50_ms:.0f} ms, p99 {load.p99_ms:.0f} ms, "
        f"{load.errors} of {total:.0f} refused"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dataml-bench-") as temporary:
        overload(Path(temporary), *map(int, sys.argv[1:]))
