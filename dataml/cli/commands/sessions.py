"""`dataml sessions`: logins that have not ended."""

from typing import Annotated, Final

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, confirm, print_page
from dataml.cli.session import Session, client_command

app = typer.Typer(help="See where you are signed in, and end sessions.", no_args_is_help=True)

UserId = Annotated[
    int | None, typer.Option(metavar="ID", help="Id of another user, whose sessions user managers may see and end.")
]
_COLUMNS: Final = ("id", "is_current", "network", "created_at", "expires_at")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "end")(_end)
    client_command(app, "end-others")(_end_others)
    root.add_typer(app, name="sessions", rich_help_panel=panel)


def _list(session: Session, user_id: UserId = None, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the open sessions."""
    answer = session.api.list_sessions(user_id=user_id, limit=limit, offset=offset)
    print_page(session, answer, _COLUMNS, offset)


def _end(session: Session, session_id: Annotated[int, typer.Argument(metavar="ID", help="Id of the session.")]) -> None:
    """End a session; the next call with its tokens is refused."""
    session.output.record(session.client.sessions.end(session_id))


def _end_others(session: Session, user_id: UserId = None, yes: Yes = False) -> None:
    """End all your sessions but this one, or all those of another user. API keys stay valid."""
    confirm(yes, "End the sessions?")
    session.output.record({"ended": session.client.sessions.end_others(user_id=user_id)})
