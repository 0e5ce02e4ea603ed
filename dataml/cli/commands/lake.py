"""`dataml lake`: the tables of the data lake."""

from typing import Annotated

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, confirm
from dataml.cli.session import Session, client_command

app = typer.Typer(help="See and delete the tables of the data lake.", no_args_is_help=True)

Table = Annotated[str, typer.Argument(metavar="SCHEMA.TABLE", help="Schema and name of the table.")]


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "schemas")(_schemas)
    client_command(app, "tables")(_tables)
    client_command(app, "show")(_show)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="lake", rich_help_panel=panel)


def _schemas(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the schemas."""
    names = session.api.list_lake_schemas(limit=limit, offset=offset)
    session.output.rows(names, [{"schema": name} for name in names], ("schema",))


def _tables(
    session: Session,
    schema: Annotated[str | None, typer.Argument(metavar="SCHEMA", help="Only of this schema.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> None:
    """List the tables of a schema, or of all schemas."""
    schemas = [schema] if schema is not None else session.api.list_lake_schemas()
    rows = [
        {"schema": name, "table": table}
        for name in schemas
        for table in session.api.list_lake_tables(schema_name=name, limit=limit, offset=offset)
    ]
    session.output.rows(rows, rows, ("schema", "table"))


def _show(session: Session, table: Table) -> None:
    """Show a table: its columns, rows, size and newest snapshots."""
    schema_name, table_name = _split(table)
    about = session.api.get_table_metadata(schema_name=schema_name, table_name=table_name, limit=10)
    columns = session.api.list_lake_columns(schema_name=schema_name, table_name=table_name)
    shown = {name: about[name] for name in ("schema", "table", "format", "row_count", "size_bytes", "created_time")}
    shown["columns"] = "\n".join(f"{each['column_name']} ({each['data_type']})" for each in columns)
    shown["snapshots"] = "\n".join(
        f"{each['created_time']} {each['operation'] or ''} {each['snapshot_id']}" for each in about["snapshots"]
    )
    session.output.record({**about, "columns": columns}, shown)


def _delete(session: Session, table: Table, yes: Yes = False) -> None:
    """Delete a table of one of your tenant's own schemas, with all its snapshots."""
    schema_name, table_name = _split(table)
    confirm(yes, f"Delete the lake table {table} with all its rows?")
    answer = session.api.delete_lake_table(schema_name=schema_name, table_name=table_name)
    session.output.say(answer["message"])


def _split(table: str) -> tuple[str, str]:
    """Return the schema and the name of a table.

    Raises:
        BadParameter: there is no schema.
    """
    schema_name, _, table_name = table.rpartition(".")
    if not schema_name:
        raise typer.BadParameter("Give the schema and the table, such as gold.predictions.", param_hint="SCHEMA.TABLE")
    return schema_name, table_name
