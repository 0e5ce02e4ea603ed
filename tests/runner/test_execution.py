"""The execution of a task: every way in which it can end becomes a report."""

import errno
from pathlib import Path

import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.jobs.spec import (
    DescribeResult,
    DescribeSpec,
    JobContext,
    JobFailure,
    JobKind,
    JobProgress,
    JobReport,
    JobSpec,
)
from dataml.ml.leaderboard import CandidateScore, CandidateState
from dataml.runner.execution import execute
from dataml.storage.storage import Storage
from dataml.tasks import describe
from tests.storage.small_disks import filled, small_disk

SPEC = DescribeSpec(1, "jobs/1.1/data.parquet", Contract.build([Column("n", DataType.INTEGER)]))


def run(root: Path) -> JobReport:
    return execute(JobSpec(3, 2, JobKind.DESCRIBE, SPEC, "jobs/3.2"), Storage(root), lambda progress: None)


def test_a_result_is_reported_with_its_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def task(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        assert (spec, context.directory, context.attempt.attempt) == (SPEC, "jobs/3.2", 2)
        return DescribeResult({"rows": 0})

    monkeypatch.setattr(describe, "run", task)
    assert run(tmp_path) == JobReport(3, 2, result=DescribeResult({"rows": 0}))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("The dataset has no rows.", code="no_rows"), "no_rows"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/path"), "storage_full"),
        (KeyError("/a/path"), "internal_error"),
    ],
)
def test_every_error_becomes_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def task(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        raise error

    monkeypatch.setattr(describe, "run", task)
    report = run(tmp_path)
    assert report.result is None
    assert isinstance(report.failure, JobFailure)
    assert report.failure.code == code
    assert "/a/path" not in report.failure.detail


def test_unknown_failure_on_a_full_disk_is_storage_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def task(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        _, path = context.output("part")
        path.write_bytes(b"a part of the result")
        raise RuntimeError("the library does not say why")

    monkeypatch.setattr(describe, "run", task)
    with small_disk(tmp_path / "home", 1 << 20) as root, filled(root, left_bytes=16 << 10):
        report = run(root)
        assert report.failure is not None
        assert report.failure.code == "storage_full"
        assert not (root / "jobs" / "3.2").exists()


def test_each_step_of_the_progress_has_the_candidates_best_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = CandidateScore("LightGBM", "rmse", 1.0, 0.5, CandidateState.SCORED)
    poor = CandidateScore("Linear", "rmse", 2.0, 0.1, CandidateState.SCORED)
    begun = CandidateScore("LightGBM", "rmse", state=CandidateState.FITTING)

    def task(spec: DescribeSpec, context: JobContext) -> DescribeResult:
        context.report_score(poor)
        context.report_progress(0.5, "half")
        context.report_score(begun)
        context.report_score(good)
        return DescribeResult({"rows": 0})

    monkeypatch.setattr(describe, "run", task)
    steps: list[JobProgress] = []
    execute(JobSpec(3, 2, JobKind.DESCRIBE, SPEC, "jobs/3.2"), Storage(tmp_path), steps.append)
    assert steps == [
        JobProgress(0.0, "Starting", (poor,)),
        JobProgress(0.5, "half", (poor,)),
        JobProgress(0.5, "half", (poor, begun)),
        JobProgress(0.5, "half", (good, poor)),
    ]
