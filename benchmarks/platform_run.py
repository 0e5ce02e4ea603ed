"""A platform started for one measurement, and what each measurement trains on it."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

import dataml

PASSWORD = "benchmark-password"
UP = ["-m", "dataml.cli", "up"]
HEALTH_PATH = "/api/v1/utils/health-check/"
CHURN = Path(__file__).parents[1] / "examples" / "data" / "telecom_churn.csv"


def connect(url: str) -> dataml.Client:
    """Return an administrator's client. It sends nothing twice, so that a measurement hides no failure."""
    return dataml.connect(url, username="admin", password=PASSWORD, timeout_s=120, max_retries=0)


@contextmanager
def running_platform(home: Path, port: int, **variables: str) -> Iterator[dataml.Client]:
    """Run a platform until the block ends, with further environment variables, and yield a client of it."""
    url = f"http://127.0.0.1:{port}"
    with process(UP, f"{url}{HEALTH_PATH}", environment(home, port) | variables), connect(url) as client:
        yield client


def train_churn(
    client: dataml.Client, dataset: dataml.Dataset, name: str, algorithm: str | None = None
) -> dataml.Model:
    """Train on the churn dataset, and return the model."""
    return client.train(
        dataset, "churn", name=name, id="customer_id", problem_type="Classification", algorithm=algorithm
    )


def await_own_deployment(model: dataml.Model) -> None:
    """Return when a model has a deployment of its own.

    Raises:
        RuntimeError: The deployment does not start within 300 seconds.
    """
    deadline = time.monotonic() + 300
    while model.refresh().info["endpoint"] != "own":
        if time.monotonic() > deadline:
            raise RuntimeError("the predictor's own deployment did not start")
        time.sleep(0.2)


def churn_request(model: dataml.Model) -> Any:
    """Return the body of `POST /inference/` that asks a churn model about the first row of its file."""
    return {
        "train_id": model.id,
        "preprocess_id": model.info["preprocess_id"],
        "target": "churn",
        "features": {name: value for name, value in first_churn_row().items() if name not in ("customer_id", "churn")},
    }


def first_churn_row() -> dict[str, str]:
    """Return the first row of the churn file, as texts."""
    with CHURN.open(newline="") as file:
        return next(csv.DictReader(file))


def environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment variables of a platform with this home and port."""
    return {
        **os.environ,
        "DATAML_HOME": str(home),
        "DATAML_PORT": str(port),
        "DATAML_ADMIN_PASSWORD": PASSWORD,
        "DATAML_ACCESS_TOKEN_MINUTES": "120",  # one login for a whole measurement
    }


@contextmanager
def process(command: list[str], until: str, env: dict[str, str] | None = None) -> Iterator[float]:
    """Run `command` until the block ends, and yield the seconds until it was ready.

    The process is ready when it has printed `until` or, if `until` is a URL, when the URL answers 200.
    """
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *command], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        if until.startswith("http"):
            await_url(child, lambda: httpx.get(until, timeout=1))
        elif not any(line.startswith(until) for line in child.stdout):
            raise RuntimeError(f"{command} ended before it was ready")
        yield time.perf_counter() - started
    finally:
        child.terminate()
        child.wait(60)


def await_url(child: "subprocess.Popen[Any]", ask: Callable[[], httpx.Response]) -> None:
    """Return when a process answers 200.

    Raises:
        RuntimeError: It has ended before that.
    """
    while child.poll() is None:
        try:
            if ask().status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"the process {child.args!r} ended before it answered")


def latest_bundle(home: Path) -> Path:
    """Return the bundle of the last training of a platform that keeps its files on the disk."""
    return max((home / "storage" / "jobs").glob("*/bundle"), key=lambda path: int(path.parent.name.split(".")[0]))
