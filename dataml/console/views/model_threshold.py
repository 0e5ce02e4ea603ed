"""The decision threshold of a model of two classes: what each one would have meant, and the one that is kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from dataml.console.api import ApiError
from dataml.console.rendering import score
from dataml.console.views import model_page
from dataml.console.views.model_page import Model
from dataml.console.visit import Visit

_CRITERIA: Final = {"best_f1": "best F1", "best_youden": "best Youden's J"}


@dataclass(frozen=True)
class MeasuredThreshold:
    """A threshold, and how the held-out rows would have been predicted by it."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: float | None
    recall: float | None
    f1_score: float | None
    specificity: float | None
    criterion: str | None = None

    @property
    def title(self) -> str:
        """What the threshold is the best by; empty for others."""
        return _CRITERIA.get(self.criterion or "", "")

    @property
    def accuracy(self) -> float:
        """Share of the rows that are predicted right."""
        rows = self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
        return (self.true_positives + self.true_negatives) / rows

    def cost(self, false_positive: float, false_negative: float) -> float:
        """Return what the wrong predictions cost."""
        return self.false_positives * false_positive + self.false_negatives * false_negative

    def to_json(self) -> dict[str, Any]:
        """Return what the page's script shows of it."""
        counts = ("true_positives", "false_positives", "false_negatives", "true_negatives")
        scores = ("threshold", "accuracy", "precision", "recall", "f1_score", "specificity")
        return {
            "threshold": self.threshold,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "shown": {name: f"{getattr(self, name):,}" for name in counts}
            | {name: score(getattr(self, name)) for name in scores}
            | {"title": self.title},
        }


async def show(visit: Visit) -> Response:
    """Show the thresholds that were measured, one of them in detail."""
    return await _render(visit, await model_page.read(visit))


async def keep(visit: Visit) -> Response:
    """Keep a threshold with the model: a number, or the best one by a criterion of the report."""
    form = await visit.request.form()
    typed = form.get("threshold", "")
    number = _number(typed)
    # What is no number is refused by the API.
    body = (
        {"criterion": form["criterion"]} if "criterion" in form else {"threshold": typed if number is None else number}
    )
    try:
        kept = await visit.api.call("PUT", f"/train/{visit.request.path_params['train_id']}/threshold", body=body)
    except ApiError as error:
        return await _render(visit, await model_page.read(visit), error)
    notice = f"Predictions are now decided by {kept['threshold']:.4g}."
    return visit.redirect(model_page.path_of(visit, "threshold"), notice=notice)


async def reset(visit: Visit) -> Response:
    """Let the more probable class decide again."""
    await visit.api.call("DELETE", f"/train/{visit.request.path_params['train_id']}/threshold")
    return visit.redirect(model_page.path_of(visit, "threshold"), notice="The more probable class decides again.")


async def _render(visit: Visit, model: Model, error: ApiError | None = None) -> Response:
    report = {}
    if model_page.is_ready(model):
        report = (await visit.api.get(f"/train/{model['id']}/report"))["report"]
    points = measure(report)
    query = visit.request.query_params
    costs = tuple(max(_number(query.get(name)) or 0.0, 0.0) if name in query else 1.0 for name in ("fp", "fn"))
    cheapest = min(range(len(points)), key=lambda index: points[index].cost(*costs), default=0)
    return model_page.render(
        visit,
        model,
        "threshold",
        error,
        points=points,
        data=[point.to_json() for point in points],
        costs=costs,
        chosen=_choose(points, query.get("at"), model["threshold"]),
        cheapest=cheapest,
    )


def measure(report: Mapping[str, Any]) -> list[MeasuredThreshold]:
    """Return the thresholds in a report, smallest first; none where it has none, or one class has no rows.

    The report has shares of rows, which are ratios of counts.
    """
    thresholds = report.get("thresholds")
    if not thresholds:
        return []
    rows = report["rows"]
    positives = report["per_class"][thresholds["positive_class"]]["support"]
    found = [(row, None) for row in thresholds["table"]]
    found += [(thresholds[name], name) for name in _CRITERIA if thresholds.get(name)]
    # By 0 all rows are positive, and by 1 hardly any: neither can be kept.
    usable = [(row, name) for row, name in found if 0 < row["threshold"] < 1 and row["recall"] is not None]
    return sorted((_measure(row, name, rows, positives) for row, name in usable), key=lambda each: each.threshold)


def _measure(row: Mapping[str, Any], criterion: str | None, rows: int, positives: int) -> MeasuredThreshold:
    hits, flagged = round(row["recall"] * positives), round(row["predicted_positive"] * rows)
    alarms = flagged - hits
    return MeasuredThreshold(
        row["threshold"],
        hits,
        alarms,
        positives - hits,
        rows - positives - alarms,
        row["precision"],
        row["recall"],
        row["f1_score"],
        row["specificity"],
        criterion,
    )


def _choose(points: Sequence[MeasuredThreshold], given: str | None, in_force: float | None) -> int:
    """Return the position of the threshold to show: the given one, or else the nearest to the one in force."""
    if given in (positions := {str(index): index for index in range(len(points))}):
        return positions[given]
    target = 0.5 if in_force is None else in_force
    return min(range(len(points)), key=lambda index: abs(points[index].threshold - target), default=0)


def _number(text: Any) -> float | None:
    """Return a finite number that was typed; None where it is none."""
    try:
        number = float(str(text).replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
