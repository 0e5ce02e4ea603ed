"""`dataml models`: what was trained, and how good it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dataml.cli.files import say_written, write_file
from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, Yes, check_threshold, confirm, id_or_name, print_page
from dataml.cli.session import Session, client_command
from dataml.cli.waiting import wait_for

if TYPE_CHECKING:
    from dataml.client.sync.models import Model as ModelHandle

app = typer.Typer(help="See what was trained, and how good it is.", no_args_is_help=True)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Id, name (of its serving version, else of the newest) or NAME@VERSION of the model."
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
_CALLS_FIELDS: Final = ("requests", "errors", "p50_ms", "p99_ms")
_ENDPOINT_FIELDS: Final = ("predictor_name", "train_id", "wanted", "state", "replicas", *_CALLS_FIELDS)
_SERIES_FIELDS: Final = ("unique_id", "values", "first", "last")
_CRITERIA: Final = ("best_f1", "best_youden", "default")
_THRESHOLD_FIELDS: Final = ("threshold", "threshold_source", "positive_class")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "report")(_report)
    client_command(app, "importance")(_importance)
    client_command(app, "threshold")(_threshold)
    client_command(app, "series")(_series)
    client_command(app, "endpoints")(_endpoints)
    client_command(app, "export")(_export)
    client_command(app, "delete")(_delete)
    root.add_typer(app, name="models", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the models, newest first."""
    print_page(session, session.api.list_trainings(limit=limit, offset=offset), _COLUMNS, offset)


def _endpoints(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the deployments of models, and their calls in the last five minutes."""
    answer = session.api.list_endpoints(limit=limit, offset=offset)
    rows = [{**row, **_recent_calls(row["recent_calls"])} for row in answer["data"]]
    print_page(session, answer, _ENDPOINT_FIELDS, offset, rows=rows)


def _recent_calls(recent_calls: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: None if recent_calls is None else recent_calls[name] for name in _CALLS_FIELDS}


def _show(session: Session, model: Model) -> None:
    """Show a model: its state, what it was trained on, and its metrics."""
    print_model(session, _get(session, model))


def print_model(session: Session, model: "ModelHandle") -> None:
    """Print a model, and its warnings as messages."""
    session.output.record(model.info, _summary(model.info))
    session.output.warn(model.warnings)


def _get(session: Session, model: str) -> "ModelHandle":
    return session.client.models.get(id_or_name(model))


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
    train_id = _get(session, model).id
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
    importance = wait_for(session, _get(session, model).start_importance(), "feature importance")
    rows = [{"feature": name, "importance": share} for name, share in importance.items()]
    session.output.rows(importance.info, rows, ("feature", "importance"))


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
    training = _get(session, model)
    if value is None:
        answer = {"train_id": training.id} | {name: training.info.get(name) for name in _THRESHOLD_FIELDS}
    else:
        answer = dict(session.api.set_threshold(training.id, _read_threshold(value)))
    session.output.record(answer, {name: answer[name] for name in _THRESHOLD_FIELDS})


def _read_threshold(value: str) -> Any:
    if value in _CRITERIA:
        return {"criterion": value}
    try:
        return {"threshold": check_threshold(float(value))}
    except ValueError as error:
        names = ", ".join(_CRITERIA)
        raise typer.BadParameter(f"It is a number between 0 and 1, or one of {names}.", param_hint="VALUE") from error


def _series(
    session: Session,
    model: Model,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Only series with this text in their id.")] = None,
    level: Annotated[str | None, typer.Option(metavar="NAME", help="Only series of this level of a hierarchy.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> None:
    """List the series of a forecast model, each with the last step that was observed."""
    answer = session.api.list_series(_get(session, model).id, q=search, level=level, limit=limit, offset=offset)
    print_page(session, answer, _SERIES_FIELDS, offset)


def _export(
    session: Session,
    model: Model,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="By default NAME-vVERSION.zip.")] = None,
) -> None:
    """Download a model as an archive that predicts without the platform."""
    exported = _get(session, model)
    path = out or Path(f"{exported.info['url_name']}-v{exported.version}.zip")
    say_written(session, exported.export(path, progress=session.progress))


def _delete(session: Session, model: Model, yes: Yes = False) -> None:
    """Delete a model with its files; predictions that it made stay in the log."""
    deleted = _get(session, model)
    confirm(yes, f"Delete the model {deleted.name!r} of version {deleted.version} ({deleted.id})?")
    deleted.delete()
    session.output.say(f"The model {deleted.name!r} of version {deleted.version} is deleted.")
