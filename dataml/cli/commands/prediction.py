"""`dataml predict` and `dataml forecast`: use a model."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dataml.cli import lookup
from dataml.cli.files import open_whole
from dataml.cli.options import check_threshold
from dataml.cli.session import Session, client_command
from dataml.cli.uploads import InputFile, open_parts
from dataml.cli.waiting import wait_for_job
from dataml.client import errors

_PARQUET: Final = (".parquet", ".pq")
_STEP: Final = ("unique_id", "date", "value", "lower", "upper", "confidence")
Keep = Annotated[bool, typer.Option("--keep", help="Keep the uploaded dataset and the result on the platform.")]


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(root, "predict", panel=panel)(_predict)
    client_command(root, "forecast", panel=panel)(_forecast)


def _predict(
    session: Session,
    file: Annotated[Path, InputFile("CSV or Parquet file with the rows to predict.")],
    model: Annotated[str, typer.Option(metavar="MODEL", help="Id, name or NAME@VERSION of the model.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV file; by default FILE-predictions.csv. `-` is stdout."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Add what moved each prediction.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            callback=check_threshold,
            help="Of two classes: predict the positive one from this probability on.",
        ),
    ] = None,
    keep: Keep = False,
) -> None:
    """Predict every row of a file, in the same order, and write the predictions to a file.

    The file is uploaded, scored by a batch job, and deleted from the platform once the result is here.
    """
    train_id = lookup.train_id(session, model)
    path = out or file.with_name(f"{file.stem}-predictions.csv")
    if path.suffix.lower() in _PARQUET:
        raise typer.BadParameter("Predictions are written as CSV.", param_hint="--out")
    with _uploaded(session, file, keep=keep) as dataset_id:
        body: Any = {"train_id": train_id, "dataset_id": dataset_id, "explain": explain}
        if threshold is not None:
            body["threshold"] = threshold
        started = session.api.start_batch_prediction(body)
        wait_for_job(session, started["job_id"], f"predict {file.name}")
        result = session.api.get_batch_result(prediction_id=started["prediction_id"])
        _download(session, result, path)
    _report(session, result, path)


@contextmanager
def _uploaded(session: Session, file: Path, *, keep: bool) -> Iterator[int]:
    """Upload a file with rows to predict, and delete its dataset at the end, unless it is kept."""
    name = f"{file.stem} {time.time_ns() // 1_000_000}"
    with open_parts([file]) as parts, session.output.progress("upload", in_bytes=True) as report:
        uploaded = session.api.upload_dataset(parts, dataset_name=name, usage="p", report_bytes=report)
    dataset_id = uploaded["dataset_id"]
    try:
        wait_for_job(session, uploaded["job_id"], f"validate {file.name}")
        yield dataset_id
    except (typer.Exit, KeyboardInterrupt):
        # Ctrl-C: the job that goes on needs its rows.
        session.output.say(f"The rows stay on the platform as the dataset {dataset_id}.")
        raise
    except (errors.ClientError, OSError):
        _discard(session, dataset_id)
        raise
    if keep:
        session.output.say(f"The rows and the result stay on the platform as the dataset {dataset_id}.")
    else:
        _discard(session, dataset_id)


def _discard(session: Session, dataset_id: int) -> None:
    try:
        session.api.delete_dataset(dataset_id)
    except errors.ClientError as error:
        session.output.say(f"The dataset {dataset_id} stays on the platform: {error.detail}")


def _download(session: Session, result: Any, path: Path) -> None:
    name = result["result_path"]
    if str(path) == "-":
        session.output.text(session.api.download_file(file_path=name).decode())
        return
    with open_whole(path) as target, session.output.progress("download", in_bytes=True) as report:
        session.transport.download("/api/v1/files/download", target, query={"file_path": name}, report_bytes=report)


def _report(session: Session, result: Any, path: Path) -> None:
    failed = result["failed_records"]
    session.output.say(f"{path}: {result['no_of_records']:,} rows, {failed:,} with an error in place of a prediction.")
    session.output.warn(result["warnings"])


def _forecast(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Id, name or NAME@VERSION of the model.")],
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Steps to forecast.")],
    frequency: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Day, Week, Month, ...; by default that of the data.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this series; all if none is given.")
    ] = None,
    observations: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Values since the training; the forecast starts behind them.")
    ] = None,
    future: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="CSV or Parquet file with the exogenous columns."
        ),
    ] = None,
    level: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="Of the values within the bounds, such as 80.")
    ] = None,
    round_values: Annotated[bool, typer.Option("--round", help="Whole numbers, for an Integer target.")] = False,
    keep: Keep = False,
) -> None:
    """Forecast the next steps of series, with bounds."""
    train_id = lookup.train_id(session, model)
    training = session.api.get_training(train_id)
    body: dict[str, Any] = {
        "train_id": train_id,
        "preprocess_id": training["preprocess_id"],
        "steps": steps,
        "round": round_values,
    }
    chosen = {
        "frequency": frequency,
        "unique_ids": series or ("all" if "Id" in training["roles"].values() else None),
        "dataset_id": lookup.dataset_id(session, observations) if observations else None,
        "level": level,
    }
    body |= {field: value for field, value in chosen.items() if value is not None}
    if future is None:
        _print_forecast(session, body)
        return
    with _uploaded(session, future, keep=keep) as dataset_id:
        _print_forecast(session, body | {"future": {"dataset_id": dataset_id}})


def _print_forecast(session: Session, body: Any) -> None:
    answer = session.api.forecast(body)
    session.output.rows(answer, answer["forecast"], _STEP)
    session.output.warn(answer["warnings"])
