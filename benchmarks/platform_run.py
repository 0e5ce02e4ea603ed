"""A platform started for one measurement, and a client of its API."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

PASSWORD = "benchmark-password"
CHURN = Path(__file__).parents[1] / "examples" / "data" / "telecom_churn.csv"


class Client:
    """An HTTP client for upload, training and prediction. Every call raises if the API answers an error."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=120)
        answer = self.http.post("/login/access-token", data={"username": "admin", "password": PASSWORD}).json()
        self.token: str = answer["access_token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **query: object) -> Any:
        """Return the JSON of a GET request."""
        return self._json(self.http.get(path, params=query))  # type: ignore[arg-type]

    def post(self, path: str, body: object) -> Any:
        """Return the JSON of a POST request."""
        return self._json(self.http.post(path, json=body))

    def upload(self, name: str, usage: str, file: Path) -> dict[str, Any]:
        """Upload a file and wait until the dataset is valid."""
        with file.open("rb") as content:
            query = {"dataset_name": name, "usage": usage}
            answer = self._json(self.http.post("/dataset/upload", params=query, files={"files": (file.name, content)}))
        self.wait(answer["job_id"])
        return answer

    def wait(self, job_id: str) -> None:
        """Poll the job every 10 ms and return when it has succeeded.

        Raises:
            RuntimeError: The job ended in another state.
        """
        while (job := self.get(f"/jobs/{job_id}"))["state"] in ("queued", "running"):
            time.sleep(0.01)
        if job["state"] != "succeeded":
            raise RuntimeError(f"{job_id}: {job['error']}")

    def await_own(self, train_id: int) -> None:
        """Return when the training has a deployment of its own.

        Raises:
            RuntimeError: The deployment does not start within 90 seconds.
        """
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if any(row["id"] == train_id and row["endpoint"] == "own" for row in self.get("/train/list")["data"]):
                return
            time.sleep(0.2)
        raise RuntimeError("the predictor's own deployment did not start")

    def train(self, dataset_id: int, name: str, algorithm: str = "auto") -> dict[str, Any]:
        """Submit a training of the churn dataset and return the answer, without waiting for the job."""
        body = {
            "dataset_id": dataset_id,
            "predictor_name": name,
            "domain": "Churn",
            "problem_type": "Classification",
            "algorithm": algorithm,
            "columns": [
                {"column_name": "customer_id", "attribute_name": "Id"},
                {"column_name": "churn", "attribute_name": "Target"},
            ],
        }
        return self.post("/train/", body)

    def _json(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise RuntimeError(f"{response.request.url}: {response.status_code} {response.text}")
        return response.json()


def churn_request(training: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Return the body of `POST /inference/` that asks a churn training about a row of its file."""
    return {
        "train_id": training["id"],
        "preprocess_id": training["preprocess_id"],
        "target": "churn",
        "features": {name: value for name, value in row.items() if name not in ("customer_id", "churn")},
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
            _await_url(child, until)
        elif not any(line.startswith(until) for line in child.stdout):
            raise RuntimeError(f"{command} ended before it was ready")
        yield time.perf_counter() - started
    finally:
        child.terminate()
        child.wait(60)


def _await_url(child: "subprocess.Popen[str]", url: str) -> None:
    while child.poll() is None:
        try:
            if httpx.get(url, timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"the process ended before {url} answered")
