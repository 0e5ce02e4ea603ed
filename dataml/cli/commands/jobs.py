"""`dataml jobs`: what the platform works on."""

from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, print_page
from dataml.cli.output import OutputFormat, printable
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for

if TYPE_CHECKING:
    from dataml.client import schemas

app = typer.Typer(help="See what the platform works on, wait for it, cancel it.", no_args_is_help=True)

Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job, such as train-job-12.")]
Kind = Literal["validate", "describe", "train", "explain", "score", "forecast"]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
_COLUMNS: Final = ("job_id", "kind", "state", "progress", "phrase", "created_by", "created_at")
_CANDIDATE_COLUMNS: Final = ("candidate", "metric", "score", "seconds", "state")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "log")(_log)
    client_command(app, "watch")(_watch)
    client_command(app, "cancel")(_cancel)
    root.add_typer(app, name="jobs", rich_help_panel=panel)


def _list(
    session: Session,
    kind: Annotated[Kind | None, typer.Option(help="Only jobs of this kind.")] = None,
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> None:
    """List the jobs, newest first."""
    print_page(session, session.api.list_jobs(kind=kind, state=state, limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, job: Job) -> None:
    """Show a job: its state, progress, attempts, times and error; of a training also its candidates, best first."""
    _print(session, session.api.get_job(job))


def _print(session: Session, job: "schemas.JobDetail") -> None:
    leaderboard = job["leaderboard"]
    if not leaderboard or session.output.format is not OutputFormat.TABLE:
        session.output.record(job)
        return
    session.output.record(job, {name: value for name, value in job.items() if name != "leaderboard"})
    session.output.rows(leaderboard, leaderboard, _CANDIDATE_COLUMNS)


def _log(
    session: Session,
    job: Job,
    attempt: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of this attempt, counted from 1; the last one without it.")
    ] = None,
) -> None:
    """Print the log of an attempt at a job, as far as it has come."""
    found = session.api.get_job_log(job, attempt=attempt)
    if session.output.format is OutputFormat.JSON:
        session.output.record(found)
    else:
        session.output.text(printable(found["log"]))


def _watch(session: Session, job: Job) -> None:
    """Wait until a job has ended; Ctrl-C leaves it running, a second one cancels it."""
    watched = session.client.jobs.get(job)
    wait_for(session, watched, watched.info["kind"])
    _print(session, watched.info)


def _cancel(session: Session, job: Job) -> None:
    """Cancel a job; one that has ended stays as it is."""
    session.output.say(session.api.terminate_ray_job(ray_job_id=job)["message"])
