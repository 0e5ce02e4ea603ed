"""What a model got wrong, row by row: the worst of the held-out rows, and how typical rows look."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.ml.boosters.native_model import Task
from dataml.ml.json_numbers import finite_or_none

MAX_WORST_ROWS: Final = 50
MAX_CATEGORIES: Final = 30
_MAX_CHARACTERS: Final = 200


@dataclass(frozen=True)
class RowErrors:
    """The errors of held-out rows.

    Attributes:
        metric: what the mean of `scores` is: `accuracy` or `mae`.
        scores: (rows,), 1 or 0 of a right or wrong class, or the absolute error.
        losses: (rows,), what the worst rows have most of: the log loss or the absolute error.
        signed: predicted minus true values of a regression.
        truth: the true values, as JSON has them.
        predicted: the predicted ones.
        probabilities: of the predicted class; None of a regression.
    """

    metric: str
    scores: np.ndarray
    losses: np.ndarray
    signed: np.ndarray | None
    truth: Sequence[Any]
    predicted: Sequence[Any]
    probabilities: np.ndarray | None

    @classmethod
    def measure(cls, task: Task, truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> "RowErrors":
        """Return the errors of predictions, as `NativeModel.predict` returns them, of numbers or class codes."""
        if task.is_regression:
            with np.errstate(over="ignore", invalid="ignore"):
                signed = predicted.astype(np.float64) - truth.astype(np.float64)
            errors = np.abs(signed)
            numbers = [finite_or_none(value) for value in predicted.tolist()]
            return cls("mae", errors, errors, signed, truth.tolist(), numbers, None)
        codes, found = truth.astype(np.int64), predicted.argmax(axis=1)
        of_truth = predicted[np.arange(len(codes)), codes].astype(np.float64)
        losses = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
        scores = (codes == found).astype(np.float64)
        names = [classes[code] for code in codes], [classes[code] for code in found]
        return cls("accuracy", scores, losses, None, *names, predicted.max(axis=1))


def list_worst_rows(table: pa.Table, places: np.ndarray, errors: RowErrors) -> list[dict[str, Any]]:
    """Return the rows with the largest losses, which are wrong most clearly.

    Each has its number `row` in the validated rows of the dataset, from 0, `truth`, `predicted`, `probability` (of the
    predicted class; None of a regression), `loss`, and `values` of the columns of `table`.
    """
    order = np.argsort(-errors.losses, kind="stable")[:MAX_WORST_ROWS]
    worst = [int(row) for row in order if errors.losses[row] > 0 and np.isfinite(errors.losses[row])]
    values = table.take(pa.array(worst, pa.int64())).to_pylist()
    return [
        {
            "row": int(places[row]),
            "truth": to_json_value(errors.truth[row]),
            "predicted": to_json_value(errors.predicted[row]),
            "probability": None if errors.probabilities is None else finite_or_none(errors.probabilities[row]),
            "loss": finite_or_none(errors.losses[row]),
            "values": {name: to_json_value(value) for name, value in cells.items()},
        }
        for row, cells in zip(worst, values, strict=True)
    ]


def describe_features(table: pa.Table, features: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return by feature a `typical` value, and of texts the most frequent `categories`: at most 30.

    A typical value is the median of numbers and times, as one of the rows has it, and else the most frequent value.
    """
    return {name: _describe_feature(table.column(name)) for name in features}


def _describe_feature(values: pa.ChunkedArray) -> dict[str, Any]:
    present = values.drop_null()
    if len(present) == 0:
        return {"typical": None}
    if pa.types.is_string(present.type) or pa.types.is_boolean(present.type):
        counted: list[Mapping[str, Any]] = pc.value_counts(present).to_pylist()
        ordered = sorted(counted, key=lambda each: (-each["counts"], str(each["values"])))
        frequent = [each["values"] for each in ordered[:MAX_CATEGORIES]]
        if pa.types.is_boolean(present.type):
            return {"typical": frequent[0]}
        # A text that is cut would be another value.
        whole = [text for text in frequent if len(text) <= _MAX_CHARACTERS]
        return {"typical": next(iter(whole), None), "categories": whole}
    middle = pc.array_sort_indices(present.combine_chunks())[len(present) // 2]
    return {"typical": to_json_value(present[middle.as_py()].as_py())}


def to_json_value(value: Any) -> Any:
    """Return a value of a cell for JSON: texts are cut, dates and times are ISO 8601, what is not finite is None."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value if len(value) <= _MAX_CHARACTERS else value[: _MAX_CHARACTERS - 1] + "…"
    return finite_or_none(value) if isinstance(value, float) else value
