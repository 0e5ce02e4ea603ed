"""How good a model is: the overview of it, and its report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from dataml.console.views import model_page
from dataml.console.views.model_page import Model
from dataml.console.visit import Visit
from dataml.ml.report.metrics import read_context, read_metrics, select_headlines

_HEADLINES: Final = {
    "Classification": ("accuracy", "roc_auc", "f1_score", "log_loss"),
    "Regression": ("r2", "rmse", "mae", "mape"),
    "Forecast": ("mase", "wape", "bias", "coverage", "rmsse"),
}
# Charts of the report in the order of the page; others follow them. Those with room for several series are wide.
_CHARTS: Final = {
    "confusion_matrix": "Right and wrong classes",
    "roc_curve": "ROC curve",
    "pr_curve": "Precision and recall",
    "calibration_curve": "Calibration",
    "thresholds": "Scores by threshold",
    "per_class": "F1 by class",
    "predicted_vs_true": "Predicted and true values",
    "residual_histogram": "Residuals",
    "interval_coverage": "Coverage of the intervals",
    "backtest": "Backtest",
    "future": "Forecast",
    "by_horizon": "Error by steps ahead",
    "coverage_by_horizon": "Coverage by steps ahead",
}
_WIDE_CHARTS: Final = ("backtest", "future")
_SHOWN_SEGMENTS: Final = 6


@dataclass(frozen=True)
class Candidate:
    """An algorithm that was tried: its error in the validation, and its share in the predictions of the model."""

    name: str
    error: float | None
    share: float
    note: str | None


async def show_overview(visit: Visit) -> Response:
    """Show what the model is, its main metrics, and the algorithms that were compared."""
    model = await model_page.read(visit)
    summary = model["summary"] or {}
    report = await _read_report(visit, model)
    return model_page.render(
        visit,
        model,
        "overview",
        headlines=select_headlines(read_metrics(summary, report), _HEADLINES.get(model["problem_type"], ())),
        candidates=_rank_candidates(summary),
        validation_metric=(summary.get("validation_metric") or "error").replace("_", " "),
        members=summary.get("members") or [],
        trials=(summary.get("tuning") or {}).get("trials") or [],
        rows=summary.get("rows") or {},
        forecast=summary.get("forecast"),
    )


async def show_report(visit: Visit) -> Response:
    """Show the report, measured on rows that the model never saw; its script draws the charts."""
    model = await model_page.read(visit)
    summary, report = model["summary"] or {}, await _read_report(visit, model)
    charts = report.get("charts") or {}
    return model_page.render(
        visit,
        model,
        "report",
        report=report,
        metrics=read_metrics(summary, report),
        context=read_context(summary),
        n_rows=(summary.get("rows") or {}).get("test") or report.get("rows"),
        charts=[(name, title, name in _WIDE_CHARTS) for name, title in _titles(charts).items()],
        interval_method=(summary.get("forecast") or {}).get("interval_method"),
    )


async def show_errors(visit: Visit) -> Response:
    """Show where the model is wrong: its score by the values of a column, and the worst rows."""
    model = await model_page.read(visit, is_forecast=False)
    report = await _read_report(visit, model)
    segments = report.get("segments") or {"metric": None, "columns": []}
    names = [each["column"] for each in segments["columns"]]
    wanted = visit.request.query_params.get("column")
    chosen = next((each for each in segments["columns"] if each["column"] == wanted), None)
    return model_page.render(
        visit,
        model,
        "errors",
        metric=segments["metric"],
        names=names,
        shown=[chosen] if chosen is not None else segments["columns"][:_SHOWN_SEGMENTS],
        chosen=wanted if chosen is not None else "",
        overall=(model["metrics"] or {}).get(segments["metric"]),
        worst=report.get("worst_rows") or [],
        has_rows="segments" in report,
    )


def _titles(charts: Mapping[str, Any]) -> dict[str, str]:
    known = {name: title for name, title in _CHARTS.items() if name in charts}
    return known | {name: name.replace("_", " ") for name in charts if name not in known}


async def _read_report(visit: Visit, model: Model) -> Mapping[str, Any]:
    if not model_page.is_ready(model):
        return {}
    return (await visit.api.get(f"/train/{model['id']}/report"))["report"]


def _rank_candidates(summary: Mapping[str, Any]) -> list[Candidate]:
    """Return the algorithms that were tried, least error first, and last those that were left out."""
    errors = summary.get("candidates") or {}
    shares = {member.get("name") or member["algorithm"]: member["weight"] for member in summary.get("members") or ()}
    left_out = (summary.get("forecast") or {}).get("left_out") or {}
    notes = {**(left_out if isinstance(left_out, Mapping) else {}), **(summary.get("limited_candidates") or {})}
    names = dict.fromkeys((*errors, *shares, *notes))
    candidates = [Candidate(name, errors.get(name), shares.get(name, 0.0), _note(notes.get(name))) for name in names]
    return sorted(candidates, key=lambda each: (each.error is None, each.error or 0.0))


def _note(value: Any) -> str | None:
    return None if value is None else str(value)
