"""What the scores of a model mean, in plain words and with its own numbers."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dataml.ml.report.markup import number


class Words(NamedTuple):
    """`better` is an arrow; `meaning` makes a sentence of the score and of the summary of the model."""

    title: str
    better: str
    meaning: Callable[[float, Mapping[str, Any]], str]


def words(name: str) -> Words:
    """Of any score; one without words of its own is told by its name."""
    return _WORDS.get(name) or Words(name.replace("_", " "), "", lambda value, summary: "")


def _accuracy(value: float, summary: Mapping[str, Any]) -> str:
    right = f"The predicted class is right for {value:.1%} of the rows."
    actual = [sum(row) for row in summary.get("confusion_matrix") or []]
    if not sum(actual):
        return right
    return f"{right} Naming the most frequent class each time would be right for {max(actual) / sum(actual):.1%}."


def _precision(value: float, summary: Mapping[str, Any]) -> str:
    named = _positive(summary)
    if named is None:
        return f"Of the rows given a class, {value:.1%} are of it: the mean over classes, weighted by their rows."
    return f"Of the rows called “{named}”, {value:.1%} are indeed."


def _recall(value: float, summary: Mapping[str, Any]) -> str:
    named = _positive(summary)
    if named is None:
        return f"Of the rows of a class, {value:.1%} are found: the mean over classes, weighted by their rows."
    return f"Of the rows that are “{named}”, {value:.1%} are found."


def _pr_auc(value: float, summary: Mapping[str, Any]) -> str:
    actual = [sum(row) for row in summary.get("confusion_matrix") or []]
    share = f" Guessing reaches {actual[1] / sum(actual):.3f} here." if len(actual) == 2 and sum(actual) else ""
    return f"Mean precision over all thresholds, weighted by the recall they add; apt when positives are rare.{share}"


def _r2(value: float, summary: Mapping[str, Any]) -> str:
    if value <= 0:
        return "The model is no better than predicting the mean each time."
    return f"The model explains {value:.1%} of how much the true values differ; 0 is predicting their mean each time."


def _mase(value: float, summary: Mapping[str, Any]) -> str:
    return (
        f"Forecasts miss by {value:.2f} times what repeating the last season misses by in the history of a series: "
        "comparable between series of any size."
    )


def _relative_mase(value: float, summary: Mapping[str, Any]) -> str:
    if value < 1:
        return f"On the same values forecasts miss by {1 - value:.0%} less than repeating the last season does."
    more = f" On these values it misses by {value - 1:.0%} more." if value > 1 else ""
    return f"The model is no better than repeating the last season.{more}"


def _bias(value: float, summary: Mapping[str, Any]) -> str:
    if abs(value) < 0.0005:
        return f"Taken together, forecasts of {_target(summary)} are neither too high nor too low."
    side = "high" if value > 0 else "low"
    return f"Taken together, forecasts of {_target(summary)} are too {side} by {abs(value):.1%} of its total size."


_WORDS = {
    "accuracy": Words("Accuracy", "↑", _accuracy),
    "precision": Words("Precision", "↑", _precision),
    "recall": Words("Recall", "↑", _recall),
    "f1_score": Words("F1", "↑", lambda v, s: "Harmonic mean of precision and recall: high only when both are high."),
    "roc_auc": Words(
        "ROC AUC",
        "↑",
        lambda v, s: (
            f"Of two rows, one of the class and one of another, the right one gets the higher probability "
            f"{v:.1%} of the time. Guessing reaches 50%."
        ),
    ),
    "pr_auc": Words("PR AUC", "↑", _pr_auc),
    "log_loss": Words(
        "Log loss", "↓", lambda v, s: "Punishes probabilities that are far from what came true, confident ones most."
    ),
    "brier": Words("Brier score", "↓", lambda v, s: "Mean squared distance of the probabilities from what came true."),
    "rmse": Words(
        "RMSE",
        "↓",
        lambda v, s: f"Root of the mean squared error, in the unit of {_target(s)}; large misses count most.",
    ),
    "mae": Words("MAE", "↓", lambda v, s: f"Predictions of {_target(s)} are off by {number(v)} on average."),
    "r2": Words("R²", "↑", _r2),
    "mase": Words("MASE", "↓", _mase),
    "relative_mase": Words("Relative MASE", "↓", _relative_mase),
    "wape": Words("WAPE", "↓", lambda v, s: f"Errors add up to {v:.1%} of what {_target(s)} adds up to."),
    "smape": Words(
        "sMAPE", "↓", lambda v, s: f"Errors are {v:.1f}% of the mean of forecast and true value; 200% is the worst."
    ),
    "bias": Words("Bias", "", _bias),
    "coverage": Words(
        "Coverage", "", lambda v, s: f"{v:.1%} of the true values were within their intervals, which should hold 95%."
    ),
    "width": Words(
        "Interval width", "↓", lambda v, s: f"The 95% intervals are {v:.2g} times as wide as {_target(s)} is large."
    ),
    "mape": Words("MAPE", "↓", lambda v, s: f"Predictions are off by {v:.1%} of the true value on average."),
}


def _positive(summary: Mapping[str, Any]) -> str | None:
    """The second of two classes."""
    classes = summary.get("classes") or []
    return class_text(classes[1]) if len(classes) == 2 else None


def class_text(value: object) -> str:
    """A class as predictions and files have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _target(summary: Mapping[str, Any]) -> str:
    return str(summary.get("target") or "the target")
