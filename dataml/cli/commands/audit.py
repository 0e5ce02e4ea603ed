"""`dataml audit`: who did what."""

from datetime import datetime
from typing import Annotated, Final, Literal

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, print_page
from dataml.cli.session import Session, client_command

_COLUMNS: Final = ("at", "username", "action", "subject", "outcome", "address")
Text = str | None


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the command to the command line."""
    client_command(root, "audit", panel=panel)(_audit)


def _audit(
    session: Session,
    username: Annotated[Text, typer.Option("--user", metavar="NAME", help="Only what this user did.")] = None,
    action: Annotated[
        Text, typer.Option(metavar="ACTION", help="Only these: user.create, or user for all on users.")
    ] = None,
    subject: Annotated[Text, typer.Option(metavar="SUBJECT", help="Only what was done to it, such as user:7.")] = None,
    outcome: Annotated[Literal["success", "failure", "refused"] | None, typer.Option(help="What came of it.")] = None,
    since: Annotated[
        datetime | None, typer.Option(metavar="TIME", help="Not before this local time, as 2030-01-31.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(metavar="TIME", help="Before this local time.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> None:
    """Show the audit log, newest first: who did what, on what, from where, and what came of it."""
    answer = session.api.list_audit_events(
        username=username,
        action=action,
        subject=subject,
        outcome=outcome,
        since=since.astimezone().isoformat() if since else None,
        until=until.astimezone().isoformat() if until else None,
        limit=limit,
        offset=offset,
    )
    print_page(session, answer, _COLUMNS, offset)
