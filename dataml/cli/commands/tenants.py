"""`dataml tenants`: who shares the platform."""

from typing import Annotated, Final

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, confirm, print_page
from dataml.cli.session import Session, client_command

app = typer.Typer(help="Create, change and close tenants, by an administrator of the platform.", no_args_is_help=True)

Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Id or name of the tenant.")]
_COLUMNS: Final = ("id", "name", "is_active", "quota_bytes", "created_at")
_NO_QUOTA: Final = "none"


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "create")(_create)
    client_command(app, "quota")(_quota)
    client_command(app, "close")(_close)
    client_command(app, "reopen")(_reopen)
    root.add_typer(app, name="tenants", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the tenants."""
    print_page(session, session.api.list_tenants(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, tenant: Tenant) -> None:
    """Show a tenant."""
    session.output.record(session.client.tenants.get(tenant).info)


def _create(session: Session, name: Annotated[str, typer.Argument(metavar="NAME", help="Of the tenant.")]) -> None:
    """Create a tenant without users; `dataml users create --tenant` makes its first one."""
    session.output.record(session.client.tenants.create(name).info)


def _close(session: Session, tenant: Tenant, yes: Yes = False) -> None:
    """Close a tenant: its users and keys are refused, its jobs end, its predictors stop answering. Its data stays."""
    closed = session.client.tenants.get(tenant)
    confirm(yes, f"Close the tenant {closed.name!r}?")
    closed.close()
    session.output.record(closed.info)


def _quota(
    session: Session,
    tenant: Tenant,
    quota: Annotated[str, typer.Argument(metavar="BYTES", help="Or `none`: what the installation allows.")],
) -> None:
    """Set how many bytes of files a tenant may store. What is stored already stays."""
    if quota != _NO_QUOTA and not (quota.isascii() and quota.isdecimal()):
        raise typer.BadParameter("a number of bytes, or none", param_hint="BYTES")
    changed = session.client.tenants.get(tenant)
    changed.set_quota(None if quota == _NO_QUOTA else int(quota))
    session.output.record(changed.info)


def _reopen(session: Session, tenant: Tenant) -> None:
    """Open a closed tenant again: its users can sign in, keys are taken, and predictors answer."""
    opened = session.client.tenants.get(tenant)
    opened.reopen()
    session.output.record(opened.info)
