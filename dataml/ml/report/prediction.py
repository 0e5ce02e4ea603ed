"""The data of a report on a classification or a regression."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from dataml.ml.report.metrics import Interval, Metric, make_interval, read_metrics, select_headlines
from dataml.ml.report.svg_charts import draw_charts

_HEADLINES: Final = ("accuracy", "roc_auc", "f1_score", "log_loss", "r2", "rmse", "mae")
_CRITERIA: Final = {"best_f1": "F1", "best_youden": "Youden's J"}
_CHARTS: Final = (
    "confusion_matrix",
    "roc_curve",
    "pr_curve",
    "calibration_curve",
    "thresholds",
    "per_class",
    "predicted_vs_true",
    "residual_histogram",
    "interval_coverage",
)


@dataclass(frozen=True)
class PredictionInterval:
    """An interval around a prediction: its level, half its width, and how often it held the true value."""

    level: float
    half_width: float | None
    coverage: float | None
    coverage_interval: Interval | None


@dataclass(frozen=True)
class ResidualQuantile:
    """A quantile of true minus predicted values; `level` is from 0 to 1."""

    level: float
    value: float | None


@dataclass(frozen=True)
class ThresholdScores:
    """The scores of a binary model that calls a row positive from this probability on.

    `best_by` names the criterion by which this threshold is the best, if there is one.
    """

    threshold: float
    precision: float | None
    recall: float | None
    f1_score: float | None
    specificity: float | None
    predicted_positive: float | None
    best_by: str = ""


@dataclass(frozen=True)
class PerClassScores:
    """The scores of one class; `n_rows` counts its held-out rows."""

    name: str
    n_rows: int
    precision: float | None
    recall: float | None
    f1_score: float | None
    roc_auc: float | None


@dataclass(frozen=True)
class ProbabilityScores:
    """How far probabilities are from what came true; less is better."""

    expected_calibration_error: float | None
    log_loss: float | None
    brier: float | None


@dataclass(frozen=True)
class CalibrationScores:
    """The scores of the probabilities of `class_name`, and those before calibration where there was one."""

    class_name: str
    scores: ProbabilityScores
    before: ProbabilityScores | None


@dataclass(frozen=True)
class PredictionReport:
    """What the template `prediction.html` shows of a model's evaluation.

    `kept_threshold` is the decision threshold that is kept with the model, and `kept_by` the criterion that chose it;
    both are None where there is none.
    """

    n_rows: int | None
    metrics: tuple[Metric, ...]
    headlines: tuple[Metric, ...]
    charts: tuple[Markup, ...]
    intervals: tuple[PredictionInterval, ...]
    residual_quantiles: tuple[ResidualQuantile, ...]
    thresholds: tuple[ThresholdScores, ...]
    kept_threshold: float | None
    kept_by: str | None
    classes: tuple[PerClassScores, ...]
    n_omitted_classes: int
    calibration: CalibrationScores | None


def read_prediction_report(summary: Mapping[str, Any], report: Mapping[str, Any]) -> PredictionReport:
    """Return the data of the page from a manifest's summary and an evaluation's details, which may be empty."""
    metrics = read_metrics(summary, report)
    return PredictionReport(
        n_rows=(summary.get("rows") or {}).get("test") or report.get("rows"),
        metrics=metrics,
        headlines=select_headlines(metrics, _HEADLINES),
        charts=draw_charts(report.get("charts") or {}, _CHARTS),
        intervals=_read_intervals(report.get("intervals") or {}),
        residual_quantiles=tuple(
            ResidualQuantile(float(level), value) for level, value in (report.get("residual_quantiles") or {}).items()
        ),
        thresholds=_read_thresholds(report.get("thresholds") or {}),
        kept_threshold=summary.get("threshold"),
        kept_by=_CRITERIA.get(summary.get("threshold_criterion") or ""),
        classes=_read_classes(report.get("per_class") or {}),
        n_omitted_classes=report.get("per_class_left_out") or 0,
        calibration=_read_calibration(report.get("calibration") or {}),
    )


def _read_intervals(by_level: Mapping[str, Any]) -> tuple[PredictionInterval, ...]:
    return tuple(
        PredictionInterval(
            float(level),
            each["half_width"],
            each["coverage"],
            make_interval(each["coverage_low"], each["coverage_high"]),
        )
        for level, each in by_level.items()
    )


def _read_thresholds(thresholds: Mapping[str, Any]) -> tuple[ThresholdScores, ...]:
    """Return the rows of the table in the order of thresholds, the best ones among the others."""
    if not thresholds:
        return ()
    best = {label: thresholds[criterion] for criterion, label in _CRITERIA.items()}
    rows = [_read_threshold(row, "") for row in thresholds["table"]]
    rows += [_read_threshold(row, name) for name, row in best.items() if row]
    return tuple(sorted(rows, key=lambda row: row.threshold))


def _read_threshold(row: Mapping[str, Any], best_by: str) -> ThresholdScores:
    return ThresholdScores(
        row["threshold"],
        row["precision"],
        row["recall"],
        row["f1_score"],
        row["specificity"],
        row["predicted_positive"],
        best_by,
    )


def _read_classes(by_class: Mapping[str, Any]) -> tuple[PerClassScores, ...]:
    return tuple(
        PerClassScores(name, each["support"], each["precision"], each["recall"], each["f1_score"], each["roc_auc"])
        for name, each in by_class.items()
    )


def _read_calibration(calibration: Mapping[str, Any]) -> CalibrationScores | None:
    if not calibration:
        return None
    before = calibration.get("before")
    return CalibrationScores(
        calibration["of"], _read_probability_scores(calibration), _read_probability_scores(before) if before else None
    )


def _read_probability_scores(scores: Mapping[str, Any]) -> ProbabilityScores:
    return ProbabilityScores(scores["expected_calibration_error"], scores["log_loss"], scores["brier"])
