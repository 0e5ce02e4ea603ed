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
from typing import Any, Final, Unpack

import httpx

import dataml
from dataml.client.multipart import FilePart
from dataml.client.training_requests import TrainOptions, train_request
from dataml.client.upload_options import UploadOptions
from deployments.applications import application_name
from tests.chaos.running_platform import HEALTH_CHECK, PASSWORD, TIMEOUT_S, connect, send

CHURN: Final = Path(__file__).parents[2] / "examples" / "data" / "telecom_churn.csv"
DEPARTURES: Final = Path(__file__).parents[2] / "examples" / "data" / "airport_departures.csv"
TARGET, ID = "churn", "customer_id"
DOCUMENTED: Final = frozenset({200, 201, 202, 204, 429, 502, 503, 504, 507})
"""Statuses of correct requests, whatever happens to the platform."""
_ROWS = 400
_TRAINING: Final[TrainOptions] = {"problem_type": "Classification", "algorithm": "LightGBM", "id": ID}


@dataclass
class Ledger:
    """What the platform has acknowledged, and every answer that it must not give."""

    templates: set[int] = field(default_factory=set)
    datasets: set[int] = field(default_factory=set)
    trainings: set[int] = field(default_factory=set)
    batches: set[int] = field(default_factory=set)
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
    """An administrator whose requests are each sent once, and who records every answer."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self._transport = connect(url).transport
        self._ledger = ledger

    def log_in(self) -> bool:
        """Log in, and return whether the platform has answered."""
        form = {"username": "admin", "password": PASSWORD}
        path = "/api/v1/login/access-token"
        return self.call("login", "POST", path, form=form, signed=False) is not None

    def call(self, what: str, method: str, path: str, **request: Any) -> Any:
        """Return the JSON of a successful answer; None when there is none. `request` is as of `Transport.send`."""
        try:
            answer = send(self._transport, method, path, **request)
        except dataml.ClientError as error:
            # An answer with a status is to the login before the request.
            self._ledger.note(what if error.status is None else "login", error_of(error))
            if error.status is not None and error.status not in DOCUMENTED:
                self._ledger.violate(f"login: {error}")
            return None
        self._ledger.note(what, answer.status_code)
        if answer.status_code not in DOCUMENTED:
            self._ledger.violate(f"{what}: {answer.status_code} {answer.text[:300]}")
        elif answer.status_code in (502, 503, 504, 507) and "code" not in _json(answer):
            self._ledger.violate(f"{what}: {answer.status_code} without a code: {answer.text[:300]}")
        return answer.json() if answer.is_success else None


def _to_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def error_of(error: dataml.ClientError) -> str:
    """Return the status of an answer, or the name of the error of a connection without one."""
    return type(error.__cause__ or error).__name__ if error.status is None else str(error.status)


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
        # For what is sent while there are no faults.
        self.client = connect(url)
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
        rows = self._rows[:_ROWS]
        self._dataset_id = self._prepare_dataset(rows)
        self._dataset_to_score_id = self._prepare_dataset(rows, usage="prediction")
        model = self._prepare_model(self._dataset_id, TARGET, {"name": "chaos-model", **_TRAINING})
        features = {name: value for name, value in self._rows[0].items() if name not in (TARGET, ID)}
        body: Any = {
            "train_id": model.id,
            "preprocess_id": model.info["preprocess_id"],
            "target": TARGET,
            "features": features,
        }
        probability = self.client.api.predict(body)["probability"]
        assert probability is not None
        path = "/models/default/chaos-model/predict"
        # It keeps a deployment of its own, also when newer predictors take the places of those that get one unasked.
        self.client.api.request_endpoint(model.id, {"max_replicas": 1})
        self._wait_for_endpoint(model.id)
        self.own_application = application_name(self.client.whoami()["tenant_id"], "chaos-model")
        self._model = Model(model.id, body, path, {"features": features}, probability)
        self._forecast_body = self._prepare_forecast()

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
            thread.join(2 * TIMEOUT_S)

    def _wait_for_endpoint(self, train_id: int, timeout_s: float = 180.0) -> None:
        deadline = time.monotonic() + timeout_s
        while self.client.api.get_endpoint(train_id)["state"] != "running":
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
        """Return a request of each kind that shows whether the platform serves, as arguments of `Transport.send`."""
        assert self._model is not None
        return {
            "health": {"method": "GET", "path": HEALTH_CHECK, "signed": False},
            "predict": {"method": "POST", "path": "/api/v1/inference/", "body": self._model.body},
            "direct": {"method": "POST", "path": self._model.direct_path, "body": self._model.direct_body},
        }

    def new_user(self) -> User:
        """Return a user who is logged in; wait until the platform answers."""
        user = User(self._url, self.ledger)
        while user.call("session", "GET", "/api/v1/validate-token") is None:
            time.sleep(0.5)
        return user

    def _predict(self, user: User) -> None:
        assert self._model is not None
        self._check(user.call("predict", "POST", "/api/v1/inference/", body=self._model.body))

    def _predict_directly(self, user: User) -> None:
        assert self._model is not None
        self._check(user.call("direct", "POST", self._model.direct_path, body=self._model.direct_body))

    def _check(self, answer: Any) -> None:
        assert self._model is not None
        if answer is not None and answer["probability"] != self._model.probability:
            self.ledger.violate(f"another probability: {answer}")

    def _forecast(self, user: User) -> None:
        user.call("forecast", "POST", "/api/v1/inference/forecast", body=self._forecast_body)

    def _read(self, user: User) -> None:
        user.call("read", "GET", "/api/v1/dataset/list")

    def _write(self, user: User) -> None:
        body = {
            "template_name": f"template-{next(self._numbers)}",
            "template_schema": [{"column_name": "a", "data_type": "Integer"}],
        }
        answer = user.call("write", "POST", "/api/v1/template/", body=body)
        if answer is not None:
            self.ledger.templates.add(answer["id"])

    def _add_dataset(self, user: User) -> None:
        self._upload(user, self._random.sample(self._rows, 100))

    def _add_training(self, user: User) -> None:
        self._train(user, f"model-{next(self._numbers)}")

    def _score(self, user: User) -> None:
        assert self._model is not None
        body = {"train_id": self._model.train_id, "dataset_id": self._dataset_to_score_id}
        answer = user.call("batch", "POST", "/api/v1/inference/batch-prediction", body=body)
        if answer is not None:
            self.ledger.batches.add(answer["prediction_id"])
            self.ledger.jobs.add(answer["job_id"])

    def _upload(self, user: User, rows: list[dict[str, str]]) -> None:
        query = {"dataset_name": f"dataset-{next(self._numbers)}", "usage": "training"}
        files = [FilePart.open(_to_csv(rows), "rows.csv")]
        answer = user.call("upload", "POST", "/api/v1/dataset/upload", query=query, files=files)
        if answer is not None:
            self.ledger.datasets.add(answer["dataset_id"])
            self.ledger.jobs.add(answer["job_id"])

    def _train(self, user: User, name: str) -> None:
        body = train_request(self._dataset_id, "", TARGET, "Classification", {"name": name, **_TRAINING})
        answer = user.call("train", "POST", "/api/v1/train/", body=body)
        if answer is not None:
            self.ledger.trainings.add(answer["id"])
            self.ledger.jobs.add(answer["job_id"])

    def _prepare_dataset(self, rows: list[dict[str, str]], **options: Unpack[UploadOptions]) -> int:
        job = self.client.datasets.upload(_to_csv(rows), f"dataset-{next(self._numbers)}", wait=False, **options)
        self.ledger.jobs.add(job.id)
        self.ledger.datasets.add(job.wait().id)
        return job.info["subject_id"]

    def _prepare_model(self, dataset_id: int, target: str, options: TrainOptions) -> dataml.Model:
        job = self.client.train(dataset_id, target, wait=False, **options)
        self.ledger.jobs.add(job.id)
        model = job.wait()
        self.ledger.trainings.add(model.id)
        return model

    def _prepare_forecast(self) -> dict[str, Any]:
        with DEPARTURES.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["origin"] == "EWR"]
        rows = [{name: row[name] for name in ("origin", "date", "departures")} for row in rows]
        model = self._prepare_model(
            self._prepare_dataset(rows),
            "departures",
            {"name": "chaos-forecast", "id": "origin", "time": "date", "algorithm": "AutoETS", "horizon": 7},
        )
        request = {"train_id": model.id, "preprocess_id": model.info["preprocess_id"], "steps": 7}
        return request | {"frequency": "Day", "unique_ids": "all"}
