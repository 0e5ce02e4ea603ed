"""`dataml datasets`: upload files, see what is in them and what is wrong with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from dataml.cli.exit_codes import ExitCode
from dataml.cli.files import InputFile, write_file
from dataml.cli.options import DEFAULT_LIMIT, Limit, NoWait, Offset, Yes, confirm, id_or_name, print_page
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for

if TYPE_CHECKING:
    from dataml.client.sync.datasets import Dataset as DatasetHandle

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
    options: dict[str, Any] = {
        "usage": "prediction" if for_prediction else "training",
        "template": session.client.templates.get(id_or_name(template)).id if template else None,
        "on_error": on_error,
        "encoding": encoding,
        "delimiter": delimiter,
        "header_row": header_row,
        "lake_table": lake_table,
    }
    dataset_name = name or files[0].stem
    job = session.client.datasets.upload(files, dataset_name, wait=False, progress=session.progress, **options)
    if no_wait:
        session.output.record(job.info, {"dataset_id": job.info["subject_id"], "job_id": job.id})
        return
    _print_validated(session, wait_for(session, job, f"validate {dataset_name}"))


def _print_validated(session: Session, dataset: "DatasetHandle") -> None:
    session.output.record(dataset.info, _summary(dataset.info))
    session.output.warn(dataset.info["warnings"])
    if dataset.info["error_summary"]["total_errors"]:
        session.output.say(f"See the wrong cells with: dataml datasets errors {dataset.id}")
    if not dataset.is_valid:
        raise typer.Exit(ExitCode.JOB_FAILED)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the datasets, newest first."""
    print_page(session, session.api.list_datasets(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, dataset: Dataset) -> None:
    """Show a dataset: its state, its columns and its wrong cells in numbers."""
    answer = _get(session, dataset).info
    session.output.record(answer, _summary(answer))


def _get(session: Session, dataset: str) -> "DatasetHandle":
    return session.client.datasets.get(id_or_name(dataset))


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
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Sort the rows by this column; -COLUMN for the reverse.")
    ] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> None:
    """Show rows of a dataset."""
    rows: Literal["kept", "set_aside"] = "set_aside" if quarantined else "kept"
    answer = session.api.view_dataset(
        dataset_id=_get(session, dataset).id, rows=rows, limit=limit, offset=offset, sort=sort
    )
    page = answer["preview"]
    session.output.rows(answer, page, list(dict.fromkeys(name for row in page for name in row)))


def _errors(
    session: Session,
    dataset: Dataset,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all wrong cells to this CSV file, not only the first.")
    ] = None,
    column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Only cells of this column.")] = None,
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="Only cells that break this rule.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many, at most.")] = None,
    offset: Annotated[int | None, typer.Option(help="Leave out the first ones.")] = None,
) -> None:
    """Show the wrong cells of a dataset: row, column, value and reason."""
    found = _get(session, dataset)
    if out is not None:
        write_file(session, out, session.api.get_dataset_error_report_csv(dataset_id=found.id).encode())
        return
    if (column, rule, limit, offset) != (None, None, None, None):
        page = session.api.list_wrong_cells(dataset_id=found.id, column=column, rule=rule, limit=limit, offset=offset)
        session.output.rows(page, page["data"], ("file", "row", "column", "value", "rule", "reason"))
        session.output.say(f"{len(page['data']):,} of {page['total']:,} wrong cells.")
        return
    cells = found.errors()
    answer = cells.info
    session.output.rows(answer, cells, cells.columns)
    wrong, total = answer["rows_with_errors"], answer["total_records"]
    session.output.say(f"{answer['total_errors']:,} wrong cells in {wrong:,} of {total:,} rows.")
    if len(cells) < answer["total_errors"]:
        session.output.say("These are the first ones; --out FILE writes all.")


def _statistics(session: Session, dataset: Dataset) -> None:
    """Compute the statistics of a dataset's columns, and show them."""
    statistics = wait_for(session, _get(session, dataset).start_statistics(), "statistics")
    rows = [{"column": name, **values} for name, values in statistics.get("columns", {}).items()]
    session.output.rows(statistics, rows, ("column", "type", "missing", "distinct", "mean", "min", "max"))


def _delete(session: Session, dataset: Dataset, yes: Yes = False) -> None:
    """Delete a dataset that no training uses, with its files."""
    deleted = _get(session, dataset)
    confirm(yes, f"Delete the dataset {deleted.name!r} ({deleted.id}) with its files?")
    deleted.delete()
    session.output.say(f"The dataset {deleted.name!r} is deleted.")
