"""The main job on a real Ray cluster, and what happens when parts of it are killed."""

import csv
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pandas as pd
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

import dataml
from dataml.access.tokens import TokenKeys
from dataml.inference.open_inference import open_inference_pb2 as pb
from deployments.applications import application_name
from deployments.platform import private_folder
from deployments.preload import is_for_any_job
from deployments.processes import is_ray_core
from tests.client import PASSWORD
from tests.dataset.datasets import CHURN
from tests.deployments.cluster import HEALTH_CHECK, Cluster, wait_until
from tests.inference.series import shop_rows
from tests.train.training import small_csv

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
def client(cluster: Cluster) -> dataml.Client:
    return cluster.client


@pytest.fixture(scope="module")
def small(client: dataml.Client) -> dataml.Dataset:
    return client.datasets.upload(small_csv(), "small")


@pytest.fixture(scope="module")
def churn(client: dataml.Client) -> dataml.Model:
    data = client.datasets.upload(CHURN, "churn")
    return client.train(data, "churn", id="customer_id", problem_type="Classification")


@dataclass(frozen=True)
class Prediction:
    """An answer to a prediction by training or by name, and when it was sent and answered, by the monotonic clock."""

    is_by_id: bool
    sent_at: float
    answered_at: float
    status: int
    text: str


def login(client: dataml.Client, password: str, **request: Any) -> httpx.Response:
    form = {"username": "admin", "password": password}
    return client.transport.send("POST", "/api/v1/login/access-token", form=form, signed=False, **request)


def train_small(client: dataml.Client, name: str, dataset: dataml.Dataset, **options: Any) -> dataml.Model:
    return client.train(dataset, "bought", name=name, id="id", problem_type="Classification", **options)


def start_long_training(client: dataml.Client, name: str) -> dataml.Job[dataml.Model]:
    """Start a training that takes minutes, and return its job once it runs."""
    try:
        dataset = client.datasets.get("long")
    except dataml.NotFound:
        dataset = client.datasets.upload(small_csv(60_000), "long")
    slow = {"learning_rate": 1e-4, "n_estimators": 10_000}
    job = client.train(
        dataset,
        "bought",
        name=name,
        id="id",
        problem_type="Classification",
        algorithm="LightGBM",
        hyperparameters=slow,
        wait=False,
    )
    wait_until(lambda: job.refresh().info, lambda info: info["phrase"].startswith("Fitting"))
    return job


def cancel(job: dataml.Job[dataml.Model]) -> None:
    job.cancel()
    with pytest.raises(dataml.JobCancelled):
        job.wait(timeout_s=120)


def await_own_deployment(model: dataml.Model) -> None:
    wait_until(lambda: model.refresh().info["endpoint"], lambda endpoint: endpoint == "own")


def predict(client: dataml.Client, model: dataml.Model, features: dict[str, Any], **request: Any) -> httpx.Response:
    """Return the answer of the direct route."""
    return client.transport.send("POST", str(model.info["endpoint_url"]), body={"features": features}, **request)


def first_row() -> dict[str, Any]:
    with CHURN.open(newline="") as file:
        row = next(csv.DictReader(file))
    return {name: value for name, value in row.items() if name not in ("customer_id", "churn")}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_churn_example(client: dataml.Client, churn: dataml.Model) -> None:
    assert churn.metrics["roc_auc"] >= 0.83
    answer = churn.predict(first_row())
    scored = churn.predict(pd.read_csv(CHURN).drop(columns="churn"), how="batch")
    assert len(scored) == 7043
    assert scored["probability_true"].iloc[0] == answer["probability_true"]
    assert next(iter(churn.importance())) in ("contract", "tenure")


def test_a_real_time_prediction_reaches_the_log(client: dataml.Client, churn: dataml.Model) -> None:
    made = predict(client, churn, first_row()).json()["prediction_id"]

    def logged() -> list[int]:
        return [row["prediction_id"] for row in client.api.list_predictions(train_id=churn.id)["data"]]

    wait_until(logged, lambda ids: made in ids, timeout_s=10)


def test_one_scrape_has_the_totals_of_all_processes(
    cluster: Cluster, client: dataml.Client, churn: dataml.Model
) -> None:
    """Also after the supervisor has died, which adds up: nothing is counted twice."""
    await_own_deployment(churn)
    wait_until(lambda: scrape(client).get(("dataml_processes", "worker")), lambda count: count == 2)
    logged = logged_rows(client, churn)
    for _ in range(10):
        assert predict(client, churn, first_row()).status_code == 200
    wait_until(lambda: logged_rows(client, churn), lambda rows: rows >= logged + 10)
    # Both are some moments behind.
    wait_until(lambda: rows_of(client, churn) - logged_rows(client, churn), lambda more: more == 0)
    assert {name for metric, name in scrape(client) if metric == "dataml_processes"} >= {
        "api",
        "predictor",
        "supervisor",
        "worker",
    }
    (supervisor,) = cluster.processes("ray::SupervisorActor")
    os.kill(supervisor, signal.SIGKILL)
    assert predict(client, churn, first_row()).status_code == 200
    wait_until(lambda: scrape(client).get(("dataml_processes", "predictor")), lambda count: count == 1)
    wait_until(lambda: rows_of(client, churn), lambda rows: rows == 1)


def scrape(client: dataml.Client) -> dict[tuple[str, str], float]:
    """Return the samples of metrics that have one label or none, by name and label."""
    families = text_string_to_metric_families(client.api.get_metrics())
    samples = [sample for family in families for sample in family.samples if len(sample.labels) <= 1]
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for sample in samples}


def logged_rows(client: dataml.Client, model: dataml.Model) -> int:
    """Return the rows that a model has predicted in real time, by the prediction log."""
    return client.api.list_predictions(train_id=model.id, prediction_type="realtime", limit=1)["total"]


def rows_of(client: dataml.Client, model: dataml.Model) -> float:
    """Return the rows that a predictor has predicted in real time."""
    families = text_string_to_metric_families(client.api.get_metrics())
    samples = [
        sample for family in families for sample in family.samples if sample.name == "dataml_predicted_rows_total"
    ]
    return sum(sample.value for sample in samples if sample.labels["predictor"] == model.name)


def test_an_ended_session_predicts_for_five_seconds_at_most(
    cluster: Cluster, client: dataml.Client, churn: dataml.Model
) -> None:
    """On the direct route, by its own deployment; every other call refuses it at once."""
    await_own_deployment(churn)
    session = login(client, PASSWORD).json()
    header = bearer(session["access_token"])

    def status_of_prediction() -> int:
        return predict(client, churn, first_row(), headers=header).status_code

    assert status_of_prediction() == 200
    client.api.log_out({"refresh_token": session["refresh_token"]})
    ended = time.monotonic()
    assert client.transport.send("GET", "/api/v1/validate-token", headers=header).status_code == 401
    wait_until(status_of_prediction, lambda status: status == 401, timeout_s=6)
    assert time.monotonic() - ended < 6


def test_no_secret_is_in_any_log(cluster: Cluster, client: dataml.Client, churn: dataml.Model) -> None:
    """Sent right and wrong, in bodies, headers and queries, as the documentation has them."""
    session = login(client, PASSWORD).json()
    wrong, new = "wrong-secret-of-this-test", "new-secret-of-this-test"
    assert login(client, wrong).status_code == 401
    newer = client.api.refresh_token(refresh_token=session["refresh_token"])
    query = {"user_name": "admin", "new_password": new, "current_password": wrong}
    assert client.transport.send("POST", "/api/v1/reset-password", query=query).status_code == 403
    key = client.api.create_api_key({"name": "this test"})["key"]
    for token in (key, newer["access_token"], f"{key}x"):
        assert predict(client, churn, {}, headers=bearer(token)).status_code in (401, 422)
        client.transport.send("POST", "/api/v1/inference/", content=b"{", headers=bearer(token))
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


def test_the_audit_log_has_the_clients_real_address(client: dataml.Client) -> None:
    header = {"X-Forwarded-For": "203.0.113.7", "X-Request-ID": "forged-address"}
    assert login(client, PASSWORD, headers=header).status_code == 200
    event = client.api.list_audit_events(action="session.open", limit=1)["data"][0]
    assert event["address"] == "127.0.0.1"


def test_a_rotated_key_needs_no_restart_and_ends_no_session(
    cluster: Cluster, client: dataml.Client, churn: dataml.Model
) -> None:
    before = login(client, PASSWORD).json()
    TokenKeys.rotate(cluster.home / "token.key")
    after = login(client, PASSWORD).json()
    heads = [jwt.get_unverified_header(pair["access_token"])["kid"] for pair in (before, after)]
    assert heads[0] != heads[1]
    for pair in (before, after):
        header = bearer(pair["access_token"])
        assert client.transport.send("GET", "/api/v1/validate-token", headers=header).status_code == 200
        assert predict(client, churn, first_row(), headers=header).status_code == 200


def test_ray_requires_its_token(cluster: Cluster) -> None:
    core = [psutil.Process(pid) for pid in cluster.processes() if is_ray_core(psutil.Process(pid))]
    (raylet,) = [process.pid for process in core if "raylet" in process.exe()]
    environment = Path(f"/proc/{raylet}/environ").read_bytes().decode().split("\0")
    assert "RAY_AUTH_MODE=token" in environment
    token = cluster.home / "run" / "ray.token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) >= 32


def test_no_other_port_answers_metrics(cluster: Cluster) -> None:
    """Ray's own are for everybody who reaches them; the platform's need a token."""
    processes = [psutil.Process(pid) for pid in cluster.processes()]
    listening = {
        connection.laddr.port: connection.laddr.ip
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert cluster.port in listening
    answered = {}
    for port, address in listening.items():
        if address.startswith("127."):
            continue
        with suppress(httpx.HTTPError):
            answered[port] = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2).status_code
    assert [port for port, status in answered.items() if status == 200] == []
    assert httpx.get(f"{cluster.url}/metrics").status_code == 401


def test_a_simple_prediction_is_no_call_of_serve(client: dataml.Client, churn: dataml.Model) -> None:
    """Serve adds its own id of the request to the answers of the applications."""
    await_own_deployment(churn)
    rows = [predict(client, churn, first_row()) for _ in range(10)]
    (url,) = client.api.get_endpoint(churn.id)["replica_urls"]
    body, headers = {"features": first_row()}, bearer(client.transport.session.token())
    rows += [httpx.post(url, json=body, headers=headers) for _ in range(2)]
    assert {answer.status_code for answer in rows} == {200}
    assert min(len(answer.headers.get_list("x-request-id")) for answer in rows) == 1
    assert httpx.post(url, json=body).status_code == 401


def test_the_direct_route_serves_while_its_own_deployment_starts_and_is_replaced(
    client: dataml.Client, small: dataml.Dataset
) -> None:
    """The pool, then the own deployment, then a new version of it: not one request fails on the way."""
    older = train_small(client, "direct", small)
    features = {"age": 64, "colour": "red", "price": 12.5}
    answers: list[int] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answers.append(predict(client, older, features).status_code)
            time.sleep(0.02)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        await_own_deployment(older)
        newer = train_small(client, "direct", small, new_version=True, seed=1)
        await_own_deployment(newer)
        assert older.refresh().info["endpoint"] == "pool"
    finally:
        stop.set()
        asking.join()
    assert set(answers) == {200}
    assert newer.predict(features)["prediction"] is True
    assert older.predict(features)["prediction"] is True


@contextmanager
def predicting(
    client: dataml.Client, model: dataml.Model, features: dict[str, Any], pause_s: float = 0.02
) -> Iterator[list[Prediction]]:
    """Predict again and again, by training and by name, several at a time; yield what was answered so far."""
    by_id = {"train_id": model.id, "preprocess_id": model.info["preprocess_id"], "target": "bought"}
    calls = {True: ("/api/v1/inference/", by_id), False: (str(model.info["endpoint_url"]), {})}
    predictions: list[Prediction] = []
    stop = threading.Event()

    def keep_predicting(is_by_id: bool, path: str, body: dict[str, Any]) -> None:
        while not stop.is_set():
            sent_at = time.monotonic()
            answer = client.transport.send("POST", path, body=body | {"features": features})
            predictions.append(Prediction(is_by_id, sent_at, time.monotonic(), answer.status_code, answer.text))
            time.sleep(pause_s)

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(keep_predicting, by, *call) for by, call in calls.items() for _ in range(2)]
        try:
            yield predictions
        finally:
            stop.set()
    for each in running:
        each.result()


def test_a_killed_own_deployment_fails_no_prediction(
    cluster: Cluster, client: dataml.Client, small: dataml.Dataset
) -> None:
    """The pool answers until the deployment has a replica again, which then answers."""
    model = train_small(client, "own-killed", small)
    features = {"age": 64, "colour": "red", "price": 12.5}
    await_own_deployment(model)
    replica_name = f"ray::ServeReplica:{application_name(client.whoami()['tenant_id'], 'own-killed')}:"
    (replica,) = cluster.processes(replica_name)
    with predicting(client, model, features) as predictions:
        wait_until(lambda: len(predictions), lambda count: count >= 40)
        killed_at = time.monotonic()
        os.kill(replica, signal.SIGKILL)
        (successor,) = wait_until(
            lambda: cluster.processes(replica_name), lambda alive: len(alive) == 1 and alive != [replica]
        )
        replaced_at = time.monotonic()
        wait_until(lambda: client.api.get_endpoint(model.id)["state"], lambda state: state == "running")
        time.sleep(3)  # The API asks the deployment again.
    assert {prediction.status for prediction in predictions} == {200}, predictions
    assert len({json.loads(prediction.text)["probability"] for prediction in predictions}) == 1
    meanwhile = [p for p in predictions if p.sent_at > killed_at and p.answered_at < replaced_at]
    assert {prediction.is_by_id for prediction in meanwhile} == {True, False}

    (pool,) = cluster.processes("ray::ServeReplica:dataml:PredictorPool")
    os.kill(pool, signal.SIGSTOP)
    try:
        with predicting(client, model, features) as predictions:
            wait_until(lambda: len(predictions), lambda count: count >= 40, timeout_s=30)
    finally:
        os.kill(pool, signal.SIGCONT)
    assert {prediction.status for prediction in predictions} == {200}, predictions
    assert cluster.processes(replica_name) == [successor]


def test_load_scales_a_deployment_up_and_its_end_scales_it_down(
    cluster: Cluster, client: dataml.Client, small: dataml.Dataset, record_property: Callable[[str, object], None]
) -> None:
    """Serve's autoscaler takes it from the smallest to the largest number of replicas and back; no request fails."""
    model = train_small(client, "scaled", small)
    scaling: Any = {"max_replicas": 3, "target_ongoing_requests": 0.1, "upscale_delay_s": 1, "downscale_delay_s": 2}
    assert client.api.request_endpoint(model.id, scaling).items() >= scaling.items()
    wait_until(lambda: client.api.get_endpoint(model.id), lambda endpoint: endpoint["state"] == "running")
    replica_name = f"ray::ServeReplica:{application_name(client.whoami()['tenant_id'], 'scaled')}:"
    replicas: list[tuple[float, int]] = []

    def count_replicas() -> int:
        count = client.api.get_endpoint(model.id)["replicas"]
        if not replicas or count != replicas[-1][1]:
            replicas.append((round(time.monotonic() - started_at, 1), count))
        return count

    started_at = time.monotonic()
    assert count_replicas() == 1
    with predicting(client, model, {"age": 64, "colour": "red", "price": 12.5}, pause_s=0) as predictions:
        wait_until(count_replicas, lambda count: count == 3)
        processes = [psutil.Process(pid) for pid in cluster.processes(replica_name)]
        assert len(processes) == 3
        before = {process.pid: process.cpu_times().user for process in processes}
        # All of them answer: each computes. An idle replica takes a hundredth of a core.
        wait_until(
            lambda: [process.cpu_times().user - before[process.pid] for process in processes],
            lambda seconds: min(seconds) > 0.5,
        )
    wait_until(count_replicas, lambda count: count == 1)
    assert {prediction.status for prediction in predictions} == {200}, predictions
    counts = [count for _, count in replicas]
    largest = counts.index(3)
    assert (counts[0], max(counts), counts[-1]) == (1, 3, 1)
    assert counts[: largest + 1] == sorted(counts[: largest + 1]), replicas
    assert counts[largest:] == sorted(counts[largest:], reverse=True), replicas
    record_property("replicas by seconds", replicas)
    print("replicas by seconds:", replicas)
    wait_until(lambda: len(cluster.processes(replica_name)), lambda count: count == 1)
    assert client.api.withdraw_endpoint(model.id)["wanted"] in (None, "newest")


def test_a_promotion_is_in_force_within_a_second_and_fails_no_prediction(
    client: dataml.Client, small: dataml.Dataset
) -> None:
    """By the own deployment of the version before, which lets the pool answer, and by its successor."""
    features = {"age": 64, "colour": "red", "price": 12.5}
    train_small(client, "promoted", small, algorithm="LightGBM", hyperparameters={"n_estimators": 1})
    newer = train_small(client, "promoted", small, new_version=True)
    await_own_deployment(newer)
    probabilities = [
        json.loads(client.transport.send("POST", f"{path}/predict", body={"features": features}).text)["probability"]
        for path in ("/models/default/promoted/v1", "/models/default/promoted/v2")
    ]
    assert probabilities[0] != probabilities[1]
    predictor = client.predictors.get("promoted")
    with predicting(client, newer, features) as predictions:

        def check(change: Callable[[], object], probability: float) -> None:
            seen = len(predictions)
            wait_until(lambda: len(predictions), lambda count: count >= seen + 40)
            change()
            changed_at = time.monotonic()
            wait_until(lambda: predictions[-1].sent_at, lambda sent_at: sent_at > changed_at + 3)
            after = [p for p in predictions if not p.is_by_id and p.sent_at > changed_at + 1]
            assert {json.loads(p.text)["probability"] for p in after} == {probability}

        check(lambda: predictor.promote(1, "Tried under load."), probabilities[0])
        check(predictor.roll_back, probabilities[1])
    assert {prediction.status for prediction in predictions} == {200}, predictions


def test_a_forecast_has_a_deployment_of_its_own_on_request(cluster: Cluster, client: dataml.Client) -> None:
    """It answers by name and by training, with the datasets of a request, while the pool cannot answer."""
    data = client.datasets.upload(shop_rows(range(60)), "series")
    model = client.train(
        data, "sold", name="shops", id="shop", time="day", ignore="rain", algorithm="SeasonalNaive", horizon=7
    )
    observed = client.datasets.upload(shop_rows(range(60, 65)), "observed")
    question: Any = {"steps": 3, "unique_ids": "all", "dataset_id": observed.id}
    by_id = question | {"train_id": model.id, "preprocess_id": model.info["preprocess_id"]}
    by_pool = client.api.forecast(by_id)["forecast"]

    def ask_directly() -> Any:
        return client.transport.send("POST", str(model.info["endpoint_url"]), body=question).json()["forecast"]

    assert client.api.request_endpoint(model.id, {"max_replicas": 1})["wanted"] == "requested"
    wait_until(lambda: client.api.get_endpoint(model.id), lambda endpoint: endpoint["state"] == "running")
    time.sleep(1)  # The API remembers for as long which deployment answers for a model.
    (pool,) = cluster.processes("ray::ServeReplica:dataml:PredictorPool")
    os.kill(pool, signal.SIGSTOP)
    try:
        assert client.api.forecast(by_id)["forecast"] == by_pool
        assert ask_directly() == by_pool
    finally:
        os.kill(pool, signal.SIGCONT)
    with pytest.raises(dataml.Conflict) as refused:
        client.api.predict_by_name("default", "shops", {"features": {}})
    assert refused.value.code == "wrong_problem_type"

    assert client.api.withdraw_endpoint(model.id)["wanted"] is None
    wait_until(lambda: client.api.get_endpoint(model.id), lambda endpoint: endpoint["state"] == "pool")
    assert ask_directly() == by_pool


def test_a_terminated_training_leaves_no_process(cluster: Cluster, client: dataml.Client) -> None:
    job = start_long_training(client, "terminated")
    workers = set(cluster.processes("ray::Worker"))
    started = time.monotonic()
    job.cancel()
    assert job.state == "cancelled"
    wait_until(lambda: cluster.processes("ray::Worker"), lambda alive: not workers <= set(alive), timeout_s=5)
    assert time.monotonic() - started < 5
    job_number = job.id.rpartition("-")[2]
    folders = cluster.home / "storage" / "jobs"
    wait_until(lambda: list(folders.glob(f"{job_number}.*")), lambda left: not left, timeout_s=5)
    assert client.models.get(job.info["subject_id"]).info["training_status"] == "Cancelled"


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
    send = cluster.client.transport.send
    wait_until(lambda: send("GET", HEALTH_CHECK).status_code, lambda status: status == 200)
    # Another one takes its place.
    wait_until(lambda: spare_processes(cluster), lambda found: found and found != [spare])


def test_grpc_predicts_as_the_direct_route_also_from_the_next_replica(
    cluster: Cluster, client: dataml.Client, churn: dataml.Model
) -> None:
    row = first_row()
    request = pb.ModelInferRequest(model_name=str(churn.info["url_name"]))
    for name, text in row.items():
        sent = request.inputs.add(name=name, datatype="BYTES", shape=[1])
        sent.contents.bytes_contents.append(text.encode())
    metadata = (("authorization", f"Bearer {login(client, PASSWORD).json()['access_token']}"),)
    wanted = predict(client, churn, row).json()["probability"]
    with grpc.insecure_channel(f"127.0.0.1:{cluster.grpc_port}") as channel:
        send = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )

        def infer() -> float | None:
            try:
                response = send(request, metadata=metadata, timeout=30, wait_for_ready=True)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined] # noqa: PT017
                return None
            return response.outputs[1].contents.fp64_contents[0]

        assert infer() == wanted
        (api,) = cluster.processes("ray::ServeReplica:dataml:Api")
        os.kill(api, signal.SIGKILL)
        assert wait_until(infer, lambda answered: answered is not None) == wanted
    # HAProxy may find the next replica later than this client.
    wait_until(lambda: client.transport.send("GET", HEALTH_CHECK).status_code, lambda status: status == 200)


def test_a_killed_worker_costs_one_attempt(cluster: Cluster, client: dataml.Client) -> None:
    job = start_long_training(client, "killed")
    wait_until(lambda: len(cluster.processes("ray::Worker")), lambda count: count == 2)
    for pid in cluster.processes("ray::Worker"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: job.refresh().info, lambda info: info["attempts"] == 2 and info["state"] == "running")
    cancel(job)


def test_a_killed_supervisor_restarts_and_finds_its_jobs(
    cluster: Cluster, client: dataml.Client, small: dataml.Dataset
) -> None:
    job = start_long_training(client, "orphaned")
    (supervisor,) = cluster.processes("ray::SupervisorActor")
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: cluster.processes("ray::SupervisorActor"), lambda alive: alive and alive != [supervisor])
    info = job.refresh().info
    assert (info["state"], info["attempts"]) == ("running", 1)
    assert train_small(client, "afterwards", small).info["training_status"] == "Completed"
    cancel(job)


def test_a_killed_platform_recovers_its_models_and_jobs(
    cluster: Cluster, client: dataml.Client, churn: dataml.Model
) -> None:
    before = predict(client, churn, first_row()).json()["probabilities"]
    job = start_long_training(client, "interrupted")
    cluster.kill()
    cluster.start()
    assert predict(client, churn, first_row()).json()["probabilities"] == before
    wait_until(lambda: job.refresh().info, lambda info: info["attempts"] == 2 and info["state"] == "running")
    cancel(job)
