"""Waiting for jobs: a progress bar, and Ctrl-C that leaves the job running."""

import time
from typing import Any, Final

import typer

from dataml.cli.exit_codes import ExitCode
from dataml.cli.session import Session
from dataml.client import errors
from dataml.client.job_states import ENDED

SECOND_INTERRUPT_S: Final = 3.0
"""How long after a Ctrl-C another one cancels the job."""

_FIRST_PAUSE_S, _MAX_PAUSE_S, _PAUSE_FACTOR = 0.1, 1.0, 1.3


def wait_for_job(session: Session, job_id: str, what: str) -> Any:
    """Wait until a job has succeeded, and return it.

    Ctrl-C ends the command and leaves the job running; a second one within `SECOND_INTERRUPT_S` cancels it.

    Raises:
        JobFailed: the job failed or was cancelled.
        Exit: Ctrl-C.
    """
    try:
        job = _poll(session, job_id, what)
    except KeyboardInterrupt:
        _interrupted(session, job_id)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if job["state"] == "succeeded":
        return job
    failed = job["error"] or {"code": "job_cancelled", "detail": f"The job {job_id} was cancelled."}
    kind = errors.JobCancelled if job["state"] == "cancelled" else errors.JobFailed
    raise kind(f"{what}: {failed['detail']}", job=job, code=failed["code"])


def _poll(session: Session, job_id: str, what: str) -> Any:
    pause_s = _FIRST_PAUSE_S
    if not session.output.has_bars:
        session.output.say(f"{job_id}: {what}")
    with session.output.progress(what) as report:
        while (job := session.api.get_job(job_id))["state"] not in ENDED:
            report(job["progress"], 1.0 if job["state"] == "running" else None)
            time.sleep(pause_s)
            pause_s = min(pause_s * _PAUSE_FACTOR, _MAX_PAUSE_S)
    return job


def _interrupted(session: Session, job_id: str) -> None:
    say = session.output.say
    try:
        say(f"\n{job_id} goes on. Watch it with: dataml jobs watch {job_id}")
        say(f"Press Ctrl-C again within {SECOND_INTERRUPT_S:.0f} s to cancel it.")
        time.sleep(SECOND_INTERRUPT_S)
    except KeyboardInterrupt:
        session.api.terminate_ray_job(ray_job_id=job_id)
        say(f"{job_id} is cancelled.")
