"""Waiting for jobs: a progress bar, and Ctrl-C that leaves the job running."""

import time
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from dataml.cli.exit_codes import ExitCode
from dataml.cli.session import Session

if TYPE_CHECKING:
    from dataml.client.sync.jobs import Job

SECOND_INTERRUPT_S: Final = 3.0
"""How long after a Ctrl-C another one cancels the job."""

_T = TypeVar("_T")


def wait_for(session: Session, job: "Job[_T]", what: str) -> _T:
    """Wait until a job has succeeded, and return what it has made.

    Ctrl-C ends the command and leaves the job running; a second one within `SECOND_INTERRUPT_S` cancels it.

    Raises:
        JobFailed: the job failed or was cancelled.
        Exit: Ctrl-C.
    """
    try:
        # A reader of this message may press Ctrl-C at once.
        if not session.output.has_bars:
            session.output.say(f"{job.id}: {what}")
        return job.wait(progress=session.progress, title=what)
    except KeyboardInterrupt:
        _interrupted(session, job)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _interrupted(session: Session, job: "Job[_T]") -> None:
    say = session.output.say
    try:
        say(f"\n{job.id} goes on. Watch it with: dataml jobs watch {job.id}")
        say(f"Press Ctrl-C again within {SECOND_INTERRUPT_S:.0f} s to cancel it.")
        time.sleep(SECOND_INTERRUPT_S)
    except KeyboardInterrupt:
        job.cancel()
        say(f"{job.id} is cancelled.")
