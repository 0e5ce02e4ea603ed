"""`dataml lake`: the tables of the data lake."""

from typing import Annotated, Final

import typer

from dataml.cli.options import Limit, Yes, confirm
from dataml.cli.session import Session, client_command

app = typer.Typer(help="See and delete the tables of the data lake.", no_args_is_help=True)

_SHOWN_SNAPSHOTS: Final = 10


def _with_schema(table: str) -> str:
    if "." not in table:
        raise typer.BadParameter("Give the schema and the table, such as gold.predictions.")
    return table


Table = Annotated[
    str, typer.Argument(metavar="SCHEMA.TABLE", callback=_with_schema, help="Schema and name of the table.")
]


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "schemas")(_schemas)
    client_command(app, "tables")(_tables)
    client_command(app, "show")(_show)
    client_command(app, "view")(_view)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="lake", rich_help_panel=panel)


def _schemas(session: Session) -> None:
    """List the schemas."""
    names = session.client.lake.schemas()
    session.output.rows(names, [{"schema": name} for name in names], ("schema",))


def _tables(
    session: Session,
    schema: Annotated[str | None, typer.Argument(metavar="SCHEMA", help="Only of this schema.")] = None,
) -> None:
    """List the tables of a schema, or of all schemas."""
    tables = session.client.lake.tables(schema)
    session.output.rows(tables, tables, tables.columns)


def _show(session: Session, table: Table) -> None:
    """Show a table: its columns, rows, size and newest snapshots."""
    found = session.client.lake.get(table)
    about = found.info
    shown = {name: about[name] for name in ("schema", "table", "format", "row_count", "size_bytes", "created_time")}
    shown["columns"] = "\n".join(f"{each['column_name']} ({each['data_type']})" for each in found.columns)
    shown["snapshots"] = "\n".join(
        f"{each['created_time']} {each['operation'] or ''} {each['snapshot_id']}"
        for each in found.snapshots[:_SHOWN_SNAPSHOTS]
    )
    session.output.record({**about, "columns": found.columns}, shown)


def _view(session: Session, table: Table, limit: Limit = 20) -> None:
    """Show some rows of a table."""
    rows = session.client.lake.get(table).rows(limit)
    session.output.rows(rows, rows, rows.columns)


def _delete(session: Session, table: Table, yes: Yes = False) -> None:
    """Delete a table of one of your tenant's own schemas, with all its snapshots."""
    found = session.client.lake.get(table)
    confirm(yes, f"Delete the lake table {found.name} with all its rows?")
    found.delete()
    session.output.say(f"The lake table {found.name} is deleted.")
