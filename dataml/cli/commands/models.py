"""`dataml models`: what was trained, and how good it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dataml.cli import lookup
from dataml.cli.files import open_whole, write_file
from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, check_threshold, confirm, print_page
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for_job
from dataml.client.job_states import ENDED

app = typer.Typer(help="See what was trained, and how good it is.", no_args_is_help=True)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Id, name (of its promoted version, else of the newest) or NAME@VERSION of the model."
    ),
]
_COLUMNS: Final = (
    "id",
    "predictor_name",
    "version",
    "problem_type",
    "algorithm",
    "metric",
    "metric_value",
    "state",
    "is_promoted",
    "created_at",
)
_CRITERIA: Final = ("best_f1", "best_youden", "default")
_THRESHOLD_FIELDS: Final = ("threshold", "threshold_source", "positive_class")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "report")(_report)
    client_command(app, "importance")(_importance)
    client_command(app, "threshold")(_threshold)
    client_command(app, "export")(_export)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="models", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the models, newest first."""
    print_page(session, session.api.list_trainings(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, model: Model) -> None:
    """Show a model: its state, what it was trained on, and its metrics."""
    print_model(session, lookup.train_id(session, model))


def print_model(session: Session, train_id: int) -> None:
    """Print a model, and its warnings as messages."""
    answer = session.api.get_training(train_id)
    session.output.record(answer, _summary(answer))
    session.output.warn(answer["warnings"])


def _summary(training: Any) -> dict[str, Any]:
    roles = [f"{name} ({role})" for name, role in training["roles"].items() if role != "Feature"]
    metrics = [f"{name}: {_number(value)}" for name, value in _numbers(training["metrics"])]
    return {
        "id": training["id"],
        "name": training["predictor_name"],
        "version": training["version"],
        "problem": training["problem_type"],
        "model": training["model"] or training["algorithm"],
        "state": training["state"],
        "error": training["error"],
        "promoted": training["is_promoted"],
        "dataset": f"{training['dataset_name']} ({training['dataset_id']})",
        "columns": ", ".join(roles),
        "metrics": "\n".join(metrics),
        "threshold": _describe_threshold(training),
        "created": f"{training['created_at']} by {training['created_by']}",
    }


def _describe_threshold(training: Any) -> str | None:
    # A platform of an older version does not answer them.
    value, source = training.get("threshold"), training.get("threshold_source")
    return None if value is None else f"{_number(value)} ({source})"


def _numbers(metrics: Mapping[str, Any] | None) -> list[tuple[str, float]]:
    return [(name, value) for name, value in (metrics or {}).items() if isinstance(value, int | float)]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _report(
    session: Session,
    model: Model,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the whole report: a page (.html), or its data (.json).")
    ] = None,
) -> None:
    """Show the metrics of a model, or write its report to a file."""
    train_id = lookup.train_id(session, model)
    if out is not None and out.suffix.lower() in (".html", ".htm"):
        write_file(session, out, session.api.get_training_report_html(train_id).encode())
        return
    answer = session.api.get_training_report(train_id)
    if out is None:
        rows = [{"metric": name, "value": value} for name, value in _numbers(answer["summary"].get("metrics"))]
        session.output.rows(answer, rows, ("metric", "value"))
    elif out.suffix.lower() == ".json":
        write_file(session, out, json.dumps(answer, indent=2, ensure_ascii=False).encode())
    else:
        raise typer.BadParameter("The name must end with .html or .json.", param_hint="--out")


def _importance(session: Session, model: Model) -> None:
    """Show how much each feature moves the predictions of a model."""
    train_id = lookup.train_id(session, model)
    started = session.api.generate_feature_importance(train_id=train_id)
    if session.api.get_job(started["shap_job_id"])["state"] not in ENDED:
        wait_for_job(session, started["shap_job_id"], "feature importance")
    answer = session.api.get_feature_importance(train_id=train_id)
    shares = sorted(answer["feature_importance"].items(), key=lambda item: -item[1])
    rows = [{"feature": name, "importance": share} for name, share in shares]
    session.output.rows(answer, rows, ("feature", "importance"))


def _threshold(
    session: Session,
    model: Model,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="A number between 0 and 1, `best_f1`, `best_youden` or `default`."),
    ] = None,
) -> None:
    """Show the decision threshold of a model of two classes, or keep another one with it.

    The positive class is predicted where its probability is at least the threshold.
    """
    train_id = lookup.train_id(session, model)
    if value is None:
        training: Any = session.api.get_training(train_id)
        answer = {"train_id": train_id} | {name: training.get(name) for name in _THRESHOLD_FIELDS}
    else:
        answer = dict(session.api.set_threshold(train_id, _read_threshold(value)))
    session.output.record(answer, {name: answer[name] for name in _THRESHOLD_FIELDS})


def _read_threshold(value: str) -> Any:
    if value in _CRITERIA:
        return {"criterion": value}
    try:
        return {"threshold": check_threshold(float(value))}
    except ValueError as error:
        names = ", ".join(_CRITERIA)
        raise typer.BadParameter(f"It is a number between 0 and 1, or one of {names}.", param_hint="VALUE") from error


def _export(
    session: Session,
    model: Model,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="By default NAME-vVERSION.zip.")] = None,
) -> None:
    """Download a model as an archive that predicts without the platform."""
    training = session.api.get_training(lookup.train_id(session, model))
    path = out or Path(f"{training['url_name']}-v{training['version']}.zip")
    with open_whole(path) as file, session.output.progress("download", in_bytes=True) as report:
        session.transport.download(f"/api/v1/train/{training['id']}/export", file, report_bytes=report)
    session.output.say(f"{path}: {path.stat().st_size:,} bytes")


def _delete(session: Session, model: Model, yes: Yes = False) -> None:
    """Delete a model with its files; predictions that it made stay in the log."""
    train_id = lookup.train_id(session, model)
    confirm(yes, f"Delete the model {model} ({train_id})?")
    session.output.say(session.api.delete_training(train_id)["message"])
