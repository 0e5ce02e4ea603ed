"""`dataml users`: who may use the platform."""

from typing import Annotated, Final

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, PasswordStdin, id_or_name, print_page
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
    client_command(app, "show")(_show)
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


def _show(session: Session, user: User) -> None:
    """Show a user with the user's roles."""
    session.output.record(session.client.users.get(id_or_name(user)).info)


def _create(
    session: Session,
    username: Annotated[str, typer.Argument(metavar="NAME", help="The user signs in with it.")],
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="Address of the user.")],
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="Name of a role; analyst if none.")] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="Id or name of another, by an administrator of the platform.")
    ] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Create a user. The password comes from DATAML_NEW_PASSWORD, from stdin or from a prompt."""
    password = read_password(_NEW_PASSWORD, "Password of the new user", from_stdin=password_stdin, confirm=True)
    tenant_id = session.client.tenants.get(tenant).id if tenant else None
    user = session.client.users.create(username, password, email, roles=role or (), tenant_id=tenant_id)
    session.output.record(user.info)


def _activate(session: Session, user: User) -> None:
    """Let a user sign in again."""
    activated = session.client.users.get(id_or_name(user))
    activated.activate()
    session.output.record(activated.info)


def _deactivate(session: Session, user: User) -> None:
    """End the sessions of a user, who cannot sign in any more."""
    deactivated = session.client.users.get(id_or_name(user))
    deactivated.deactivate()
    session.output.record(deactivated.info)


def _grant(session: Session, user: User, role: Role) -> None:
    """Give a role to a user."""
    granted = session.client.users.get(id_or_name(user))
    granted.grant(id_or_name(role))
    session.output.record(granted.info)


def _revoke(session: Session, user: User, role: Role) -> None:
    """Take a role from a user."""
    revoked = session.client.users.get(id_or_name(user))
    revoked.revoke(id_or_name(role))
    session.output.record(revoked.info)


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
    caller = session.client.whoami()["username"]
    name = user or caller
    current = read_password("DATAML_PASSWORD", "Current password") if name == caller else None
    new = read_password(_NEW_PASSWORD, "New password", from_stdin=password_stdin, confirm=True)
    session.client.users.reset_password(name, new, current_password=current)
    session.output.say(f"The password of {name!r} is changed; all sessions of this user have ended.")
