"""`dataml predict` and `dataml forecast`: use a model."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from dataml.cli.files import InputFile, say_written
from dataml.cli.options import check_threshold, id_or_name
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for
from dataml.client import errors

if TYPE_CHECKING:
    from dataml.client.sync.datasets import Dataset
    from dataml.client.sync.models import Model

FileFormat = Literal["csv", "parquet"]
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
        typer.Option(
            "--output-file", "--out", metavar="FILE", help="By default FILE-predictions.csv. `-` is stdout, as CSV."
        ),
    ] = None,
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Of the file; by default that of the ending of its name."),
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
    """Predict every row of a file, in the same order, and write the predictions to a CSV or Parquet file.

    Up to 5,000 plain rows are answered in real time. Other files are uploaded, scored by a batch job, and deleted from
    the platform once the result is here.
    """
    from dataml.client.prediction_files import format_of

    is_stdout = out is not None and str(out) == "-"
    if is_stdout and file_format == "parquet":
        raise typer.BadParameter("stdout takes CSV.", param_hint="--format")
    path = out or file.with_name(f"{file.stem}-predictions.{file_format or 'csv'}")
    written: FileFormat = "csv" if is_stdout else format_of(path, file_format)
    predictor = session.client.models.get(id_or_name(model))
    with _target(session, path, is_stdout=is_stdout) as target:
        if explain or keep or not _predict_in_real_time(session, predictor, file, target, written, threshold):
            _predict_by_batch(session, predictor, file, target, written, threshold, explain=explain, keep=keep)


@contextmanager
def _target(session: Session, path: Path, *, is_stdout: bool) -> Iterator[Path]:
    """Give the file to write, and print it at the end where it stands for stdout."""
    if not is_stdout:
        yield path
        say_written(session, path)
        return
    with tempfile.TemporaryDirectory(prefix="dataml-") as folder:
        target = Path(folder) / "predictions.csv"
        yield target
        with target.open(encoding="utf-8", newline="") as text:
            shutil.copyfileobj(text, sys.stdout)


def _predict_in_real_time(
    session: Session, model: "Model", file: Path, target: Path, written: FileFormat, threshold: float | None
) -> bool:
    """Predict the rows of a small file; False where a batch must do it."""
    from dataml.client import prediction_files, predictions

    if model.problem_type == "Forecast":
        return False
    ids = [name for name, role in model.info["roles"].items() if role == "Id"]
    columns = model.columns()
    rows = prediction_files.read_rows(file, columns, ids, predictions.MAX_REALTIME_ROWS)
    if rows is None:
        return False
    result = model.predict(rows, threshold=threshold, progress=session.progress)
    prediction_files.write_rows(target, rows, result, ids, columns.result_types, written)
    _report(session, *prediction_files.count(result))
    return True


def _predict_by_batch(
    session: Session,
    model: "Model",
    file: Path,
    target: Path,
    written: FileFormat,
    threshold: float | None,
    *,
    explain: bool,
    keep: bool,
) -> None:
    with _uploaded(session, file, keep=keep) as dataset:
        job = model.predict_dataset(dataset, explain=explain, threshold=threshold, wait=False)
        batch = wait_for(session, job, f"predict {file.name}")
        batch.download(target, format=written, progress=session.progress)
    _report(session, batch.row_count, batch.error_count)
    session.output.warn(batch.info["warnings"])


@contextmanager
def _uploaded(session: Session, file: Path, *, keep: bool) -> Iterator["Dataset"]:
    """Upload a file with rows to predict, and delete its dataset at the end, unless it is kept."""
    name = f"{file.stem} {time.time_ns() // 1_000_000}"
    job = session.client.datasets.upload(file, name, usage="prediction", wait=False, progress=session.progress)
    dataset_id = job.info["subject_id"]
    try:
        yield wait_for(session, job, f"validate {file.name}")
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
        session.client.datasets.get(dataset_id).delete()
    except errors.ClientError as error:
        session.output.say(f"The dataset {dataset_id} stays on the platform: {error.detail}")


def _report(session: Session, row_count: int, error_count: int) -> None:
    session.output.say(f"{row_count:,} rows, {error_count:,} with an error in place of a prediction.")


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
    """Forecast the next steps of series, with bounds.

    The confidence is the accuracy in the backtest, 1 - WAPE at that number of steps ahead, and no probability.
    """
    training = session.client.models.get(id_or_name(model)).info
    body: dict[str, Any] = {
        "train_id": training["id"],
        "preprocess_id": training["preprocess_id"],
        "steps": steps,
        "round": round_values,
    }
    chosen = {
        "frequency": frequency,
        "unique_ids": series or ("all" if "Id" in training["roles"].values() else None),
        "dataset_id": session.client.datasets.get(id_or_name(observations)).id if observations else None,
        "level": level,
    }
    body |= {field: value for field, value in chosen.items() if value is not None}
    if future is None:
        _print_forecast(session, body)
        return
    with _uploaded(session, future, keep=keep) as dataset:
        _print_forecast(session, body | {"future": {"dataset_id": dataset.id}})


def _print_forecast(session: Session, body: Any) -> None:
    answer = session.api.forecast(body)
    session.output.rows(answer, answer["forecast"], _STEP)
    session.output.warn(answer["warnings"])
