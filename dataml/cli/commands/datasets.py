"""`dataml datasets`: upload files, see what is in them and what is wrong with them."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from dataml.cli import lookup
from dataml.cli.exit_codes import ExitCode
from dataml.cli.files import write_file
from dataml.cli.options import DEFAULT_LIMIT, Limit, NoWait, Offset, Yes, confirm, print_page
from dataml.cli.session import Session, client_command
from dataml.cli.uploads import InputFile, open_parts
from dataml.cli.waiting import wait_for_job

app = typer.Typer(help="Upload files, see what is in them and what is wrong with them.", no_args_is_help=True)

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Id or name of the dataset.")]
_COLUMNS: Final = ("id", "dataset_name", "usage", "state", "kept_records", "total_records", "version", "created_at")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "upload")(_upload)
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "view")(_view)
    client_command(app, "errors")(_errors)
    client_command(app, "statistics")(_statistics)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="datasets", rich_help_panel=panel)


def _upload(
    session: Session,
    files: Annotated[list[Path], InputFile("CSV or Parquet files, with the same columns.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the dataset; by default of the file.")] = None,
    for_prediction: Annotated[
        bool, typer.Option("--for-prediction", help="Rows to predict, in place of rows to train with.")
    ] = False,
    template: Annotated[
        str | None,
        typer.Option(metavar="TEMPLATE", help="Id or name of the template; without one the types are inferred."),
    ] = None,
    on_error: Annotated[
        Literal["quarantine", "reject"] | None,
        typer.Option(help="A wrong cell quarantines its row (default), or rejects the upload."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Encoding; found out if not given.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="Between cells; found out if not given.")
    ] = None,
    header_row: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Line of the header; found out if not given.")
    ] = None,
    lake_table: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Also write the rows to this lake table.")
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Upload files as a dataset, and wait until it is validated."""
    query: dict[str, Any] = {
        "dataset_name": name or files[0].stem,
        "usage": "p" if for_prediction else "t",
        "template_id": lookup.template_id(session, template) if template else None,
        "on_error": on_error,
        "encoding": encoding,
        "delimiter": delimiter,
        "header_row": header_row,
        "iceberg_table_name": lake_table,
    }
    with open_parts(files) as parts, session.output.progress("upload", in_bytes=True) as report:
        uploaded = session.api.upload_dataset(parts, report_bytes=report, **query)
    if no_wait:
        session.output.record(uploaded, {"dataset_id": uploaded["dataset_id"], "job_id": uploaded["job_id"]})
        return
    wait_for_job(session, uploaded["job_id"], f"validate {uploaded['dataset_name']}")
    _print_validated(session, uploaded["dataset_id"])


def _print_validated(session: Session, dataset_id: int) -> None:
    dataset = session.api.get_dataset(dataset_id=dataset_id)
    session.output.record(dataset, _summary(dataset))
    session.output.warn(dataset["warnings"])
    if dataset["error_summary"]["total_errors"]:
        session.output.say(f"See the wrong cells with: dataml datasets errors {dataset_id}")
    if dataset["state"] != "valid":
        raise typer.Exit(ExitCode.JOB_FAILED)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the datasets, newest first."""
    print_page(session, session.api.list_datasets(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, dataset: Dataset) -> None:
    """Show a dataset: its state, its columns and its wrong cells in numbers."""
    answer = session.api.get_dataset(dataset_id=lookup.dataset_id(session, dataset))
    session.output.record(answer, _summary(answer))


def _summary(dataset: Any) -> dict[str, Any]:
    columns = [f"{each['column_name']} ({each['data_type']})" for each in dataset["schema"] or []]
    return {
        "id": dataset["id"],
        "name": dataset["dataset_name"],
        "usage": dataset["dataset_usage"],
        "state": dataset["state"],
        "failure": dataset["failure"],
        "rows": f"{dataset['kept_records']:,} of {dataset['total_records']:,} kept",
        "wrong_cells": dataset["error_summary"]["total_errors"],
        "template": dataset["template_name"],
        "version": dataset["version"],
        "created": f"{dataset['created_at']} by {dataset['created_by']}",
        "columns": "\n".join(columns),
    }


def _view(
    session: Session,
    dataset: Dataset,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="The rows with wrong cells, as the files have them.")
    ] = False,
    limit: Limit = 20,
    offset: Offset = 0,
) -> None:
    """Show rows of a dataset."""
    rows: Literal["kept", "set_aside"] = "set_aside" if quarantined else "kept"
    answer = session.api.view_dataset(
        dataset_id=lookup.dataset_id(session, dataset), rows=rows, limit=limit, offset=offset
    )
    page = answer["preview"]
    session.output.rows(answer, page, list(dict.fromkeys(name for row in page for name in row)))


def _errors(
    session: Session,
    dataset: Dataset,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all wrong cells to this CSV file, not only the first.")
    ] = None,
) -> None:
    """Show the wrong cells of a dataset: row, column, value and reason."""
    dataset_id = lookup.dataset_id(session, dataset)
    if out is not None:
        write_file(session, out, session.api.get_dataset_error_report_csv(dataset_id=dataset_id).encode())
        return
    answer = session.api.get_dataset_error_report(dataset_id=dataset_id)
    cells = [cell for file in answer["files"] for cell in file["first"]]
    session.output.rows(answer, cells, ("file", "row", "column", "value", "rule", "reason"))
    wrong, total = answer["rows_with_errors"], answer["total_records"]
    session.output.say(f"{answer['total_errors']:,} wrong cells in {wrong:,} of {total:,} rows.")
    if len(cells) < answer["total_errors"]:
        session.output.say("These are the first ones; --out FILE writes all.")


def _statistics(session: Session, dataset: Dataset) -> None:
    """Compute the statistics of a dataset's columns, and show them."""
    dataset_id = lookup.dataset_id(session, dataset)
    started = session.api.generate_dataset_statistics(dataset_id=dataset_id)
    wait_for_job(session, started["job_id"], "statistics")
    answer = session.api.get_dataset_statistics(dataset_id=dataset_id)
    columns = (answer["statistics"] or {}).get("columns", {})
    rows = [{"column": name, **values} for name, values in columns.items()]
    session.output.rows(answer, rows, ("column", "type", "missing", "distinct", "mean", "min", "max"))


def _delete(session: Session, dataset: Dataset, yes: Yes = False) -> None:
    """Delete a dataset that no training uses, with its files."""
    dataset_id = lookup.dataset_id(session, dataset)
    confirm(yes, f"Delete the dataset {dataset_id} with its files?")
    session.output.say(session.api.delete_dataset(dataset_id)["message"])
