"""`dataml train`: learn to predict a column of a dataset."""

import json
from typing import Annotated, Any, Final

import typer

from dataml.cli import lookup
from dataml.cli.commands.models import print_model
from dataml.cli.options import NoWait
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for_job

Names = list[str] | None
_DEFAULT_DOMAIN: Final = "General"
# An Integer can be a number or the name of a class; its user says which.
_PROBLEMS: Final = {"String": "Classification", "Boolean": "Classification", "Float": "Regression"}


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the command to the command line."""
    client_command(root, "train", panel=panel)(_train)


def _train(
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id or name of the dataset.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column to predict.")],
    problem: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="classification, regression or forecast; of the target's type if not given."),
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
    no_wait: NoWait = False,
) -> None:
    """Train a model on a dataset, wait for it, and show its metrics."""
    dataset_id = lookup.dataset_id(session, dataset)
    about = session.api.get_dataset(dataset_id=dataset_id)
    roles = {"Target": [target], "Id": id_column, "Time": [time_column], "Ignore": ignore, "Exogenous": exogenous}
    body: dict[str, Any] = {
        "dataset_id": dataset_id,
        "predictor_name": name or about["dataset_name"],
        "domain": domain,
        "problem_type": problem or _problem(about, target, time_column, horizon),
        "columns": [
            {"column_name": column, "attribute_name": role}
            for role, columns in roles.items()
            for column in columns or []
            if column is not None
        ],
        "new_version": new_version,
    }
    chosen = {
        "algorithm": algorithm,
        "seed": seed,
        "tuning": {"trials": tune} if tune else None,
        "forecast": {"horizon": horizon} if horizon else None,
    }
    body |= {field: value for field, value in chosen.items() if value is not None}
    started: Any = session.api.create_training(body | _object(parameters))  # type: ignore[arg-type]
    if no_wait:
        session.output.record(started, {"train_id": started["id"], "job_id": started["job_id"]})
        return
    wait_for_job(session, started["job_id"], f"train {started['predictor_name']}")
    print_model(session, started["id"])


def _problem(dataset: Any, target: str, time_column: str | None, horizon: int | None) -> str:
    """Return the kind of problem that the target's type stands for.

    Raises:
        BadParameter: the type leaves it open.
    """
    if time_column is not None and horizon is not None:
        return "Forecast"
    types = {each["column_name"]: each["data_type"] for each in dataset["schema"] or []}
    if target not in types:
        known = ", ".join(types) or "none"
        raise typer.BadParameter(f"The dataset has no column {target!r}; it has {known}.", param_hint="--target")
    if types[target] not in _PROBLEMS:
        detail = f"{target!r} is of the type {types[target]}: say which kind of problem it is."
        raise typer.BadParameter(detail, param_hint="--problem")
    return _PROBLEMS[types[target]]


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise typer.BadParameter(f"It is not JSON: {error}", param_hint="--parameters") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("It is not an object.", param_hint="--parameters")
    return value
