"""`dataml templates`: what the columns of a file must be."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dataml.cli.files import InputFile
from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, confirm, id_or_name, print_page
from dataml.cli.session import Session, client_command

app = typer.Typer(help="Say what the columns of a file must be.", no_args_is_help=True)

Template = Annotated[str, typer.Argument(metavar="TEMPLATE", help="Id or name of the template.")]
_COLUMNS: Final = ("id", "template_name", "no_of_columns", "version", "created_by", "modified_at")
_SCHEMA: Final = ("column_name", "data_type", "default_value", "nullable", "minimum", "maximum", "allowed_values")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "versions")(_versions)
    client_command(app, "draft")(_draft)
    client_command(app, "create")(_create)
    client_command(app, "update")(_update)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="templates", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the templates, newest first."""
    print_page(session, session.api.list_templates(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, template: Template) -> None:
    """Show the columns of a template; the JSON is what `create --schema` reads."""
    answer = session.client.templates.get(id_or_name(template)).info
    session.output.rows(answer, answer["template_schema"], _SCHEMA)


def _versions(session: Session, template: Template, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the versions of a template."""
    template_id = session.client.templates.get(id_or_name(template)).id
    answer = session.api.list_template_versions(template_id, limit=limit, offset=offset)
    print_page(session, answer, ("version", "template_name", "created_by", "created_at"), offset)


def _draft(session: Session, file: Annotated[Path, InputFile("CSV or Parquet file to read the columns of.")]) -> None:
    """Infer the columns of a file; `--output json` is a file to edit, and to give to `create --schema`."""
    answer = session.client.templates.draft(file)
    session.output.rows(answer, answer["template_schema"], _SCHEMA)
    session.output.warn(answer["warnings"])


def _create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the template.")],
    schema: Annotated[
        Path,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="JSON of the columns, as of `draft`."),
    ],
) -> None:
    """Create a template."""
    created = session.client.templates.create(name, _read_schema(schema))
    session.output.record(created.info, {"id": created.id})


def _update(
    session: Session,
    template: Template,
    schema: Annotated[
        Path,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="JSON of the columns, as of `show`."),
    ],
) -> None:
    """Make the next version of a template; datasets keep the version that they were validated with."""
    updated = session.client.templates.get(id_or_name(template))
    updated.update(_read_schema(schema))
    session.output.record(updated.info, {"id": updated.id, "version": updated.version})


def _delete(session: Session, template: Template, yes: Yes = False) -> None:
    """Delete a template that no dataset uses."""
    deleted = session.client.templates.get(id_or_name(template))
    confirm(yes, f"Delete the template {deleted.name!r} ({deleted.id})?")
    deleted.delete()
    session.output.say(f"The template {deleted.name!r} is deleted.")


def _read_schema(path: Path) -> Any:
    """Return the list of columns of a file: the list itself, or an object that has it, as the API answers.

    Raises:
        BadParameter: the file is not JSON, or has no columns.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON: {error}") from error
    columns = content.get("template_schema") if isinstance(content, dict) else content
    if not isinstance(columns, list):
        raise typer.BadParameter(f"{path} has no list of columns.")
    return columns
