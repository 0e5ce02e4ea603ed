"""The JSON of the job calls."""

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from dataml.http.answers import build_answer
from dataml.jobs.models import Job
from dataml.jobs.spec import JobKind, JobState
from dataml.jobs.time_limits import effective_time_limit_s
from dataml.ml.leaderboard import CandidateState
from dataml.settings import Settings

JOB_STATE: Final = "State of the job, with `wait` after the wait; the other fields are of before."


class JobError(BaseModel):
    """Why a job failed."""

    code: str = Field(description="Stable word for the cause.")
    detail: str = Field(description="Why the job failed, and what to change.")


class JobAnswer(BaseModel):
    """One job."""

    job_id: str = Field(description="Id of the job, as other answers carry it.", examples=["train-job-12"])
    kind: JobKind
    state: JobState
    progress: float = Field(description="Share of the work that is done, 0 to 1.")
    phrase: str = Field(description="What the job is doing.")
    attempts: int = Field(description="How often a worker has started it.")
    subject_id: int = Field(description="Id of the dataset, training or prediction it works for.")
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: JobError | None

    @classmethod
    def of(cls, job: Job) -> "JobAnswer":
        """Return the JSON of a job."""
        error = JobError(code=job.failure_code, detail=job.failure_detail or "") if job.failure_code else None
        return build_answer(cls, job, job_id=job.public_id, phrase=job.message, attempts=job.attempt, error=error)


class CandidateAnswer(BaseModel):
    """One candidate of a training."""

    candidate: str = Field(description="Name of the candidate, or of a combination of several.", examples=["LightGBM"])
    metric: str = Field(
        description="What `score` is: log_loss of a Classification, rmse of a Regression, mean_scaled_error of a "
        "Forecast. Less is better.",
        examples=["log_loss"],
    )
    score: float | None = Field(
        description="On rows that the candidate did not learn from; null before all of them are predicted."
    )
    seconds: float | None = Field(description="How long its fits took, added up; null where that is not known.")
    state: CandidateState = Field(
        description="How far it has come; one is `selected` in the end, and those that cannot win are `stopped`."
    )


class JobDetail(JobAnswer):
    """One job, with what was asked of it."""

    leaderboard: list[CandidateAnswer] = Field(
        description="Candidates of a training, best first, as far as they have come; empty for other jobs."
    )
    time_limit_s: int = Field(description="Seconds that an attempt at it may run. Time in the queue does not count.")

    request: dict[str, Any] | None = Field(
        description="What was asked of a batch prediction: its options, and each dataset as its id, version, and the "
        "name and SHA-256 of the file with its rows. Null for other jobs."
    )

    @classmethod
    def for_job(cls, job: Job, settings: Settings) -> "JobDetail":
        """Return the JSON of a job."""
        time_limit_s = effective_time_limit_s(settings, JobKind(job.kind), job.time_limit_s)
        request = job.payload.get("request")
        leaderboard = [CandidateAnswer.model_validate(each) for each in job.leaderboard or ()]
        return cls(
            **JobAnswer.of(job).model_dump(), leaderboard=leaderboard, time_limit_s=time_limit_s, request=request
        )


class JobLog(BaseModel):
    """The log of one attempt at a job."""

    job_id: str
    attempt: int = Field(description="Which attempt it is of, counted from 1.")
    log: str = Field(
        description="Lines with the time in UTC, the level and a text: what the attempt did, warnings, and the last "
        "lines of the traceback of an unexpected failure. Of more than 200 KB the first lines are left out."
    )


class JobList(BaseModel):
    """A page of jobs."""

    total: int
    data: list[JobAnswer]


class CallbackToken(BaseModel):
    """A token for a worker outside the cluster, with the work to do."""

    token: str = Field(description="A bearer token for this attempt at this job, and for nothing else.")
    job_id: str
    attempt: int
    expires_at: datetime
    directory: str = Field(description="Storage folder of the attempt: what the worker writes goes there.")
    spec: dict[str, Any] = Field(description="What is to be done; paths in it are storage names.")
