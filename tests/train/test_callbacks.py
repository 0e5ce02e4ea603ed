"""Workers outside the cluster report with a token that is valid for one attempt at one job only."""

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
from tests.test_every_route import read_stored_rows, refusal
from tests.train.training import row_of, small_dataset, trained


def change(platform: Platform, statement: str, *values: Any) -> None:
    execute_sql(platform.settings, statement, *values)


@dataclass(frozen=True)
class ExternalJob:
    """A job that a worker outside the cluster works on: the attempt runs, and its files are written."""

    platform: Platform
    client: Client
    row: dict[str, Any]
    job: int
    grant: dict[str, Any]

    @property
    def directory(self) -> Path:
        """Local folder of the attempt."""
        return self.platform.settings.storage_root / self.grant["directory"]

    @property
    def reporter(self) -> Client:
        """A client with the token of the attempt."""
        return self.as_bearer(self.grant["token"])

    def as_bearer(self, token: str) -> Client:
        """Return a client with this token."""
        return Client(self.client.app, self.client.portal, {"Authorization": f"Bearer {token}"})

    def report(self, reporter: Client | None = None, **fields: Any) -> Any:
        """Report the end of the training."""
        result = {"metrics": {}, "checkpoint": None, "error": None, "path": None} | fields
        return (reporter or self.reporter).post("/train/result", json={"result": result, "train_id": self.row["id"]})

    def state(self) -> str:
        """Return the state of the job."""
        return self.client.get(f"/jobs/{self.job}").json()["state"]

    def training(self) -> dict[str, Any]:
        """Return the detail of the training."""
        return self.client.get(f"/train/{self.row['id']}").json()


@pytest.fixture(scope="module")
def dataset_id(client: Client) -> int:
    return small_dataset(client)


def start_external_attempt(platform: Platform, client: Client, row: dict[str, Any], job_id: str) -> ExternalJob:
    number = int(job_id.rpartition("-")[2])
    # Another attempt: the supervisor may still be at the end of the first one.
    jobs = platform.settings.storage_root / "jobs"
    if (jobs / f"{number}.1").exists():
        (jobs / f"{number}.1").rename(jobs / f"{number}.2")
    change(platform, "UPDATE job SET state = 'running', attempt = 2, finished_at = NULL WHERE id = ?", number)
    answer = client.post(f"/jobs/{job_id}/callback-token")
    assert answer.status_code == 200, answer.text
    return ExternalJob(platform, client, row, number, answer.json())


def start_external_training(platform: Platform, client: Client, dataset_id: int) -> ExternalJob:
    row = trained(client, dataset_id, algorithm="LightGBM")
    cleared = "status = 'submitted_to_ray', bundle = NULL, summary = NULL, metrics = NULL, algorithm = NULL"
    change(platform, f"UPDATE training SET {cleared} WHERE id = ?", row["id"])
    return start_external_attempt(platform, client, row, row["job_id"])


@pytest.fixture
def external(platform: Platform, client: Client, dataset_id: int) -> ExternalJob:
    return start_external_training(platform, client, dataset_id)


@pytest.fixture(scope="module")
def unchanged(platform: Platform, client: Client, dataset_id: int) -> ExternalJob:
    """A job for the reports that change nothing, as the tests that send them check."""
    return start_external_training(platform, client, dataset_id)


def start_external_explanation(platform: Platform, client: Client, dataset_id: int) -> ExternalJob:
    row = trained(client, dataset_id, algorithm="LightGBM")
    job = client.post("/train/generate-feature-importance", params={"train_id": row["id"]}).json()["shap_job_id"]
    wait_for_job(client, job)
    change(platform, "UPDATE training SET feature_importance = NULL WHERE id = ?", row["id"])
    return start_external_attempt(platform, client, row, job)


@pytest.fixture
def explaining(platform: Platform, client: Client, dataset_id: int) -> ExternalJob:
    return start_external_explanation(platform, client, dataset_id)


@pytest.fixture(scope="module")
def unchanged_explaining(platform: Platform, client: Client, dataset_id: int) -> ExternalJob:
    """As `unchanged`."""
    return start_external_explanation(platform, client, dataset_id)


def report_importance(external: ExternalJob, result: dict[str, Any], **more: Any) -> Any:
    body = {"training_id": external.row["id"], "result": result} | more
    return external.reporter.post("/train/shap-result", json=body)


def test_callback_token_comes_with_the_work_and_is_audited(external: ExternalJob) -> None:
    grant = external.grant
    assert (grant["attempt"], grant["directory"]) == (2, f"jobs/{external.job}.2")
    assert grant["spec"]["train_id"] == external.row["id"]
    assert (external.platform.settings.storage_root / grant["spec"]["parquet"]).is_file()
    assert 23 * 3600 < time.mktime(time.strptime(grant["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.time() < 50 * 3600
    event = external.client.get("/audit/list", params={"action": "job.callback_token"}).json()["data"][0]
    assert (event["subject"], event["detail"]) == (f"job:train-job-{external.job}", {"attempt": 2})
    assert grant["token"] not in str(external.client.get("/audit/list").json())


def test_bundle_of_an_external_worker_becomes_the_model(external: ExternalJob) -> None:
    answer = external.report()
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "Result received"})
    assert external.state() == "succeeded"
    row, found = row_of(external.client, external.row["id"]), external.training()
    assert (row["training_status"], row["algorithm"], row["accuracy"]) == (
        "Completed",
        "LightGBM",
        external.row["accuracy"],
    )
    assert found["summary"]["rows"]["total"] == 300
    event = external.client.get("/audit/list", params={"action": "job.report"}).json()["data"][0]
    assert (event["subject"], event["username"]) == (f"job:train-job-{external.job}", "admin")
    shutil.rmtree(external.directory / "bundle")  # The platform has a copy, which nobody outside has touched.
    body = {"features": {"age": 60, "colour": "red", "price": 5.0}}
    predicted = external.client.post(f"/models/default/{external.row['predictor_name']}/predict", json=body)
    assert predicted.status_code == 200, predicted.text


def test_repeated_report_gets_the_same_answer_and_changes_nothing(external: ExternalJob) -> None:
    assert external.report().status_code == 200
    before = read_stored_rows(external.platform)
    assert external.report().status_code == 200
    assert refusal(external.report(error="It broke.")) == (409, "job_ended")
    assert read_stored_rows(external.platform) == before


def test_one_of_several_identical_concurrent_reports_counts(external: ExternalJob) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: external.report(), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(list(external.directory.glob("reported-*"))) == 1
    events = external.client.get("/audit/list", params={"subject": f"job:train-job-{external.job}"}).json()["data"]
    assert [event["action"] for event in events] == ["job.report", "job.callback_token"]


def test_either_a_result_or_an_error_sent_concurrently_counts(external: ExternalJob) -> None:
    with ThreadPoolExecutor(4) as threads:
        fields: list[dict[str, Any]] = [{}, {"error": "It broke."}]
        answers = list(threads.map(lambda some: external.report(**some).status_code, fields))
    assert sorted(answers) == [200, 409]
    assert (external.state(), len(list(external.directory.glob("reported-*")))) in (
        ("succeeded", 1),
        ("failed", 0),
    )


def test_reported_error_fails_the_job(external: ExternalJob) -> None:
    assert external.report(error="CUDA is out of\x00 memory.\n" + "x" * 5000).status_code == 200
    job = external.client.get(f"/jobs/{external.job}").json()
    assert (job["state"], job["error"]["code"]) == ("failed", "external_failure")
    assert job["error"]["detail"].startswith("CUDA is out of  memory.\nxxx")
    assert len(job["error"]["detail"]) == 2000
    assert row_of(external.client, external.row["id"])["training_status"] == "Failed"


@pytest.mark.parametrize("field", ["path", "checkpoint"])
@pytest.mark.parametrize(
    "path",
    [
        *("/path/to/model/output", "/etc", "", ".", "..", "{d}", "{d}/", "{d}/..", "{d}/.", "{d}/../{d}/bundle"),
        *("{d}/bundle/", "{d}/a/b", "{d}/bun\0dle", "{root}/{d}/bundle", "jobs/1.1/bundle", "{d}/bundle\n"),
        "./{d}/bundle",
    ],
)
def test_path_outside_the_attempts_directory_is_refused(unchanged: ExternalJob, field: str, path: str) -> None:
    given = path.format(d=unchanged.grant["directory"], root=unchanged.platform.settings.storage_root)
    before = read_stored_rows(unchanged.platform)
    assert refusal(unchanged.report(**{field: given})) == (422, "path_refused")
    assert refusal(unchanged.report(**{field: given}, error="It broke.")) == (422, "path_refused")
    assert read_stored_rows(unchanged.platform) == before


def test_folder_of_the_attempt_is_accepted_by_its_storage_name(external: ExternalJob) -> None:
    (external.directory / "bundle").rename(external.directory / "mine")
    assert refusal(external.report()) == (422, "bundle_missing")
    name = f"{external.grant['directory']}/mine"
    assert refusal(external.report(path=name, checkpoint=f"{name}2")) == (422, "path_refused")
    assert external.report(path=name, checkpoint=name).status_code == 200


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
def test_damaged_bundle_is_refused_and_can_be_replaced(external: ExternalJob, how: str, code: str) -> None:
    bundle = external.directory / "bundle"
    shutil.copytree(bundle, external.directory / "good")
    damage(bundle, how)
    before = read_stored_rows(external.platform)
    assert refusal(external.report()) == (422, code)
    assert read_stored_rows(external.platform) == before
    assert not list(external.directory.glob("reported-*"))
    assert external.report(path=f"{external.grant['directory']}/good").status_code == 200


def test_bundle_of_another_training_is_refused(external: ExternalJob, dataset_id: int) -> None:
    columns = [{"column_name": "price", "attribute_name": "Target"}, {"column_name": "id", "attribute_name": "Id"}]
    row = trained(external.client, dataset_id, problem_type="Regression", columns=columns, algorithm="XGBoost")
    number = row["job_id"].removeprefix("train-job-")
    shutil.rmtree(external.directory / "bundle")
    shutil.copytree(external.directory.parent / f"{number}.1" / "bundle", external.directory / "bundle")
    answer = external.report()
    assert refusal(answer) == (422, "bundle_does_not_fit")
    assert "target, problem_type, features, algorithm" in answer.json()["detail"]


def test_metrics_that_differ_from_the_bundle_are_refused(external: ExternalJob) -> None:
    assert refusal(external.report(metrics={"accuracy": 0.999999})) == (422, "metrics_differ")
    assert (
        external.report(metrics={"accuracy": external.row["accuracy"], "of_mine": 1, "loss": None}).status_code == 200
    )


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
def test_report_of_another_training_is_refused(
    unchanged: ExternalJob, body: dict[str, Any], refused: tuple[int, str]
) -> None:
    before = read_stored_rows(unchanged.platform)
    answer = unchanged.reporter.post("/train/result", content=json.dumps({"result": {}} | body).encode(),
                                   headers={"Content-Type": "application/json"})  # fmt: skip
    assert refusal(answer) == refused
    assert read_stored_rows(unchanged.platform) == before


@pytest.mark.parametrize("given", [lambda p: p, str, lambda p: f"preprocess-{p}"])
def test_report_may_have_the_preprocess_id_of_the_training(external: ExternalJob, given: Any) -> None:
    body = {"result": {"error": "x"}, "preprocess_id": given(external.row["preprocess_id"])}
    assert external.reporter.post("/train/result", json=body).status_code == 200


def test_job_token_is_valid_for_reports_only_and_no_other_token_is(external: ExternalJob) -> None:
    others = [("GET", "/train/list"), ("POST", "/login/test-token"), ("POST", "/inference"), ("GET", "/jobs/list")]
    for method, path in others:
        assert refusal(external.reporter.request(method, path)) == (401, "invalid_token")
    key = external.client.post("/api-keys", json={"name": "k"}).json()["key"]
    for reporter in (external.client, external.as_bearer(key)):
        assert refusal(external.report(reporter)) == (401, "invalid_token")
    assert external.state() == "running"


def test_tampered_or_expired_token_is_refused(external: ExternalJob) -> None:
    key = external.platform.settings.key_file.read_bytes()
    token = external.grant["token"]
    claims = jwt.decode(token, key, algorithms=["HS256"], audience=CALLBACK_AUDIENCE)
    head = jwt.get_unverified_header(token)

    def signed(changes: dict[str, Any], with_key: bytes = key) -> Client:
        return external.as_bearer(jwt.encode(claims | changes, with_key, "HS256", headers={"kid": head["kid"]}))

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
        assert refusal(external.report(signed(changes, with_key))) == (401, code), changes
    assert external.state() == "running"
    assert external.report(signed({})).status_code == 200


def test_token_of_another_attempt_or_job_is_refused(external: ExternalJob) -> None:
    keys = TokenKeys.load(external.platform.settings.key_file)
    in_an_hour = int(time.time()) + 3600
    change(external.platform, "UPDATE job SET attempt = 4 WHERE id = ?", external.job)
    assert refusal(external.report()) == (409, "attempt_superseded")
    third = keys.sign_callback(CallbackClaims(1, external.job, 3), in_an_hour)
    assert refusal(external.report(external.as_bearer(third))) == (409, "attempt_superseded")
    assert external.state() == "running"
    # An attempt has its own folder, and no other's.
    fourth = external.as_bearer(external.client.post(f"/jobs/{external.job}/callback-token").json()["token"])
    assert refusal(external.report(fourth, path=f"jobs/{external.job}.2/bundle")) == (422, "path_refused")
    assert refusal(external.report(fourth)) == (422, "bundle_missing")


def test_token_of_a_job_of_another_kind_is_refused(external: ExternalJob, explaining: ExternalJob) -> None:
    assert refusal(report_importance(external, {"age": 1})) == (409, "wrong_job")
    assert refusal(external.report(explaining.reporter)) == (409, "wrong_job")


def test_cancelled_job_stays_cancelled(external: ExternalJob) -> None:
    query = {"ray_job_id": str(external.job), "usage": "training"}
    assert external.client.post("/ray/terminate_ray_job", params=query).status_code == 200
    assert refusal(external.report()) == (409, "job_ended")
    assert external.state() == "cancelled"


def test_token_of_a_deactivated_user_is_refused(external: ExternalJob) -> None:
    user = create_user(external.client, roles=["data_scientist"])
    theirs = log_in(external.platform.anonymous, user["username"])
    reporter = external.as_bearer(theirs.post(f"/jobs/{external.job}/callback-token").json()["token"])
    external.client.request("PUT", f"/users/{user['id']}", json={"is_active": False})
    assert refusal(external.report(reporter)) == (401, "invalid_token")
    external.client.request("PUT", f"/users/{user['id']}", json={"is_active": True})
    assert external.report(reporter).status_code == 200


def test_only_a_running_train_or_explain_job_has_a_token(
    client: Client, stranger: Client, analyst: Client, external: ExternalJob, dataset_id: int
) -> None:
    path = f"/jobs/{external.job}/callback-token"
    assert refusal(stranger.post(path)) == (404, "job_not_found")
    assert refusal(analyst.post(path)) == (403, "missing_permission")
    assert external.report(error="x").status_code == 200
    assert refusal(client.post(path)) == (409, "job_not_running")
    described = client.post("/dataset/generate_statistics", params={"dataset_id": dataset_id}).json()["job_id"]
    assert refusal(client.post(f"/jobs/{described}/callback-token")) == (409, "no_callback")
    wait_for_job(client, described)


def test_importance_of_an_external_worker_is_stored(explaining: ExternalJob) -> None:
    answer = report_importance(explaining, {"price": 1, "age": 3}, sample_rows=50)
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "message": "SHAP result received"})
    query = {"train_id": explaining.row["id"]}
    view = explaining.client.get("/train/view-feature-importance", params=query).json()
    assert view["feature_importance"] == {"age": 0.75, "price": 0.25, "colour": 0.0}
    assert (view["status"], view["sample_rows"], view["total_rows"]) == ("completed", 50, None)
    before = read_stored_rows(explaining.platform)
    assert report_importance(explaining, {"price": 1, "age": 3}, sample_rows=50).status_code == 200
    assert refusal(report_importance(explaining, {"age": 3})) == (409, "job_ended")
    assert read_stored_rows(explaining.platform) == before


@pytest.mark.parametrize("result", [{"age": 0, "price": 0.0}, {"age": 1e308, "price": 1e308, "colour": 5e-324}])
def test_extreme_importances_have_finite_shares(explaining: ExternalJob, result: dict[str, float]) -> None:
    assert report_importance(explaining, result).status_code == 200
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
def test_invalid_importance_is_refused(unchanged_explaining: ExternalJob, result: dict[str, Any], code: str) -> None:
    before = read_stored_rows(unchanged_explaining.platform)
    answer = report_importance(unchanged_explaining, result)
    assert refusal(answer)[0] == 422
    assert answer.json()["code"] in (code, "invalid_request")
    assert read_stored_rows(unchanged_explaining.platform) == before


def test_importance_of_another_training_is_refused(explaining: ExternalJob) -> None:
    assert refusal(report_importance(explaining, {"age": 1}, training_id=explaining.row["id"] + 1)) == (
        409,
        "wrong_training",
    )
