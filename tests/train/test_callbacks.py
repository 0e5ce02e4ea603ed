"""Workers outside the cluster report with a token for one attempt at one job, and are believed no further."""

import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from dataml.access.tokens import CALLBACK_AUDIENCE, CallbackClaims, TokenKeys
from tests.client import Client, wait_for_job
from tests.conftest import Platform, log_in
from tests.database import execute_sql
from tests.sample_tenant import create_user
from tests.test_every_route import refusal, stored
from tests.train.training import row_of, small_dataset, trained


def change(platform: Platform, statement: str, *values: Any) -> None:
    execute_sql(platform.settings, statement, *values)


@dataclass(frozen=True)
class Outside:
    """A job as it is while a worker outside the cluster is at it: the attempt runs, and its files are written."""

    platform: Platform
    client: Client
    row: dict[str, Any]
    job: int
    grant: dict[str, Any]

    @property
    def directory(self) -> Path:
        return self.platform.settings.storage_root / self.grant["directory"]

    @property
    def reporter(self) -> Client:
        return self.as_bearer(self.grant["token"])

    def as_bearer(self, token: str) -> Client:
        return Client(self.client.app, self.client.portal, {"Authorization": f"Bearer {token}"})

    def report(self, reporter: Client | None = None, **fields: Any) -> Any:
        result = {"metrics": {}, "checkpoint": None, "error": None, "path": None} | fields
        return (reporter or self.reporter).post("/train/result", json={"result": result, "train_id": self.row["id"]})

    def state(self) -> str:
        return self.client.get(f"/jobs/{self.job}").json()["state"]

    def training(self) -> dict[str, Any]:
        return self.client.get(f"/train/{self.row['id']}").json()


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


def begin(platform: Platform, client: Client, row: dict[str, Any], job_id: str) -> Outside:
    number = int(job_id.rpartition("-")[2])
    # Another attempt: the supervisor may still be at the end of the first one.
    jobs = platform.settings.storage_root / "jobs"
    if (jobs / f"{number}.1").exists():
        (jobs / f"{number}.1").rename(jobs / f"{number}.2")
    change(platform, "UPDATE job SET state = 'running', attempt = 2, finished_at = NULL WHERE id = ?", number)
    answer = client.post(f"/jobs/{job_id}/callback-token")
    assert answer.status_code == 200, answer.text
    return Outside(platform, client, row, number, answer.json())


@pytest.fixture
def outside(platform: Platform, client: Client, dataset_id: int) -> Outside:
    row = trained(client, dataset_id, algorithm="LightGBM")
    cleared = "status = 'submitted_to_ray', bundle = NULL, summary = NULL, metrics = NULL, algorithm = NULL"
    change(platform, f"UPDATE training SET {cleared} WHERE id = ?", row["id"])
    return begin(platform, client, row, row["job_id"])


@pytest.fixture
def explaining(platform: Platform, client: Client, dataset_id: int) -> Outside:
    row = trained(client, dataset_id, algorithm="LightGBM")
    job = client.post("/train/generate-feature-importance", params={"train_id": row["id"]}).json()["shap_job_id"]
    wait_for_job(client, job)
    change(platform, "UPDATE training SET feature_importance = NULL WHERE id = ?", row["id"])
    return begin(platform, client, row, job)


def shap(outside: Outside, result: dict[str, Any], **more: Any) -> Any:
    body = {"training_id": outside.row["id"], "result": result} | more
    return outside.reporter.post("/train/shap-result", json=body)


def test_a_grant_has_what_the_work_needs_and_is_in_the_audit_log(outside: Outside) -> None:
    grant = outside.grant
    assert (grant["attempt"], grant["directory"]) == (2, f"jobs/{outside.job}.2")
    assert grant["spec"]["train_id"] == outside.row["id"]
    assert (outside.platform.settings.storage_root / grant["spec"]["parquet"]).is_file()
    assert 23 * 3600 < time.mktime(time.strptime(grant["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.time() < 50 * 3600
    event = outside.client.get("/audit/list", params={"action": "job.callback_token"}).json()["data"][0]
    assert (event["subject"], event["detail"]) == (f"job:train-job-{outside.job}", {"attempt": 2})
    assert grant["token"] not in str(outside.client.get("/audit/list").json())


def test_a_bundle_outside_becomes_the_model(outside: Outside) -> None:
    answer = outside.report()
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "Result received"})
    assert outside.state() == "succeeded"
    row, found = row_of(outside.client, outside.row["id"]), outside.training()
    assert (row["training_status"], row["algorithm"], row["accuracy"]) == (
        "Completed",
        "LightGBM",
        outside.row["accuracy"],
    )
    assert found["summary"]["rows"]["total"] == 300
    event = outside.client.get("/audit/list", params={"action": "job.report"}).json()["data"][0]
    assert (event["subject"], event["username"]) == (f"job:train-job-{outside.job}", "admin")
    shutil.rmtree(outside.directory / "bundle")  # The platform has a copy, which nobody outside has touched.
    body = {"features": {"age": 60, "colour": "red", "price": 5.0}}
    predicted = outside.client.post(f"/models/default/{outside.row['predictor_name']}/predict", json=body)
    assert predicted.status_code == 200, predicted.text


def test_the_same_report_again_is_answered_alike_and_changes_nothing(outside: Outside) -> None:
    assert outside.report().status_code == 200
    before = stored(outside.platform)
    assert outside.report().status_code == 200
    assert refusal(outside.report(error="It broke.")) == (409, "job_ended")
    assert stored(outside.platform) == before


def test_of_the_same_reports_at_once_one_counts(outside: Outside) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: outside.report(), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(list(outside.directory.glob("reported-*"))) == 1
    events = outside.client.get("/audit/list", params={"subject": f"job:train-job-{outside.job}"}).json()["data"]
    assert [event["action"] for event in events] == ["job.report", "job.callback_token"]


def test_of_a_result_and_an_error_at_once_one_counts(outside: Outside) -> None:
    with ThreadPoolExecutor(4) as threads:
        fields: list[dict[str, Any]] = [{}, {"error": "It broke."}]
        answers = list(threads.map(lambda some: outside.report(**some).status_code, fields))
    assert sorted(answers) == [200, 409]
    assert (outside.state(), len(list(outside.directory.glob("reported-*")))) in (("succeeded", 1), ("failed", 0))


def test_an_error_fails_the_job(outside: Outside) -> None:
    assert outside.report(error="CUDA is out of\x00 memory.\n" + "x" * 5000).status_code == 200
    job = outside.client.get(f"/jobs/{outside.job}").json()
    assert (job["state"], job["error"]["code"]) == ("failed", "external_failure")
    assert job["error"]["detail"].startswith("CUDA is out of  memory.\nxxx")
    assert len(job["error"]["detail"]) == 2000
    assert row_of(outside.client, outside.row["id"])["training_status"] == "Failed"


@pytest.mark.parametrize("field", ["path", "checkpoint"])
@pytest.mark.parametrize(
    "path",
    [
        *("/path/to/model/output", "/etc", "", ".", "..", "{d}", "{d}/", "{d}/..", "{d}/.", "{d}/../{d}/bundle"),
        *("{d}/bundle/", "{d}/a/b", "{d}/bun\0dle", "{root}/{d}/bundle", "jobs/1.1/bundle", "{d}/bundle\n"),
        "./{d}/bundle",
    ],
)
def test_a_path_is_refused(outside: Outside, field: str, path: str) -> None:
    given = path.format(d=outside.grant["directory"], root=outside.platform.settings.storage_root)
    before = stored(outside.platform)
    assert refusal(outside.report(**{field: given})) == (422, "path_refused")
    assert refusal(outside.report(**{field: given}, error="It broke.")) == (422, "path_refused")
    assert stored(outside.platform) == before


def test_the_attempts_own_folder_is_taken_by_its_storage_name(outside: Outside) -> None:
    (outside.directory / "bundle").rename(outside.directory / "mine")
    assert refusal(outside.report()) == (422, "bundle_missing")
    name = f"{outside.grant['directory']}/mine"
    assert refusal(outside.report(path=name, checkpoint=f"{name}2")) == (422, "path_refused")
    assert outside.report(path=name, checkpoint=name).status_code == 200


def damage(bundle: Path, how: str) -> None:
    manifest = bundle / "manifest.json"
    model = bundle / "model.txt"
    match how:
        case "changed":
            model.write_bytes(model.read_bytes() + b" ")
        case "missing":
            model.unlink()
        case "link":
            model.rename(bundle.parent / "elsewhere")
            model.symlink_to(bundle.parent / "elsewhere")
        case "pipe":
            model.unlink()
            os.mkfifo(model)
        case "manifest":
            manifest.write_text("{}")
        case "outside":
            about = json.loads(manifest.read_text())
            about["files"]["../../x"] = about["files"]["model.txt"]
            manifest.write_text(json.dumps(about))
        case "unreadable":
            about = json.loads(manifest.read_text())
            content = b"no trees at all"
            for name in [name for name in about["files"] if name.startswith("model")]:
                about["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
                (bundle / name).write_bytes(content)
            manifest.write_text(json.dumps(about))
        case _:
            shutil.rmtree(bundle)
            bundle.symlink_to(bundle.parent.parent)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        *((how, "bundle_damaged") for how in ("changed", "missing", "link", "pipe", "manifest", "outside")),
        ("unreadable", "bundle_damaged"),
        ("folder is a link", "bundle_missing"),
    ],
)
def test_a_bundle_that_is_not_sound_is_refused_and_can_be_mended(outside: Outside, how: str, code: str) -> None:
    bundle = outside.directory / "bundle"
    shutil.copytree(bundle, outside.directory / "good")
    damage(bundle, how)
    before = stored(outside.platform)
    assert refusal(outside.report()) == (422, code)
    assert stored(outside.platform) == before
    assert not list(outside.directory.glob("reported-*"))
    assert outside.report(path=f"{outside.grant['directory']}/good").status_code == 200


def test_a_bundle_of_another_training_is_refused(outside: Outside, dataset_id: int) -> None:
    columns = [{"column_name": "price", "attribute_name": "Target"}, {"column_name": "id", "attribute_name": "Id"}]
    row = trained(outside.client, dataset_id, problem_type="Regression", columns=columns, algorithm="XGBoost")
    number = row["job_id"].removeprefix("train-job-")
    shutil.rmtree(outside.directory / "bundle")
    shutil.copytree(outside.directory.parent / f"{number}.1" / "bundle", outside.directory / "bundle")
    answer = outside.report()
    assert refusal(answer) == (422, "bundle_does_not_fit")
    assert "target, problem_type, features, algorithm" in answer.json()["detail"]


def test_metrics_that_the_bundle_contradicts_are_refused(outside: Outside) -> None:
    assert refusal(outside.report(metrics={"accuracy": 0.999999})) == (422, "metrics_differ")
    assert outside.report(metrics={"accuracy": outside.row["accuracy"], "of_mine": 1, "loss": None}).status_code == 200


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"train_id": 999_999}, (409, "wrong_training")),
        ({"preprocess_id": "preprocess-xyz"}, (409, "wrong_preprocessing")),
        ({"result": {"model_path": "/x"}}, (422, "invalid_request")),
        ({"result": {"metrics": {"accuracy": "0.9"}}}, (422, "invalid_request")),
        ({"result": {"error": ""}}, (422, "invalid_request")),
        ({"result": {"error": "\ud800"}}, (422, "invalid_request")),
        ({"result": None}, (422, "invalid_request")),
    ],
    ids=str,
)
def test_a_report_of_something_else_is_refused(
    outside: Outside, body: dict[str, Any], refused: tuple[int, str]
) -> None:
    before = stored(outside.platform)
    answer = outside.reporter.post("/train/result", content=json.dumps({"result": {}} | body).encode(),
                                   headers={"Content-Type": "application/json"})  # fmt: skip
    assert refusal(answer) == refused
    assert stored(outside.platform) == before


@pytest.mark.parametrize("given", [lambda p: p, str, lambda p: f"preprocess-{p}"])
def test_the_trainings_own_preprocessing_may_be_named(outside: Outside, given: Any) -> None:
    body = {"result": {"error": "x"}, "preprocess_id": given(outside.row["preprocess_id"])}
    assert outside.reporter.post("/train/result", json=body).status_code == 200


def test_a_job_token_opens_nothing_else_and_no_other_token_opens_these(outside: Outside) -> None:
    others = [("GET", "/train/list"), ("POST", "/login/test-token"), ("POST", "/inference"), ("GET", "/jobs/list")]
    for method, path in others:
        assert refusal(outside.reporter.request(method, path)) == (401, "invalid_token")
    key = outside.client.post("/api-keys", json={"name": "k"}).json()["key"]
    for reporter in (outside.client, outside.as_bearer(key)):
        assert refusal(outside.report(reporter)) == (401, "invalid_token")
    assert outside.state() == "running"


def test_a_token_that_was_tampered_with_or_has_expired_is_refused(outside: Outside) -> None:
    key = outside.platform.settings.key_file.read_bytes()
    token = outside.grant["token"]
    claims = jwt.decode(token, key, algorithms=["HS256"], audience=CALLBACK_AUDIENCE)
    head = jwt.get_unverified_header(token)

    def signed(changes: dict[str, Any], with_key: bytes = key) -> Client:
        return outside.as_bearer(jwt.encode(claims | changes, with_key, "HS256", headers={"kid": head["kid"]}))

    ago = int(time.time()) - 10
    for changes, with_key, code in (
        ({"exp": ago}, key, "token_expired"),
        ({}, b"k" * 32, "invalid_token"),
        ({"aud": "dataml-api"}, key, "invalid_token"),
        ({"typ": "access"}, key, "invalid_token"),
        ({"job": "0"}, key, "invalid_token"),
        ({"job": "x"}, key, "invalid_token"),
        ({"job": str(2**62)}, key, "invalid_token"),
        ({"sub": "999999"}, key, "invalid_token"),
    ):
        assert refusal(outside.report(signed(changes, with_key))) == (401, code), changes
    assert outside.state() == "running"
    assert outside.report(signed({})).status_code == 200


def test_the_token_of_another_attempt_or_job_is_refused(outside: Outside) -> None:
    keys = TokenKeys.load(outside.platform.settings.key_file)
    in_an_hour = int(time.time()) + 3600
    change(outside.platform, "UPDATE job SET attempt = 4 WHERE id = ?", outside.job)
    assert refusal(outside.report()) == (409, "attempt_superseded")
    third = keys.sign_callback(CallbackClaims(1, outside.job, 3), in_an_hour)
    assert refusal(outside.report(outside.as_bearer(third))) == (409, "attempt_superseded")
    assert outside.state() == "running"
    # An attempt has its own folder, and no other's.
    fourth = outside.as_bearer(outside.client.post(f"/jobs/{outside.job}/callback-token").json()["token"])
    assert refusal(outside.report(fourth, path=f"jobs/{outside.job}.2/bundle")) == (422, "path_refused")
    assert refusal(outside.report(fourth)) == (422, "bundle_missing")


def test_the_token_of_a_job_of_another_kind_is_refused(outside: Outside, explaining: Outside) -> None:
    assert refusal(shap(outside, {"age": 1})) == (409, "wrong_job")
    assert refusal(outside.report(explaining.reporter)) == (409, "wrong_job")


def test_a_job_that_was_cancelled_stays_cancelled(outside: Outside) -> None:
    query = {"ray_job_id": str(outside.job), "usage": "training"}
    assert outside.client.post("/ray/terminate_ray_job", params=query).status_code == 200
    assert refusal(outside.report()) == (409, "job_ended")
    assert outside.state() == "cancelled"


def test_a_token_ends_with_its_owner(outside: Outside) -> None:
    user = create_user(outside.client, roles=["data_scientist"])
    theirs = log_in(outside.platform.anonymous, user["username"])
    reporter = outside.as_bearer(theirs.post(f"/jobs/{outside.job}/callback-token").json()["token"])
    outside.client.request("PUT", f"/users/{user['id']}", json={"is_active": False})
    assert refusal(outside.report(reporter)) == (401, "invalid_token")
    outside.client.request("PUT", f"/users/{user['id']}", json={"is_active": True})
    assert outside.report(reporter).status_code == 200


def test_only_a_job_that_runs_and_can_be_done_outside_has_a_token(
    client: Client, stranger: Client, analyst: Client, outside: Outside, dataset_id: int
) -> None:
    path = f"/jobs/{outside.job}/callback-token"
    assert refusal(stranger.post(path)) == (404, "job_not_found")
    assert refusal(analyst.post(path)) == (403, "missing_permission")
    assert outside.report(error="x").status_code == 200
    assert refusal(client.post(path)) == (409, "job_not_running")
    described = client.post("/dataset/generate_statistics", params={"dataset_id": dataset_id}).json()["job_id"]
    assert refusal(client.post(f"/jobs/{described}/callback-token")) == (409, "no_callback")
    wait_for_job(client, described)


def test_an_importance_outside_becomes_the_trainings_own(explaining: Outside) -> None:
    answer = shap(explaining, {"price": 1, "age": 3}, sample_rows=50)
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "SHAP result received"})
    query = {"train_id": explaining.row["id"]}
    view = explaining.client.get("/train/view-feature-importance", params=query).json()
    assert view["feature_importance"] == {"age": 0.75, "price": 0.25, "colour": 0.0}
    assert (view["status"], view["sample_rows"], view["total_rows"]) == ("completed", 50, None)
    before = stored(explaining.platform)
    assert shap(explaining, {"price": 1, "age": 3}, sample_rows=50).status_code == 200
    assert refusal(shap(explaining, {"age": 3})) == (409, "job_ended")
    assert stored(explaining.platform) == before


@pytest.mark.parametrize("result", [{"age": 0, "price": 0.0}, {"age": 1e308, "price": 1e308, "colour": 5e-324}])
def test_extreme_importances_have_finite_shares(explaining: Outside, result: dict[str, float]) -> None:
    assert shap(explaining, result).status_code == 200
    query = {"train_id": explaining.row["id"]}
    shares = explaining.client.get("/train/view-feature-importance", params=query).json()["feature_importance"]
    assert sum(shares.values()) == (1.0 if any(result.values()) else 0.0)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"Tenure": 0.45}, "unknown_feature"),
        ({"id": 0.45}, "unknown_feature"),
        ({"bought": 0.45}, "unknown_feature"),
        ({"age": -0.1}, "invalid_importance"),
        ({"age": 10**400}, "invalid_importance"),
        ({"age": -0.1, "Tenure": 1}, "invalid_importance"),
        ({"age": True}, "invalid_request"),
        ({"age": "0.1"}, "invalid_request"),
        ({}, "invalid_request"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_other_importances_are_refused(explaining: Outside, result: dict[str, Any], code: str) -> None:
    before = stored(explaining.platform)
    answer = shap(explaining, result)
    assert refusal(answer)[0] == 422
    assert answer.json()["code"] in (code, "invalid_request")
    assert stored(explaining.platform) == before


def test_an_importance_of_another_training_is_refused(explaining: Outside) -> None:
    assert refusal(shap(explaining, {"age": 1}, training_id=explaining.row["id"] + 1)) == (409, "wrong_training")
