"""The log of an attempt: what it did, in bounds, and without secrets or the paths of the machine."""

import logging
import os
import time
from pathlib import Path

import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.jobs.spec import Attempt, DescribeResult, DescribeSpec, JobContext, JobKind, JobSpec
from dataml.runner.attempt_log import MAX_BYTES, AttemptLog
from dataml.runner.execution import execute
from dataml.storage.logs import read_log, remove_old_logs
from dataml.storage.objects import FileMissing, ObjectStore
from dataml.storage.storage import Storage
from dataml.tasks import describe

ATTEMPT = Attempt(3, 2)
SPEC = DescribeSpec(1, "jobs/1.1/data.parquet", Contract.build([Column("n", DataType.INTEGER)]))
log = logging.getLogger("dataml.tests")


@pytest.fixture(params=["disk", "store"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    store = tmp_path / "store"
    store.mkdir()
    return Storage(tmp_path / "home", ObjectStore(store.as_uri()) if request.param == "store" else None)


def text_of(storage: Storage) -> str:
    return read_log(storage, ATTEMPT.log_name).decode()


def test_attempt_leaves_its_log(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def task(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        context.report_progress(0.1, "1 of 2 columns described")
        context.report_progress(0.1, "Fitting A, round 1")
        context.report_progress(0.2, "2 of 2 columns described")
        context.report_progress(0.2, "Fitting A, round 1,200")
        log.warning("column %s is odd", "age")
        context.report_progress(0.9, "Writing")
        return DescribeResult({"rows": 0})

    monkeypatch.setattr(describe, "run", task)
    execute(JobSpec(3, 2, JobKind.DESCRIBE, SPEC, ATTEMPT.directory), storage, lambda progress: None)
    lines = [line.split(" ", 1)[1] for line in text_of(storage).splitlines()]
    assert lines[0].startswith("INFO Attempt 2 begins")
    assert lines[1:] == [
        "INFO 2 of 2 columns described",
        "INFO Fitting A, round 1,200",
        "WARNING column age is odd",
        "INFO Writing",
        "INFO Done",
    ]


def test_failure_is_in_the_log(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        raise Invalid("The dataset has no rows.", code="no_rows")

    def fail(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        raise KeyError("/secret/folder/rows.csv of password=hunter22")

    job = JobSpec(3, 2, JobKind.DESCRIBE, SPEC, ATTEMPT.directory)
    monkeypatch.setattr(describe, "run", refuse)
    execute(job, storage, lambda progress: None)
    assert "ERROR no_rows: The dataset has no rows.\n" in text_of(storage)
    monkeypatch.setattr(describe, "run", fail)
    execute(job, storage, lambda progress: None)
    shown = text_of(storage)
    assert "internal_error" in shown
    assert "KeyError: 'rows.csv of password=" in shown
    assert 'File "dataml/runner/execution.py"' in shown
    for hidden in ("hunter22", "/secret", str(Path(__file__).parents[2])):
        assert hidden not in shown


def test_log_is_bounded_and_keeps_the_last_lines(storage: Storage) -> None:
    with AttemptLog(storage, ATTEMPT) as attempt_log:
        for number in range(5_000):
            attempt_log.add("INFO", f"{number} {'x' * 100}")
    content = text_of(storage)
    assert len(content) <= MAX_BYTES + 100
    assert content.startswith("(Earlier lines are left out.)\n")
    assert "INFO 4999 " in content


def test_log_is_there_before_the_attempt_has_ended(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataml.runner.attempt_log._WRITE_INTERVAL_S", 0.01)
    with AttemptLog(storage, ATTEMPT) as attempt_log:
        attempt_log.add_progress("Reading")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert "Reading" in text_of(storage)
                break
            except FileMissing:
                time.sleep(0.01)
        else:
            raise AssertionError("the log was not written")


def test_job_ends_though_its_log_cannot_be_written(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.root.mkdir()
    (storage.root / "logs").write_text("no folder")
    monkeypatch.setattr(describe, "run", lambda spec, context: DescribeResult({"rows": 0}))
    job = JobSpec(3, 2, JobKind.DESCRIBE, SPEC, ATTEMPT.directory)
    assert execute(job, storage, lambda progress: None).result == DescribeResult({"rows": 0})


def test_old_logs_are_removed(storage: Storage) -> None:
    with AttemptLog(storage, ATTEMPT):
        pass
    assert remove_old_logs(storage, time.time() - 60) == 0
    assert remove_old_logs(storage, time.time() + 60) == 1
    with pytest.raises(FileMissing):
        read_log(storage, ATTEMPT.log_name)
    assert not [name for name in os.listdir(storage.root / "logs") if not name.startswith(".")]
