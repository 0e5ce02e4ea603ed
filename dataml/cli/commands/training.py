"""`dataml train`: learn to predict a column of a dataset."""

import json
from typing import Annotated, Any, Final

import typer

from dataml.cli.commands.models import print_model
from dataml.cli.options import NoWait, id_or_name
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for

Names = list[str] | None
_DEFAULT_DOMAIN: Final = "General"


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the command to the command line."""
    client_command(root, "train", panel=panel)(_train)


def _train(
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id or name of the dataset.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column to predict.")],
    problem: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="classification, regression or forecast; by the target if not given."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the model; by default of the dataset.")] = None,
    id_column: Annotated[
        Names, typer.Option("--id", metavar="COLUMN", help="Column that only identifies a row, or names a series.")
    ] = None,
    time_column: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="Column of times: rows are held out by time.")
    ] = None,
    ignore: Annotated[Names, typer.Option(metavar="COLUMN", help="Column to leave out.")] = None,
    exogenous: Annotated[
        Names, typer.Option(metavar="COLUMN", help="Column of a forecast that is known in the future.")
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option(metavar="NAME", help="By default the best of those that suit the data.")
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="fast, balanced or best: how much is tried; balanced by default."),
    ] = None,
    time_limit: Annotated[
        int | None, typer.Option("--time-limit", min=1, metavar="SECONDS", help="That the training may take.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(min=1, metavar="STEPS", help="Steps of a forecast.")] = None,
    domain: Annotated[str, typer.Option(metavar="TEXT", help="What the model is about.")] = _DEFAULT_DOMAIN,
    tune: Annotated[int | None, typer.Option(min=1, metavar="TRIALS", help="Search for hyperparameters.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="Of everything that is random.")] = None,
    new_version: Annotated[
        bool, typer.Option("--new-version", help="Train the next version of a model that exists.")
    ] = False,
    parameters: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="More fields of the request, such as '{\"hyperparameters\": {...}}'."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Show what would be trained, or why it is refused; start nothing.")
    ] = False,
    no_wait: NoWait = False,
) -> None:
    """Train a model on a dataset, wait for it, and show its metrics."""
    about = session.client.datasets.get(id_or_name(dataset))
    if problem is None and about.data_type(target) is None:
        known = ", ".join(each["column_name"] for each in about.columns) or "none"
        raise typer.BadParameter(f"The dataset has no column {target!r}; it has {known}.", param_hint="--target")
    options: dict[str, Any] = {
        "name": name,
        "problem_type": problem,
        "id": id_column,
        "time": time_column,
        "ignore": ignore,
        "exogenous": exogenous,
        "algorithm": algorithm,
        "quality": quality,
        "time_limit_s": time_limit,
        "horizon": horizon,
        "domain": domain,
        "tuning": {"trials": tune} if tune else None,
        "seed": seed,
        "new_version": new_version,
        "parameters": _object(parameters),
    }
    if check:
        checked = session.client.check_training(about, target, **options)
        session.output.record(checked, dict(checked))
        return
    job = session.client.train(about, target, wait=False, **options)
    if no_wait:
        train_id = job.info["subject_id"]
        session.output.record({"id": train_id} | job.info, {"train_id": train_id, "job_id": job.id})
        return
    print_model(session, wait_for(session, job, f"train {name or about.name}"))


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise typer.BadParameter(f"It is not JSON: {error}", param_hint="--parameters") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("It is not an object.", param_hint="--parameters")
    return value
