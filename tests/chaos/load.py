"""A mixed load on a platform, and the ledger of what it has acknowledged."""

import csv
import io
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from deployments.applications import application_name
from tests.chaos.running_platform import PASSWORD

CHURN: Final = Path(__file__).parents[2] / "examples" / "data" / "telecom_churn.csv"
DEPARTURES: Final = Path(__file__).parents[2] / "examples" / "data" / "airport_departures.csv"
TARGET, ID = "churn", "customer_id"
DOCUMENTED: Final = frozenset({200, 201, 202, 204, 429, 502, 503, 504, 507})
"""Statuses of correct requests, whatever happens to the platform."""
_ROWS = 400
_TIMEOUT_S = 40.0


@dataclass
class Ledger:
    """What the platform has acknowledged, and every answer that it must not give."""

    templates: set[int] = field(default_factory=set)
    datasets: set[int] = field(default_factory=set)
    trainings: set[int] = field(default_factory=set)
    batches: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, status: int | str) -> None:
        """Count an answer: its status, or the name of the error of the connection."""
        with self.lock:
            self.answers[f"{what} {status}"] += 1

    def counts(self) -> Counter[str]:
        """Return how many jobs were acknowledged, and how many writes of the database by calls that start no job."""
        return Counter(jobs=len(self.jobs), writes=len(self.templates))

    def violate(self, text: str) -> None:
        """Record an answer that the platform must not give."""
        with self.lock:
            self.violations.append(text)


class User:
    """A client that logs in again when its session has ended, and records every answer."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S)
        self._ledger = ledger

    @property
    def authorization(self) -> str:
        """The header of the last session."""
        return self._http.headers["Authorization"]

    def log_in(self) -> bool:
        """Log in, and return whether the platform has answered."""
        answer = self.call(
            "login", "POST", "/api/v1/login/access-token", data={"username": "admin", "password": PASSWORD}
        )
        if answer is not None:
            self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return answer is not None

    def call(self, what: str, method: str, path: str, **arguments: Any) -> Any:
        """Return the JSON of a successful answer; None when there is none."""
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            self._ledger.note(what, type(error).__name__)
            return None
        self._ledger.note(what, answer.status_code)
        if answer.status_code not in DOCUMENTED:
            self._ledger.violate(f"{what}: {answer.status_code} {answer.text[:300]}")
        elif answer.status_code in (502, 503, 504, 507) and "code" not in _json(answer):
            self._ledger.violate(f"{what}: {answer.status_code} without a code: {answer.text[:300]}")
        return answer.json() if answer.is_success else None


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {}


@dataclass(frozen=True)
class Model:
    """A classification that was trained before the faults, a request for it and its probability."""

    train_id: int
    body: dict[str, Any]
    direct_path: str
    direct_body: dict[str, Any]
    probability: float


class Load:
    """Threads that use a platform in different ways until `stop`; at the pace of 2, twice as often.

    `own_application` is the Serve application of the model that is asked for predictions.
    """

    def __init__(self, url: str, seed: int, pace: float = 1.0) -> None:
        self.ledger = Ledger()
        self._pace = pace
        self._url = url
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        with CHURN.open(newline="") as file:
            self._rows = list(csv.DictReader(file))
        self._dataset_id = self._dataset_to_score_id = 0
        self.own_application = ""
        self._model: Model | None = None
        self._forecast_body: dict[str, Any] | None = None

    def prepare(self) -> None:
        """Upload the data and train the models that the load uses; the platform has no faults yet."""
        user = self.new_user()
        uploaded = self._upload(user, self._rows[:_ROWS])
        assert uploaded is not None, self.ledger.violations
        self.wait_for(uploaded["job_id"])
        self._dataset_id = uploaded["dataset_id"]
        to_score = self._upload(user, self._rows[:_ROWS], "p")
        self.wait_for(to_score["job_id"])
        self._dataset_to_score_id = to_score["dataset_id"]
        trained = self._train(user, "chaos-model")
        assert trained is not None, self.ledger.violations
        self.wait_for(trained["job_id"])
        row = self._rows[0]
        features = {name: value for name, value in row.items() if name not in (TARGET, ID)}
        body = {
            "train_id": trained["id"],
            "preprocess_id": trained["preprocess_id"],
            "target": TARGET,
            "features": features,
        }
        probability = user.call("predict", "POST", "/api/v1/inference/", json=body)["probability"]
        path = "/models/default/chaos-model/predict"
        # It keeps a deployment of its own, also when newer predictors take the places of those that get one unasked.
        user.call("endpoint", "PUT", f"/api/v1/endpoints/{trained['id']}", json={"max_replicas": 1})
        self._wait_for_endpoint(user, trained["id"])
        caller = user.call("caller", "POST", "/api/v1/login/test-token")
        self.own_application = application_name(caller["tenant_id"], "chaos-model")
        self._model = Model(trained["id"], body, path, {"features": features}, probability)
        self._forecast_body = self._train_forecast(user)

    def start(self) -> None:
        """Start all threads."""
        activities: list[tuple[Callable[[User], object], float]] = [
            (self._predict, 0.1),
            (self._predict_directly, 0.1),
            (self._forecast, 0.5),
            (self._read, 0.2),
            (self._write, 0.2),
            (self._add_dataset, 6),
            (self._add_training, 15),
            (self._score, 10),
            (User.log_in, 2),
        ]
        for activity, pause_s in activities:
            thread = threading.Thread(target=self._repeat, args=(activity, pause_s), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop all threads."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * _TIMEOUT_S)

    def wait_for(self, job_id: str, timeout_s: float = 900.0) -> dict[str, Any]:
        """Return a job that has ended.

        Raises:
            AssertionError: it does not end in time.
        """
        user = self.new_user()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            job = user.call("job", "GET", f"/api/v1/jobs/{job_id}")
            if job is not None and job["state"] not in ("queued", "running"):
                return job
            time.sleep(0.2)
        raise AssertionError(f"job {job_id} does not end")

    def _wait_for_endpoint(self, user: User, train_id: int, timeout_s: float = 180.0) -> None:
        deadline = time.monotonic() + timeout_s
        while (user.call("endpoint", "GET", f"/api/v1/endpoints/{train_id}") or {}).get("state") != "running":
            assert time.monotonic() < deadline, "the model's own deployment does not start"
            time.sleep(0.5)

    def _repeat(self, activity: Callable[[User], object], pause_s: float) -> None:
        user = self.new_user()
        while not self._stopping.is_set():
            try:
                activity(user)
            except Exception as error:
                self.ledger.violate(f"{activity}: {error!r}")
            self._stopping.wait(pause_s / self._pace * self._random.uniform(0.5, 1.5))

    def probe_requests(self) -> dict[str, dict[str, Any]]:
        """Return a request of each kind that shows whether the platform serves, as arguments of `httpx.request`."""
        assert self._model is not None
        headers = {"Authorization": self.new_user().authorization}
        predict = {"method": "POST", "headers": headers}
        return {
            "health": {"method": "GET", "url": f"{self._url}/api/v1/utils/health-check/"},
            "predict": predict | {"url": f"{self._url}/api/v1/inference/", "json": self._model.body},
            "direct": predict | {"url": self._url + self._model.direct_path, "json": self._model.direct_body},
        }

    def new_user(self) -> User:
        """Return a user who is logged in; wait until the platform answers."""
        user = User(self._url, self.ledger)
        while not user.log_in():
            time.sleep(0.5)
        return user

    def _predict(self, user: User) -> None:
        assert self._model is not None
        self._check(user.call("predict", "POST", "/api/v1/inference/", json=self._model.body))

    def _predict_directly(self, user: User) -> None:
        assert self._model is not None
        self._check(user.call("direct", "POST", self._model.direct_path, json=self._model.direct_body))

    def _check(self, answer: Any) -> None:
        assert self._model is not None
        if answer is not None and answer["probability"] != self._model.probability:
            self.ledger.violate(f"another probability: {answer}")

    def _forecast(self, user: User) -> None:
        user.call("forecast", "POST", "/api/v1/inference/forecast", json=self._forecast_body)

    def _read(self, user: User) -> None:
        user.call("read", "GET", "/api/v1/dataset/list")

    def _write(self, user: User) -> None:
        body = {
            "template_name": f"template-{next(self._numbers)}",
            "template_schema": [{"column_name": "a", "data_type": "Integer"}],
        }
        answer = user.call("write", "POST", "/api/v1/template/", json=body)
        if answer is not None:
            self.ledger.templates.add(answer["id"])

    def _add_dataset(self, user: User) -> None:
        self._upload(user, self._random.sample(self._rows, 100))

    def _add_training(self, user: User) -> None:
        self._train(user, f"model-{next(self._numbers)}")

    def _score(self, user: User) -> None:
        assert self._model is not None
        body = {"train_id": self._model.train_id, "dataset_id": self._dataset_to_score_id}
        answer = user.call("batch", "POST", "/api/v1/inference/batch-prediction", json=body)
        if answer is not None:
            self.ledger.batches.add(answer["prediction_id"])
            self.ledger.jobs.add(answer["job_id"])

    def _upload(self, user: User, rows: list[dict[str, str]], usage: str = "t") -> Any:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        query = {"dataset_name": f"dataset-{next(self._numbers)}", "usage": usage}
        files = {"files": ("rows.csv", text.getvalue().encode())}
        answer = user.call("upload", "POST", "/api/v1/dataset/upload", params=query, files=files)
        if answer is not None:
            self.ledger.datasets.add(answer["dataset_id"])
            self.ledger.jobs.add(answer["job_id"])
        return answer

    def _train(self, user: User, name: str) -> Any:
        body = {
            "dataset_id": self._dataset_id,
            "predictor_name": name,
            "domain": "Churn",
            "problem_type": "Classification",
            "algorithm": "LightGBM",
            "columns": [
                {"column_name": ID, "attribute_name": "Id"},
                {"column_name": TARGET, "attribute_name": "Target"},
            ],
        }
        answer = user.call("train", "POST", "/api/v1/train/", json=body)
        if answer is not None:
            self.ledger.trainings.add(answer["id"])
            self.ledger.jobs.add(answer["job_id"])
        return answer

    def _train_forecast(self, user: User) -> dict[str, Any]:
        with DEPARTURES.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["origin"] == "EWR"]
        rows = [{name: row[name] for name in ("origin", "date", "departures")} for row in rows]
        uploaded = self._upload(user, rows)
        assert uploaded is not None, self.ledger.violations
        self.wait_for(uploaded["job_id"])
        body = {
            "dataset_id": uploaded["dataset_id"],
            "predictor_name": "chaos-forecast",
            "domain": "Air traffic",
            "problem_type": "Forecast",
            "algorithm": "AutoETS",
            "columns": [
                {"column_name": name, "attribute_name": role}
                for name, role in (("origin", "Id"), ("date", "Time"), ("departures", "Target"))
            ],
            "forecast": {"horizon": 7},
        }
        trained = user.call("train", "POST", "/api/v1/train/", json=body)
        assert trained is not None, self.ledger.violations
        self.ledger.trainings.add(trained["id"])
        job = self.wait_for(trained["job_id"])
        assert job["state"] == "succeeded", job
        request = {"train_id": trained["id"], "preprocess_id": trained["preprocess_id"], "steps": 7}
        return request | {"frequency": "Day", "unique_ids": "all"}
