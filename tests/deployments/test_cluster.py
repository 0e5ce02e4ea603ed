"""The main job on a real Ray cluster, and what happens when parts of it are killed."""

import csv
import io
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import pytest

from dataml.access.tokens import TokenKeys
from deployments.applications import application_name
from deployments.platform import private_folder
from deployments.preload import is_for_any_job
from deployments.processes import is_ray_core
from tests.client import PASSWORD
from tests.dataset.datasets import CHURN
from tests.deployments.cluster import Cluster, wait_until
from tests.inference.series import shop_rows
from tests.train.training import CHURN_COLUMNS, SMALL_COLUMNS, small_csv

pytestmark = pytest.mark.cluster
TOKENS = ("access_token", "refresh_token")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(home)
    cluster.start()
    yield cluster
    assert cluster.interrupt() == 0
    assert cluster.processes() == [], "Ctrl-C leaves no process behind"
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def dataset_id(cluster: Cluster) -> int:
    return cluster.upload("small", small_csv())


@pytest.fixture(scope="module")
def churn(cluster: Cluster) -> dict[str, Any]:
    return train_completed(cluster, "churn", cluster.upload("churn", CHURN.read_bytes()), columns=CHURN_COLUMNS)


@dataclass(frozen=True)
class Prediction:
    """An answer to a prediction by training or by name, and when it was sent and answered, by the monotonic clock."""

    is_by_id: bool
    sent_at: float
    answered_at: float
    status: int
    text: str


def request(name: str, dataset_id: int, **changes: Any) -> dict[str, Any]:
    usual = {"domain": "Tests", "problem_type": "Classification", "columns": SMALL_COLUMNS}
    return {"dataset_id": dataset_id, "predictor_name": name} | usual | changes


def login(cluster: Cluster, password: str, **request: Any) -> httpx.Response:
    form = {"username": "admin", "password": password}
    return cluster.http.post("/login/access-token", data=form, **request)


def train_completed(cluster: Cluster, name: str, dataset_id: int, **changes: Any) -> dict[str, Any]:
    answer = cluster.post("/train/", request(name, dataset_id, **changes))
    job = cluster.wait_for_job(answer["job_id"])
    assert job["state"] == "succeeded", job
    return cluster.training(answer["id"])


def start_long_training(cluster: Cluster, name: str) -> dict[str, Any]:
    """Start a training that takes minutes, and return it once its job runs."""
    if not any(row["dataset_name"] == "long" for row in cluster.get("/dataset/list", limit=1000)["data"]):
        cluster.upload("long", small_csv(60_000))
    dataset_id = next(d["id"] for d in cluster.get("/dataset/list", limit=1000)["data"] if d["dataset_name"] == "long")
    slow = {"algorithm": "LightGBM", "hyperparameters": {"learning_rate": 1e-4, "n_estimators": 10_000}}
    answer = cluster.post("/train/", request(name, dataset_id, **slow))
    wait_until(lambda: cluster.get(f"/jobs/{answer['job_id']}"), lambda job: job["phrase"].startswith("Fitting"))
    return answer


def predict(cluster: Cluster, row: dict[str, Any], features: dict[str, Any]) -> httpx.Response:
    return cluster.http.post(cluster.url + row["endpoint_url"], json={"features": features})


def first_row() -> dict[str, Any]:
    row = next(csv.DictReader(io.StringIO(CHURN.read_text())))
    return {name: value for name, value in row.items() if name not in ("customer_id", "churn")}


def test_the_churn_example(cluster: Cluster, churn: dict[str, Any]) -> None:
    summary = cluster.get("/train/model-summary", train_id=churn["id"])["model_summary"]
    assert summary["metrics"]["roc_auc"] >= 0.83

    body = {"train_id": churn["id"], "preprocess_id": churn["preprocess_id"], "target": "churn"}
    answer = cluster.post("/inference/", body | {"features": first_row()})
    content = "\n".join(line.rpartition(",")[0] for line in CHURN.read_text().splitlines()).encode()
    dataset_id = cluster.upload("churn-p", content, usage="p")
    started = cluster.post("/inference/batchPrediction", {"train_id": churn["id"], "dataset_id": dataset_id})
    assert cluster.wait_for_job(started["job_id"])["state"] == "succeeded"
    result = cluster.get("/inference/result", prediction_id=started["prediction_id"])
    scored = list(
        csv.DictReader(
            io.StringIO(cluster.http.get("/files/download/", params={"file_path": result["result_path"]}).text)
        )
    )
    assert len(scored) == 7043
    assert float(scored[0]["probability_true"]) == answer["probabilities"]["true"]

    job = cluster.post("/train/generate-feature-importance", train_id=churn["id"])["shap_job_id"]
    assert cluster.wait_for_job(job)["state"] == "succeeded"
    importance = cluster.get("/train/view-feature-importance", train_id=churn["id"])["feature_importance"]
    assert next(iter(importance)) == "contract"


def test_a_real_time_prediction_reaches_the_log(cluster: Cluster, churn: dict[str, Any]) -> None:
    made = predict(cluster, churn, first_row()).json()["prediction_id"]

    def logged() -> list[int]:
        return [row["prediction_id"] for row in cluster.get("/inference/predictions", train_id=churn["id"])["data"]]

    wait_until(logged, lambda ids: made in ids, timeout_s=10)


def test_an_ended_session_predicts_for_five_seconds_at_most(cluster: Cluster, churn: dict[str, Any]) -> None:
    """On the direct route, by its own deployment; every other call refuses it at once."""
    wait_until(lambda: cluster.training(churn["id"])["endpoint"], lambda endpoint: endpoint == "own")
    session = login(cluster, PASSWORD).json()
    header = {"Authorization": f"Bearer {session['access_token']}"}

    def predict() -> int:
        body = {"features": first_row()}
        return cluster.http.post(cluster.url + churn["endpoint_url"], json=body, headers=header).status_code

    assert predict() == 200
    cluster.post("/logout", {"refresh_token": session["refresh_token"]})
    ended = time.monotonic()
    assert cluster.http.get("/validate-token", headers=header).status_code == 401
    wait_until(predict, lambda status: status == 401, timeout_s=6)
    assert time.monotonic() - ended < 6


def test_no_secret_is_in_any_log(cluster: Cluster, churn: dict[str, Any]) -> None:
    """Sent right and wrong, in bodies, headers and queries, as the documentation has them."""
    session = login(cluster, PASSWORD).json()
    wrong, new = "wrong-secret-of-this-test", "new-secret-of-this-test"
    assert login(cluster, wrong).status_code == 401
    newer = cluster.post("/refresh", None, refresh_token=session["refresh_token"])
    query = {"user_name": "admin", "new_password": new, "current_password": wrong}
    assert cluster.http.post("/reset-password", params=query).status_code == 403
    key = cluster.post("/api-keys/", {"name": "this test"})["key"]
    for token in (key, newer["access_token"], f"{key}x"):
        header = {"Authorization": f"Bearer {token}"}
        answer = cluster.http.post(cluster.url + churn["endpoint_url"], json={"features": {}}, headers=header)
        assert answer.status_code in (401, 422)
        cluster.http.post("/inference/", content=b"{", headers=header)
    secrets = [PASSWORD, wrong, new, key, *(pair[name] for pair in (session, newer) for name in TOKENS)]
    secrets.append((cluster.home / "run" / "ray.token").read_text())
    found = {
        str(path): secret
        for folder in (private_folder(cluster.home), cluster.home / "logs")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".sock"
        for secret in secrets
        if secret.encode() in path.read_bytes()
    }
    assert found == {}


def test_the_audit_log_has_the_clients_real_address(cluster: Cluster) -> None:
    header = {"X-Forwarded-For": "203.0.113.7", "X-Request-ID": "forged-address"}
    assert login(cluster, PASSWORD, headers=header).status_code == 200
    event = cluster.get("/audit/list", action="session.open", limit=1)["data"][0]
    assert event["address"] == "127.0.0.1"


def test_a_rotated_key_needs_no_restart_and_ends_no_session(cluster: Cluster, churn: dict[str, Any]) -> None:
    before = login(cluster, PASSWORD).json()
    TokenKeys.rotate(cluster.home / "token.key")
    after = login(cluster, PASSWORD).json()
    heads = [jwt.get_unverified_header(pair["access_token"])["kid"] for pair in (before, after)]
    assert heads[0] != heads[1]
    for pair in (before, after):
        header = {"Authorization": f"Bearer {pair['access_token']}"}
        assert cluster.http.get("/validate-token", headers=header).status_code == 200
        body = {"features": first_row()}
        assert cluster.http.post(cluster.url + churn["endpoint_url"], json=body, headers=header).status_code == 200


def test_ray_requires_its_token(cluster: Cluster) -> None:
    core = [psutil.Process(pid) for pid in cluster.processes() if is_ray_core(psutil.Process(pid))]
    (raylet,) = [process.pid for process in core if "raylet" in process.exe()]
    environment = Path(f"/proc/{raylet}/environ").read_bytes().decode().split("\0")
    assert "RAY_AUTH_MODE=token" in environment
    token = cluster.home / "run" / "ray.token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) >= 32


def test_the_direct_route_serves_while_its_own_deployment_starts_and_is_replaced(
    cluster: Cluster, dataset_id: int
) -> None:
    """The pool, then the own deployment, then a new version of it: not one request fails on the way."""
    row = train_completed(cluster, "direct", dataset_id)
    features = {"age": 64, "colour": "red", "price": 12.5}
    answers: list[int] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(predict(cluster, row, features).status_code)
            time.sleep(0.02)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        wait_until(lambda: cluster.training(row["id"])["endpoint"], lambda endpoint: endpoint == "own")
        newer = train_completed(cluster, "direct", dataset_id, new_version=True, seed=1)
        wait_until(lambda: cluster.training(newer["id"])["endpoint"], lambda endpoint: endpoint == "own")
        assert cluster.training(row["id"])["endpoint"] == "pool"
    finally:
        stop.set()
        asking.join()
    assert set(answers) == {200}
    by_handle = {"train_id": newer["id"], "preprocess_id": newer["preprocess_id"], "target": "bought"}
    assert cluster.post("/inference/", by_handle | {"features": features})["prediction"] is True
    older = {"train_id": row["id"], "preprocess_id": row["preprocess_id"], "target": "bought"}
    assert cluster.post("/inference/", older | {"features": features})["prediction"] is True


@contextmanager
def predicting(cluster: Cluster, row: dict[str, Any], features: dict[str, Any]) -> Iterator[list[Prediction]]:
    """Predict again and again, by training and by name, several at a time; yield what was answered so far."""
    by_id = {"train_id": row["id"], "preprocess_id": row["preprocess_id"], "target": "bought", "features": features}
    calls = {"/inference/": by_id, cluster.url + row["endpoint_url"]: {"features": features}}
    predictions: list[Prediction] = []
    stop = threading.Event()

    def keep_predicting(path: str, body: dict[str, Any]) -> None:
        with httpx.Client(base_url=cluster.http.base_url, headers=cluster.http.headers, timeout=60) as http:
            while not stop.is_set():
                sent_at = time.monotonic()
                answer = http.post(path, json=body)
                is_by_id = path == "/inference/"
                predictions.append(Prediction(is_by_id, sent_at, time.monotonic(), answer.status_code, answer.text))
                time.sleep(0.02)

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(keep_predicting, *call) for call in calls.items() for _ in range(2)]
        try:
            yield predictions
        finally:
            stop.set()
    for each in running:
        each.result()


def test_a_killed_own_deployment_fails_no_prediction(cluster: Cluster, dataset_id: int) -> None:
    """The pool answers until the deployment has a replica again, which then answers."""
    row = train_completed(cluster, "own-killed", dataset_id)
    features = {"age": 64, "colour": "red", "price": 12.5}
    wait_until(lambda: cluster.training(row["id"])["endpoint"], lambda endpoint: endpoint == "own")
    tenant_id = cluster.post("/login/test-token")["tenant_id"]
    replica_name = f"ray::ServeReplica:{application_name(tenant_id, 'own-killed')}:"
    (replica,) = cluster.processes(replica_name)
    with predicting(cluster, row, features) as predictions:
        wait_until(lambda: len(predictions), lambda count: count >= 40)
        killed_at = time.monotonic()
        os.kill(replica, signal.SIGKILL)
        (successor,) = wait_until(
            lambda: cluster.processes(replica_name), lambda alive: len(alive) == 1 and alive != [replica]
        )
        replaced_at = time.monotonic()
        wait_until(lambda: cluster.get(f"/endpoints/{row['id']}")["state"], lambda state: state == "running")
        time.sleep(3)  # The API asks the deployment again.
    assert {prediction.status for prediction in predictions} == {200}, predictions
    assert len({json.loads(prediction.text)["probability"] for prediction in predictions}) == 1
    meanwhile = [p for p in predictions if p.sent_at > killed_at and p.answered_at < replaced_at]
    assert {prediction.is_by_id for prediction in meanwhile} == {True, False}

    (pool,) = cluster.processes("ray::ServeReplica:dataml:PredictorPool")
    os.kill(pool, signal.SIGSTOP)
    try:
        with predicting(cluster, row, features) as predictions:
            wait_until(lambda: len(predictions), lambda count: count >= 40, timeout_s=30)
    finally:
        os.kill(pool, signal.SIGCONT)
    assert {prediction.status for prediction in predictions} == {200}, predictions
    assert cluster.processes(replica_name) == [successor]


def test_a_forecast_has_a_deployment_of_its_own_on_request(cluster: Cluster) -> None:
    """It answers by name and by training, with the datasets of a request, while the pool cannot answer."""
    dataset_id = cluster.upload("series", shop_rows(range(60)))
    roles = {"shop": "Id", "day": "Time", "sold": "Target", "rain": "Ignore"}
    columns = [{"column_name": name, "attribute_name": role} for name, role in roles.items()]
    wanted = {"problem_type": "Forecast", "columns": columns, "algorithm": "SeasonalNaive", "forecast": {"horizon": 7}}
    row = train_completed(cluster, "shops", dataset_id, **wanted)
    observed = cluster.upload("observed", shop_rows(range(60, 65)))
    question = {"steps": 3, "unique_ids": "all", "dataset_id": observed}
    by_id = question | {"train_id": row["id"], "preprocess_id": row["preprocess_id"]}
    by_pool = cluster.post("/inference/forecast", by_id)["forecast"]

    answer = cluster.http.put(f"/endpoints/{row['id']}", json={"max_replicas": 1})
    assert answer.json()["wanted"] == "requested", answer.text
    wait_until(lambda: cluster.get(f"/endpoints/{row['id']}"), lambda endpoint: endpoint["state"] == "running")
    time.sleep(1)  # The API remembers for as long which deployment answers for a model.
    (pool,) = cluster.processes("ray::ServeReplica:dataml:PredictorPool")
    os.kill(pool, signal.SIGSTOP)
    try:
        assert cluster.post("/inference/forecast", by_id)["forecast"] == by_pool
        direct = cluster.http.post(cluster.url + row["endpoint_url"], json=question)
        assert direct.json()["forecast"] == by_pool
    finally:
        os.kill(pool, signal.SIGCONT)
    refused = cluster.http.post(f"{cluster.url}/models/default/shops/predict", json={"features": {}})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_problem_type")

    assert cluster.http.delete(f"/endpoints/{row['id']}").json()["wanted"] is None
    wait_until(lambda: cluster.get(f"/endpoints/{row['id']}"), lambda endpoint: endpoint["state"] == "pool")
    assert cluster.http.post(cluster.url + row["endpoint_url"], json=question).json()["forecast"] == by_pool


def test_a_terminated_training_leaves_no_process(cluster: Cluster) -> None:
    training = start_long_training(cluster, "terminated")
    workers = set(cluster.processes("ray::Worker"))
    started = time.monotonic()
    cluster.post("/ray/terminate_ray_job", ray_job_id=training["job_id"], usage="training")
    assert cluster.get(f"/jobs/{training['job_id']}")["state"] == "cancelled"
    wait_until(lambda: cluster.processes("ray::Worker"), lambda alive: not workers <= set(alive), timeout_s=5)
    assert time.monotonic() - started < 5
    job_number = training["job_id"].rpartition("-")[2]
    folders = cluster.home / "storage" / "jobs"
    wait_until(lambda: list(folders.glob(f"{job_number}.*")), lambda left: not left, timeout_s=5)
    assert cluster.training(training["id"])["training_status"] == "Cancelled"


def spare_processes(cluster: Cluster) -> list[int]:
    idle = [psutil.Process(pid) for pid in cluster.processes("ray::IDLE")]
    return [process.pid for process in idle if is_for_any_job(process.environ())]


def test_a_killed_replica_of_the_api_starts_in_the_spare_process(cluster: Cluster) -> None:
    (spare,) = wait_until(lambda: spare_processes(cluster), lambda found: found)
    (api,) = cluster.processes("ray::ServeReplica:dataml:Api")
    os.kill(api, signal.SIGKILL)
    replicas = wait_until(
        lambda: cluster.processes("ray::ServeReplica:dataml:Api"), lambda alive: alive and alive != [api]
    )
    assert replicas == [spare]
    health_check = "/utils/health-check/"
    wait_until(lambda: cluster.http.get(health_check).status_code, lambda status: status == 200)
    # Another one takes its place.
    wait_until(lambda: spare_processes(cluster), lambda found: found and found != [spare])


def test_a_killed_worker_costs_one_attempt(cluster: Cluster) -> None:
    training = start_long_training(cluster, "killed")
    wait_until(lambda: len(cluster.processes("ray::Worker")), lambda count: count == 2)
    for pid in cluster.processes("ray::Worker"):
        os.kill(pid, signal.SIGKILL)
    job_id = training["job_id"]
    wait_until(lambda: cluster.get(f"/jobs/{job_id}"), lambda job: job["attempts"] == 2 and job["state"] == "running")
    cluster.post("/ray/terminate_ray_job", ray_job_id=job_id, usage="training")
    assert cluster.wait_for_job(job_id)["state"] == "cancelled"


def test_a_killed_supervisor_restarts_and_finds_its_jobs(cluster: Cluster, dataset_id: int) -> None:
    training = start_long_training(cluster, "orphaned")
    (supervisor,) = cluster.processes("ray::SupervisorActor")
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: cluster.processes("ray::SupervisorActor"), lambda alive: alive and alive != [supervisor])
    job = cluster.get(f"/jobs/{training['job_id']}")
    assert (job["state"], job["attempts"]) == ("running", 1)
    assert train_completed(cluster, "afterwards", dataset_id)["training_status"] == "Completed"
    cluster.post("/ray/terminate_ray_job", ray_job_id=training["job_id"], usage="training")
    assert cluster.wait_for_job(training["job_id"])["state"] == "cancelled"


def test_a_killed_platform_recovers_its_models_and_jobs(cluster: Cluster, churn: dict[str, Any]) -> None:
    before = predict(cluster, churn, first_row()).json()["probabilities"]
    training = start_long_training(cluster, "interrupted")
    cluster.kill()
    cluster.start()
    assert predict(cluster, churn, first_row()).json()["probabilities"] == before
    job_id = training["job_id"]
    wait_until(lambda: cluster.get(f"/jobs/{job_id}"), lambda job: job["attempts"] == 2 and job["state"] == "running")
    cluster.post("/ray/terminate_ray_job", ray_job_id=job_id, usage="training")
    assert cluster.wait_for_job(job_id)["state"] == "cancelled"
