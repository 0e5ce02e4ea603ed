"""How good a model is by the values of each column, so that a part of the rows for which it is bad is seen."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.columns import to_floats
from dataml.ml.evaluation.row_errors import RowErrors, to_json_value
from dataml.ml.json_numbers import finite_or_none

MAX_COLUMNS: Final = 30
_MAX_VALUES: Final = 10
_BINS: Final = 5


@dataclass(frozen=True)
class _Groups:
    """Rows of a column in groups: the number of each row's group, and what each group is."""

    numbers: np.ndarray
    labels: list[dict[str, Any]]


def score_segments(table: pa.Table, features: Sequence[str], errors: RowErrors) -> dict[str, Any]:
    """Return the scores of held-out rows by the values of each feature.

    Returns:
        `metric`: the name of the score, `accuracy` or `mae`; and `columns`, those first whose segments differ most:
        `column`, `spread` (the standard deviation of the score over the rows' segments), and `segments`. A segment has
        `value`, or `low` and `high` (inclusive), or `is_other` for all other values, or `is_missing`; its `rows` and
        its `score`; and, of a regression, the `bias`: the mean of predicted minus true values.
    """
    columns = [column for name in features if (column := _score_column(name, table.column(name), errors)) is not None]
    columns.sort(key=lambda each: -each["spread"])
    return {"metric": errors.metric, "columns": columns[:MAX_COLUMNS]}


def _score_column(name: str, values: pa.ChunkedArray, errors: RowErrors) -> dict[str, Any] | None:
    groups = _group(values)
    rows = np.bincount(groups.numbers, minlength=len(groups.labels))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scores = np.bincount(groups.numbers, errors.scores, len(groups.labels)) / rows
        spread = finite_or_none(np.sqrt(np.average(np.square(scores - errors.scores.mean()), weights=rows)))
        bias = None if errors.signed is None else np.bincount(groups.numbers, errors.signed, len(groups.labels)) / rows
    if len(groups.labels) < 2 or spread is None:
        return None
    segments = [
        label
        | {"rows": int(count), "score": finite_or_none(score)}
        | ({} if bias is None else {"bias": finite_or_none(bias[number])})
        for number, (label, count, score) in enumerate(zip(groups.labels, rows, scores, strict=True))
    ]
    return {"column": name, "spread": spread, "segments": segments}


def _group(values: pa.ChunkedArray) -> _Groups:
    """Return the rows by value where there are few, by ranges of numbers and times, and by the most frequent others."""
    array = values.combine_chunks()
    is_ordered = not pa.types.is_string(array.type) and not pa.types.is_boolean(array.type)
    distinct = pc.value_counts(array.drop_null())
    if is_ordered and len(distinct) > _MAX_VALUES:
        groups = _group_by_range(array)
    else:
        groups = _group_by_value(array, distinct, is_ordered=is_ordered)
    return _without_empty(groups)


def _group_by_range(array: pa.Array) -> _Groups:
    numbers = to_floats(array)
    is_missing = np.isnan(numbers)
    present = np.sort(numbers[~is_missing])
    edges = np.unique(present[np.arange(1, _BINS) * len(present) // _BINS])
    bins = np.where(is_missing, len(edges) + 1, np.searchsorted(edges, numbers, side="right"))
    order = np.argsort(numbers, kind="stable")
    labels = []
    for number in range(len(edges) + 1):
        inside = order[bins[order] == number]
        ends = (array[int(inside[0])], array[int(inside[-1])]) if len(inside) else (None, None)
        low, high = (None if end is None else to_json_value(end.as_py()) for end in ends)
        labels.append({"low": low, "high": high})
    return _Groups(bins, [*labels, {"is_missing": True}])


def _group_by_value(array: pa.Array, distinct: pa.Array, *, is_ordered: bool) -> _Groups:
    counted = sorted(distinct.to_pylist(), key=lambda each: (-each["counts"], str(each["values"])))
    kept = [each["values"] for each in counted[:_MAX_VALUES]]
    if is_ordered:
        kept.sort()
    codes = pc.index_in(array, value_set=pa.array(kept, array.type)) if kept else pa.nulls(len(array), pa.int32())
    numbers = codes.fill_null(len(kept)).to_numpy(zero_copy_only=False).astype(np.int64)
    numbers[array.is_null().to_numpy(zero_copy_only=False)] = len(kept) + 1
    labels: list[dict[str, Any]] = [{"value": to_json_value(value)} for value in kept]
    return _Groups(numbers, [*labels, {"is_other": True}, {"is_missing": True}])


def _without_empty(groups: _Groups) -> _Groups:
    used, numbers = np.unique(groups.numbers, return_inverse=True)
    return _Groups(numbers, [groups.labels[number] for number in used])
