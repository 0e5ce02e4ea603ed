"""`dataml roles`: which permissions belong together."""

from typing import Annotated, Final

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, confirm, id_or_name, print_page
from dataml.cli.session import Session, client_command

app = typer.Typer(help="Say which permissions belong together.", no_args_is_help=True)

Role = Annotated[str, typer.Argument(metavar="ROLE", help="Id or name of the role.")]
Permission = Annotated[str, typer.Argument(metavar="PERMISSION", help="Id or name of the permission.")]
_COLUMNS: Final = ("id", "name", "permissions")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "permissions")(_permissions)
    client_command(app, "create")(_create)
    client_command(app, "grant")(_grant)
    client_command(app, "revoke")(_revoke)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="roles", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the roles of the tenant with their permissions."""
    print_page(session, session.api.list_roles(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, role: Role) -> None:
    """Show a role with its permissions."""
    session.output.record(session.client.roles.get(id_or_name(role)).info)


def _permissions(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the permissions of the tenant."""
    answer = session.api.list_permissions(limit=limit, offset=offset)
    print_page(session, answer, ("id", "name", "is_builtin"), offset)


def _create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the role.")],
    permission: Annotated[
        list[str] | None, typer.Option(metavar="PERMISSION", help="Name of one that it holds; none if not given.")
    ] = None,
) -> None:
    """Create a role."""
    session.output.record(session.client.roles.create(name, permission or ()).info)


def _grant(session: Session, role: Role, permission: Permission) -> None:
    """Give a permission to a role, and so to all who have the role."""
    granted = session.client.roles.get(id_or_name(role))
    granted.grant(id_or_name(permission))
    session.output.record(granted.info)


def _revoke(session: Session, role: Role, permission: Permission) -> None:
    """Take a permission from a role."""
    revoked = session.client.roles.get(id_or_name(role))
    revoked.revoke(id_or_name(permission))
    session.output.record(revoked.info)


def _delete(session: Session, role: Role, yes: Yes = False) -> None:
    """Delete a role that no user has."""
    deleted = session.client.roles.get(id_or_name(role))
    confirm(yes, f"Delete the role {deleted.name!r}?")
    deleted.delete()
    session.output.record(deleted.info)
