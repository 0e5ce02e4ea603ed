# Generated from dataml/client/aio/jobs.py by `make client`: change that file.
"""Jobs: what takes long, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from dataml.client.errors import JobCancelled, JobFailed, WaitTimeout
from dataml.client.job_states import ENDED
from dataml.client.progress import ShowProgress, open_progress
from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all
from dataml.client.tables import Table
from dataml.client.times import to_iso

if TYPE_CHECKING:
    from dataml.client import schemas

_T = TypeVar("_T")
_WAIT_S: Final = 1.0
_CANDIDATE_COLUMNS: Final = ("candidate", "metric", "score", "seconds", "state")
_COLUMNS: Final = ("job_id", "kind", "state", "progress", "phrase", "created_by", "created_at")


class Job(Generic[_T]):
    """A job; `info` is the last answer of the API about it, and waiting for it returns what it has made."""

    def __init__(self, api: Operations, info: schemas.JobDetail, load: Callable[[], _T]) -> None:
        self._api = api
        self._load = load
        self.info = info

    @property
    def id(self) -> str:
        """Id of the job, such as `train-job-12`."""
        return self.info["job_id"]

    @property
    def state(self) -> str:
        """State that the job had when it was last asked for: queued, running, succeeded, failed or cancelled."""
        return self.info["state"]

    @property
    def is_done(self) -> bool:
        """Whether the job had ended."""
        return self.state in ENDED

    @property
    def leaderboard(self) -> Table:
        """The candidates of a training as they were when it was last asked for, best first; empty for other jobs."""
        return Table(self.info["leaderboard"], _CANDIDATE_COLUMNS)

    def refresh(self) -> Job[_T]:
        """Ask for the job again, and return this object."""
        self.info = self._api.get_job(self.id)
        return self

    def log(self, attempt: int | None = None) -> str:
        """Return the log of an attempt, the last one by default, as far as it has come.

        Raises:
            NotFound: There is no log of it, or not any more.
        """
        return (self._api.get_job_log(self.id, attempt=attempt))["log"]

    def cancel(self) -> None:
        """End the job; one that has ended stays as it is."""
        self._api.terminate_ray_job(ray_job_id=self.id)
        self.refresh()

    def wait(self, *, timeout_s: float | None = None, progress: ShowProgress = None, title: str | None = None) -> _T:
        """Wait until the job has succeeded, and return what it has made.

        An interruption, Ctrl-C for example, ends the waiting and not the job.

        Args:
            timeout_s: How long to wait at most, in seconds.
            progress: Whether the progress is shown, or a function that gets it.
            title: What the progress is named, by default the kind of the job.

        Raises:
            JobFailed: The job has failed.
            JobCancelled: The job was cancelled.
            WaitTimeout: It has not ended in time; it goes on.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with open_progress(progress, title or self.info["kind"]) as shown:
            while True:
                shown.update(self.info["progress"], self.info["phrase"] or self.state)
                if self.is_done:
                    break
                if deadline is not None and time.monotonic() >= deadline:
                    raise WaitTimeout(f"{self.id} is {self.state} after {timeout_s:g} s; it goes on.")
                # The platform answers when the job has ended, or after a second with its progress.
                self.info = self._api.get_job(self.id, wait=_WAIT_S)
            self._check()
        return self._load()

    def _check(self) -> None:
        if self.state == "succeeded":
            return
        error = self.info["error"] or {"code": None, "detail": "no reason is known"}
        if self.state == "cancelled":
            raise JobCancelled(f"{self.id} was cancelled.", job=self.info)
        raise JobFailed(f"{self.id} failed: {error['detail']}", job=self.info, code=error["code"])

    def __repr__(self) -> str:
        return f"Job({self.id!r}, state={self.state!r}, progress={self.info['progress']:.0%})"


class Jobs:
    """All jobs of the tenant."""

    def __init__(self, api: Operations, load: Callable[[schemas.JobDetail], Any]) -> None:
        self._api = api
        self._load = load

    def list(
        self,
        *,
        kind: schemas.JobKind | None = None,
        state: schemas.JobState | None = None,
        created_by: str | None = None,
        subject_id: int | None = None,
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> Table:
        """Return the jobs, newest first: all of them, or at most `limit`.

        Args:
            kind: Only jobs of this kind.
            state: Only jobs in this state.
            created_by: Only jobs of this user.
            subject_id: Only jobs for this dataset, training or prediction.
            since: Only jobs that were created not before this time; without a zone it is UTC.
            limit: Jobs to return at most.
        """
        return Table(
            fetch_all(
                self._api.list_jobs,
                limit,
                kind=kind,
                state=state,
                created_by=created_by,
                subject_id=subject_id,
                since=to_iso(since),
            ),
            _COLUMNS,
        )

    def get(self, job_id: str) -> Job[Any]:
        """Return a job; waiting for it returns the dataset or the model that it makes, if it is one.

        Raises:
            NotFound: There is no such job.
        """
        info = self._api.get_job(job_id)
        return Job(self._api, info, self._loader(info))

    def wait(self, job_id: str, *, timeout_s: float | None = None, progress: ShowProgress = None) -> Any:
        """Wait for a job by its id; see `Job.wait`."""
        return (self.get(job_id)).wait(timeout_s=timeout_s, progress=progress)

    def _loader(self, info: schemas.JobDetail) -> Callable[[], Any]:
        def load() -> Any:
            return self._load(info)

        return load
