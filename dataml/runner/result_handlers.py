"""Hands the end of a job to the feature it belongs to, in the transaction that ends the job."""

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.dataset import service as dataset
from dataml.inference import service as inference
from dataml.jobs.models import Job
from dataml.jobs.spec import (
    DescribeResult,
    ExplainResult,
    JobKind,
    Result,
    ScoreResult,
    TrainResult,
    ValidateResult,
)
from dataml.train import service as train


async def apply(session: AsyncSession, job: Job, result: Result | None) -> None:
    """Write what the job found; without a result it failed or was cancelled, and `job` says which and why."""
    match JobKind(job.kind), result:
        case JobKind.VALIDATE, ValidateResult() | None:
            await dataset.apply_validation(session, job, result)
        case JobKind.DESCRIBE, DescribeResult() | None:
            await dataset.apply_statistics(session, job, result)
        case JobKind.TRAIN, TrainResult() | None:
            await train.apply_training(session, job, result)
        case JobKind.EXPLAIN, ExplainResult() | None:
            await train.apply_explanation(session, job, result)
        case JobKind.SCORE | JobKind.FORECAST, ScoreResult() | None:
            await inference.apply_scoring(session, job, result)
        case kind, _:
            raise TypeError(f"a {kind} job cannot end with {type(result).__name__}")
