"""`dataml keys`: API keys, with which programs sign in."""

from datetime import datetime
from typing import Annotated, Final

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, confirm, print_page
from dataml.cli.session import Session, client_command

app = typer.Typer(help="Make and revoke API keys, with which programs sign in.", no_args_is_help=True)

_COLUMNS: Final = ("id", "name", "prefix", "permissions", "created_at", "expires_at", "revoked_at")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "create")(_create)
    client_command(app, "revoke")(_revoke)
    root.add_typer(app, name="keys", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List your API keys, without their secrets."""
    print_page(session, session.api.list_api_keys(limit=limit, offset=offset), _COLUMNS, offset)


def _create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    permission: Annotated[
        list[str] | None, typer.Option(metavar="PERMISSION", help="One that it has; can_predict if none is given.")
    ] = None,
    expires: Annotated[
        datetime | None, typer.Option(metavar="TIME", help="When it ends, as 2030-01-31; in 90 days if not given.")
    ] = None,
) -> None:
    """Create an API key. This is the only time that it is shown."""
    expires_at = None if expires is None else expires.astimezone()
    session.output.record(session.client.keys.create(name, permission or (), expires_at=expires_at))


def _revoke(
    session: Session,
    key_id: Annotated[int, typer.Argument(metavar="ID", help="Id of the key.")],
    yes: Yes = False,
) -> None:
    """Revoke an API key; the next call with it is refused."""
    confirm(yes, f"Revoke the API key {key_id}?")
    session.output.record(session.client.keys.revoke(key_id))
