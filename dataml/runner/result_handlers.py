"""The result handler of each kind of job."""

from typing import Final

from dataml.dataset import statistics, validation
from dataml.inference import service as inference
from dataml.jobs.results import ResultHandler, ResultHandlers
from dataml.jobs.spec import DescribeResult, ExplainResult, JobKind, ScoreResult, TrainResult, ValidateResult
from dataml.train import service as train

RESULT_HANDLERS: Final = ResultHandlers(
    {
        JobKind.VALIDATE: ResultHandler(ValidateResult, validation.apply_validation),
        JobKind.DESCRIBE: ResultHandler(DescribeResult, statistics.apply_statistics),
        JobKind.TRAIN: ResultHandler(TrainResult, train.apply_training),
        JobKind.EXPLAIN: ResultHandler(ExplainResult, train.apply_explanation),
        JobKind.SCORE: ResultHandler(ScoreResult, inference.apply_scoring),
        JobKind.FORECAST: ResultHandler(ScoreResult, inference.apply_scoring),
    }
)
