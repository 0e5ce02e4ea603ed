"""Upgrade a home of dataml 0.1.0: its models answer as before, and its queued jobs end as they would have.

`make_home.py` describes how the home and the expected answers were made. A difference is a change that an upgrade
brings to users.
"""

import hashlib
import io
import json
import platform as host
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from dataml.jobs.models import Job
from dataml.jobs.service import load_spec
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.forecasting.bundle import load_forecaster
from dataml.settings import Settings
from tests.client import Client, wait_for_job
from tests.conftest import NewHome, Platform, log_in
from tests.upgrade import home

EXPECTED: dict[str, Any] = json.loads(home.EXPECTED.read_text())


def _is_installed(name: str, wanted: str) -> bool:
    try:
        return version(name) == wanted
    except PackageNotFoundError:
        return False


# Other libraries and other processors may round otherwise, and may learn other trees.
_SAME_LIBRARIES = host.machine() == EXPECTED["machine"] and all(
    _is_installed(name, wanted) for name, wanted in EXPECTED["libraries"].items()
)
EXACT = 1e-12 if _SAME_LIBRARIES else 1e-6
"""Tolerance of what a loaded model answers."""
LEARNED = 1e-6 if _SAME_LIBRARIES else 0.5
"""Tolerance of what is trained anew."""
CONTINUED_FORECAST = "train-job-46"
"""The queued training that continues a forecast. Its metrics are now those of its new observations."""
FORECAST_TRAININGS = ("train-job-44", "train-job-45")
WEEKLY_BATCH = "forecast-job-53"
KINDS = {"validate", "describe", "train", "explain", "score", "forecast"}


def named(models: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(model, id=f"{model['name']}-v{model['version']}") for model in models]


def unpack(folder: Path) -> Path:
    with tarfile.open(home.ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def settings(new_home: NewHome, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Unpack the old home. Its database is SQLite, also where other tests use PostgreSQL."""
    return new_home(home=unpack(tmp_path_factory.mktemp("old")), database_url=None)


def assert_same(found: Any, expected: Any, tolerance: float = EXACT) -> None:
    assert not list(home.differences(found, expected, tolerance))


def test_all_users_log_in(platform: Platform) -> None:
    for username, role in ((home.CLERK, "analyst"), (home.BRANCH_HEAD, "admin")):
        me = log_in(platform.anonymous, username).post("/login/test-token").json()
        assert me["username"] == username
        assert role in me["roles"]


def test_an_api_key_is_good(platform: Platform) -> None:
    service = Client(platform.client.app, platform.client.portal, {"Authorization": f"Bearer {EXPECTED['api_key']}"})
    model = EXPECTED["models"][0]
    assert_same(home.predictions(service, model), model["answers"])


@pytest.mark.parametrize("model", named(EXPECTED["models"]))
def test_a_model_predicts_what_it_predicted(client: Client, model: dict[str, Any]) -> None:
    assert_same(home.predictions(client, model), model["answers"])


@pytest.mark.parametrize("model", named(EXPECTED["series"]))
def test_a_model_of_series_forecasts_what_it_forecast(client: Client, model: dict[str, Any]) -> None:
    # Version 0.1.0 always rounded the values of an Integer target.
    rounded = model | {"question": model["question"] | {"round": True}}
    found = home.forecast(client, rounded)
    if "frequency" in model["question"]:
        # It summed up the bounds of steps, too, as if their errors were the same.
        for step, before in zip(found, model["forecast"], strict=True):
            assert before["lower"] < step["lower"] < step["value"] < step["upper"] < before["upper"]
            step |= {name: before[name] for name in ("lower", "upper")}
    assert_same(found, model["forecast"])


@pytest.mark.parametrize("model", named([*EXPECTED["models"], *EXPECTED["series"]]))
def test_a_report_says_what_it_said(client: Client, model: dict[str, Any]) -> None:
    assert_same(home.report(client, model), {key: model[key] for key in ("metrics", "confidence", "charts")})


@pytest.mark.parametrize("model", named([EXPECTED["models"][0], EXPECTED["series"][0]]))
def test_a_model_is_exported_with_its_own_files(client: Client, model: dict[str, Any]) -> None:
    answer = client.get(f"/train/{model['train_id']}/export")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for name, record in manifest["files"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == record["sha256"]


def test_an_explanation_says_what_it_said(client: Client) -> None:
    assert_same(home.explanation(client, EXPECTED["explained"]), EXPECTED["explanation"])


@pytest.mark.parametrize("path", EXPECTED["answers"])
def test_what_was_shown_is_shown(client: Client, path: str) -> None:
    assert_same(home.answer(client, path), EXPECTED["answers"][path])


@pytest.mark.parametrize("path", EXPECTED["files"])
def test_files_are_what_they_were(client: Client, path: str) -> None:
    assert home.content_sha256(client, f"/files/download?file_path={path}") == EXPECTED["files"][path]


def test_jobs_of_every_kind_are_in_the_queue() -> None:
    assert {job["kind"] for job in EXPECTED["queued"].values()} == KINDS


@pytest.mark.parametrize("job_id", EXPECTED["queued"])
def test_a_queued_job_ends_as_it_would_have(platform: Platform, job_id: str) -> None:
    """Wait for its end. The job that reads a table of the lake fails, because the home has no lake; others succeed."""
    job = EXPECTED["queued"][job_id]
    assert (job["state"], job["code"]) in {("succeeded", None), ("failed", "table_not_found")}
    user = log_in(platform.anonymous, job["user"])
    ended = wait_for_job(user, job_id, 120)
    assert (ended["state"], (ended["error"] or {}).get("code")) == (job["state"], job["code"]), ended
    assert ended["attempts"] == 1
    tolerance = LEARNED if job["kind"] == "train" else EXACT
    found = home.outcome(user, job["kind"], job["subject_id"])
    if job_id == CONTINUED_FORECAST:
        assert found.pop("metrics")["wape"] != job["found"]["metrics"]["wape"]
        found["metrics"] = job["found"]["metrics"]
    if job_id in FORECAST_TRAININGS:
        # Its intervals came from fewer windows of the past.
        found["metrics"] |= {"width": job["found"]["metrics"]["width"]}
    if job_id == WEEKLY_BATCH:
        assert_within(found["rows"][1:], job["found"]["rows"][1:])
        found["rows"] = job["found"]["rows"]
    assert_same(found, job["found"], tolerance)


def assert_within(found: list[list[Any]], before: list[list[Any]]) -> None:
    """Check rows of a weekly forecast: 0.1.0 summed up the bounds of days, too, as if their errors were the same."""
    for row, old in zip(found, before, strict=True):
        assert (row[:3], row[5:]) == (old[:3], old[5:])
        assert old[3] <= row[3] < row[4] <= old[4]


def test_a_queued_training_is_explained_as_it_asked(client: Client) -> None:
    job_id = EXPECTED["to_explain"]
    train_id = EXPECTED["queued"][job_id]["subject_id"]
    assert wait_for_job(client, job_id)["state"] == "succeeded"
    jobs = client.get("/jobs/list", params={"kind": "explain"}).json()["data"]
    (explanation,) = [job["job_id"] for job in jobs if job["subject_id"] == train_id]
    assert wait_for_job(client, explanation)["state"] == "succeeded"
    assert home.explanation(client, train_id)["feature_importance"]


def test_what_was_cancelled_stays_so(client: Client) -> None:
    assert {client.get(f"/jobs/{job_id}").json()["state"] for job_id in EXPECTED["cancelled"]} == {"cancelled"}


def test_every_payload_means_what_it_meant(tmp_path: Path) -> None:
    """Read every payload, also of jobs that have ended or need a cluster, and write it again."""
    with closing(sqlite3.connect(unpack(tmp_path) / "dataml.db")) as database:
        payloads = database.execute("SELECT kind, payload FROM job").fetchall()
    assert {kind for kind, _ in payloads} == KINDS
    for kind, payload in payloads:
        written = json.loads(payload)
        spec = load_spec(Job(id=1, attempt=1, kind=kind, payload=written)).payload
        assert_same(TypeAdapter(type(spec)).dump_python(spec, mode="json"), written, 0)


def test_every_bundle_loads(tmp_path: Path) -> None:
    folders = sorted(path.parent for path in unpack(tmp_path).glob("storage/jobs/*/bundle/manifest.json"))
    assert len(folders) == len(EXPECTED["models"]) + len(EXPECTED["series"])
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text())
        if manifest["problem_type"] == "Forecast":
            assert load_forecaster(folder).ids
        else:
            assert len(Predictor.load(folder).members) == len(manifest["members"])
