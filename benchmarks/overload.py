"""What a platform does under many times the load that it can answer.

Run it by itself for another time: `python -m benchmarks.overload SECONDS`.
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dataml
from benchmarks.health import HealthProbes
from benchmarks.load import Load, drive, require_wrk, resident_mb
from benchmarks.platform_run import CHURN, churn_request, running_platform, train_churn
from deployments.platform import private_folder

PORT = 8172
_PREDICTING, _LISTING = 256, 128
"""Connections that ask for predictions, and for lists, all the time."""


def overload(folder: Path, seconds: int = 30) -> None:
    """Print health checks under overload, what was refused, the time until it answers as before, and the memory."""
    require_wrk()
    home = folder / "home"
    with running_platform(home, PORT) as client:
        url, token = client.url, client.transport.session.token()
        body = _train(client)
        client.api.predict(body)
        drive(f"{url}/api/v1/inference/", body, token)  # so that what grows once has grown
        before_mb = resident_mb(private_folder(home))
        with HealthProbes(url) as probes, ThreadPoolExecutor(2) as pool:
            predictions = pool.submit(
                drive, f"{url}/api/v1/inference/", body, token, connections=_PREDICTING, seconds=seconds
            )
            lists = pool.submit(drive, f"{url}/api/v1/train/list", None, token, connections=_LISTING, seconds=seconds)
            loads = {"predictions": predictions.result(), "lists": lists.result()}
        recovery_s = _time_to_normal(client, body)
        after_mb = resident_mb(private_folder(home))
        for name, load in loads.items():
            _print(name, load, seconds)
        print(f"health checks: {probes}")
        print(f"a prediction takes 0.1 s or less again {recovery_s:.1f} s after the end")
        for name in ("ServeReplica:dataml:Api", "ServeReplica:dataml:PredictorPool"):
            print(f"{name}: {before_mb.get(name, 0):.0f} MB before, {after_mb.get(name, 0):.0f} MB after")


def _train(client: dataml.Client) -> Any:
    dataset = client.datasets.upload(CHURN, "churn")
    return churn_request(train_churn(client, dataset, "churn", "LightGBM"))


def _time_to_normal(client: dataml.Client, body: Any) -> float:
    """Return the seconds until ten predictions in a row take at most 0.1 s each."""
    ended = time.perf_counter()
    good = 0
    while good < 10:
        started = time.perf_counter()
        answer = client.transport.send("POST", "/api/v1/inference/", body=body)
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
