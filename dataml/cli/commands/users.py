"""`dataml users`: who may use the platform."""

from typing import Annotated, Any, Final

import typer

from dataml.cli import lookup
from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, PasswordStdin, print_page
from dataml.cli.secrets import read_password
from dataml.cli.session import Session, client_command

app = typer.Typer(help="Say who may use the platform.", no_args_is_help=True)

User = Annotated[str, typer.Argument(metavar="USER", help="Id or name of the user.")]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="Id or name of the role.")]
_COLUMNS: Final = ("id", "username", "email", "roles", "is_active")
_NEW_PASSWORD: Final = "DATAML_NEW_PASSWORD"


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "create")(_create)
    client_command(app, "activate")(_activate)
    client_command(app, "deactivate")(_deactivate)
    client_command(app, "grant")(_grant)
    client_command(app, "revoke")(_revoke)
    client_command(app, "reset-password")(_reset_password)
    root.add_typer(app, name="users", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the users of the tenant."""
    print_page(session, session.api.list_users(limit=limit, offset=offset), _COLUMNS, offset, total="count")


def _create(
    session: Session,
    username: Annotated[str, typer.Argument(metavar="NAME", help="The user signs in with it.")],
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="Address of the user.")],
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="Name of a role; analyst if none.")] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of another tenant, by an administrator of the platform.")
    ] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Create a user. The password comes from DATAML_NEW_PASSWORD, from stdin or from a prompt."""
    password = read_password(_NEW_PASSWORD, "Password of the new user", from_stdin=password_stdin, confirm=True)
    tenant_id = tenant or session.api.test_token()["tenant_id"]
    body: Any = {"tenant_id": tenant_id, "username": username, "email": email, "password": password}
    answer = session.api.create_user(body | ({"roles": role} if role else {}))
    session.output.record(answer)


def _activate(session: Session, user: User) -> None:
    """Let a user sign in again."""
    session.output.record(session.api.update_user(lookup.user_id(session, user), {"is_active": True}))


def _deactivate(session: Session, user: User) -> None:
    """End the sessions of a user, who cannot sign in any more."""
    session.output.record(session.api.update_user(lookup.user_id(session, user), {"is_active": False}))


def _grant(session: Session, user: User, role: Role) -> None:
    """Give a role to a user."""
    answer = session.api.grant_role(lookup.user_id(session, user), lookup.role_id(session, role))
    session.output.record(answer)


def _revoke(session: Session, user: User, role: Role) -> None:
    """Take a role from a user."""
    answer = session.api.revoke_role(lookup.user_id(session, user), lookup.role_id(session, role))
    session.output.record(answer)


def _reset_password(
    session: Session,
    user: Annotated[
        str | None, typer.Argument(metavar="USERNAME", help="Another user; by default the one signed in.")
    ] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Set a new password, which ends all sessions of that user.

    It comes from DATAML_NEW_PASSWORD, from stdin or from a prompt; your current one from DATAML_PASSWORD or a prompt.
    """
    caller = session.api.test_token()["username"]
    body: Any = {"user_name": user or caller}
    if body["user_name"] == caller:
        body["current_password"] = read_password("DATAML_PASSWORD", "Current password")
    body["new_password"] = read_password(_NEW_PASSWORD, "New password", from_stdin=password_stdin, confirm=True)
    session.output.say(session.api.reset_password(body)["message"])
