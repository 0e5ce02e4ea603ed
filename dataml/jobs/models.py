"""The tables of the job queue and of the lease that lets one supervisor work on it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, BigId, TenantOwned
from dataml.jobs.spec import Attempt, JobKind, JobState

WAITING_FOR_WORKER = "Waiting for a worker"
_PUBLIC_NAMES = {
    JobKind.VALIDATE: "validate-job",
    JobKind.DESCRIBE: "stat-job",
    JobKind.TRAIN: "train-job",
    JobKind.EXPLAIN: "shap-job",
    JobKind.SCORE: "score-job",
    JobKind.FORECAST: "forecast-job",
}


class Job(TenantOwned, Base):
    """One long operation.

    `subject_id` is the row it works for: a dataset, a training or a prediction, by its kind. `callback_digest` is the
    SHA-256 of the report that ended it, when that came from outside the cluster. `time_limit_s` is what was asked for,
    below the limit of the installation. `elapsed_s` is how long the current attempt has run, recorded at intervals.
    `leaderboard` has the candidates of a training, best first, as `ml.leaderboard.CandidateScore`; null of other jobs.
    `space_failures` is how many attempts have found no space: they do not count among those that lost their worker.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("ix_job_queue", "state", "id"),
        Index("ix_job_tenant_state", "tenant_id", "state", "id"),
        Index("ix_job_tenant_kind", "tenant_id", "kind", "id"),
        Index("ix_job_subject", "kind", "subject_id"),
        {"sqlite_autoincrement": True},
    )

    kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int] = mapped_column(BigId)
    state: Mapped[str] = mapped_column(String(20), default=JobState.QUEUED.value)
    attempt: Mapped[int] = mapped_column(default=0)
    space_failures: Mapped[int] = mapped_column(default=0, server_default="0")
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column("phrase", String(200), default=WAITING_FOR_WORKER)
    leaderboard: Mapped[list[dict[str, Any]] | None]
    payload: Mapped[dict[str, Any]]
    failure_code: Mapped[str | None] = mapped_column(String(100))
    failure_detail: Mapped[str | None] = mapped_column(Text)
    callback_digest: Mapped[str | None] = mapped_column(String(64))
    time_limit_s: Mapped[int | None]
    elapsed_s: Mapped[float] = mapped_column(default=0.0, server_default="0")
    created_by: Mapped[str] = mapped_column(String(150))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def public_id(self) -> str:
        """The id in API responses, e.g. `shap-job-12`."""
        return f"{_PUBLIC_NAMES[JobKind(self.kind)]}-{self.id}"

    @property
    def directory(self) -> str:
        """Storage folder of the current attempt."""
        return Attempt(self.id, self.attempt).directory


class SupervisorLease(Base):
    """The lease of the one supervisor that may write; see `dataml.jobs.lease`. `term` grows with each takeover."""

    __tablename__ = "supervisor_lease"

    id: Mapped[int] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(String(255))
    term: Mapped[int] = mapped_column(default=0, server_default="0")
    expires_at: Mapped[datetime]
