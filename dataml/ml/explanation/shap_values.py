"""SHAP values, summed back to the features that users know.

The numbers are each booster's own TreeSHAP (Lundberg et al. 2020, path-dependent). `shap.TreeExplainer` calls the same
functions of LightGBM, XGBoost and CatBoost and returns what they return, to the bit (a test compares them); importing
it costs a worker two seconds and its memory, as much as the values of 2,000 rows themselves.

Of a blend, the values are the weighted mean of its members' values. For a number that is exact, since the blend is the
weighted mean of their numbers. For classes it is the mean in margin space (log-odds, or scores before the softmax),
while the blend takes the mean of probabilities and may calibrate it: signs and order show what drives the prediction,
and the values add up to the mean margin, not to the margin of the blended probability.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dataml.ml.boosters.native_model import NativeModel
from dataml.ml.preprocessing import Preprocessing
from dataml.ml.target_scaling import multiply_finitely

Members = Sequence[tuple[NativeModel, float]]
"""Models and their weights, which add up to 1."""
_MAX_CELLS: Final = 8_000_000
"""Rows times outputs times columns of SHAP values (float64) that are in memory at a time."""
_MAX_BATCH_ROWS: Final = 16_384
"""Rows whose values are added up before others: seconds of work, so that many processes can share it."""


@dataclass(frozen=True)
class ShapValues:
    """SHAP values of some rows.

    Attributes:
        importance: the share of each feature in all decisions, largest first, summing to 1: mean absolute SHAP values,
            added up over the columns a feature was derived into and over classes. Features that the preprocessing
            dropped have share 0. When no row has any contribution (a model without a split) every share is 0.
        effects: (rows, outputs, features) of the requested outputs, with features in the order of
            `Preprocessing.features`: float32, or float64 in a unit that float32 may not hold.
    """

    importance: dict[str, float]
    effects: np.ndarray


def explain_rows(
    members: Members,
    preprocessing: Preprocessing,
    matrix: np.ndarray,
    outputs: Sequence[int] = (0,),
    keep: int = 0,
    unit: float = 1.0,
    more_totals: Iterable[np.ndarray] = (),
) -> ShapValues:
    """Explain the rows of a matrix.

    Args:
        members: the models that predict together.
        preprocessing: how the columns of the matrix were made of features.
        matrix: float32 (rows, width).
        outputs: whose effects to keep: 0 for a number or two classes, else positions of classes.
        keep: how many of the first rows' effects to keep.
        unit: what an effect of 1 on the models' own predictions is worth, `TargetScaling.scale`.
        more_totals: `column_totals` of batches that follow the matrix, which is whole batches then; they count in the
            importance as if their rows were in the matrix.
    """
    by_column = np.zeros(matrix.shape[1])
    dtype = np.float32 if unit == 1.0 else np.float64  # float32 cannot hold every unit
    kept: list[np.ndarray] = []
    for rows, values in _in_batches(members, matrix):
        by_column += _column_totals(values)
        if rows.start < keep:
            effects = _by_feature(preprocessing, values[: keep - rows.start, list(outputs)])
            kept.append(multiply_finitely(effects, unit).astype(dtype))
    for totals in more_totals:
        by_column += totals
    effects = np.concatenate(kept) if kept else np.empty((0, len(outputs), len(preprocessing.features)), dtype)
    return ShapValues(_shares(preprocessing, by_column), effects)


def list_batches(members: Members, width: int, rows: int) -> list[slice]:
    """Return the batches in which `explain_rows` adds up the rows of a matrix of this width."""
    size = _batch_rows(members, width)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def column_totals(members: Members, matrix: np.ndarray) -> np.ndarray:
    """Return the sum of the absolute SHAP values of each column (width,), of the rows of one batch."""
    return _column_totals(_blend(members, matrix))


def row_contributions(
    members: Members, preprocessing: Preprocessing, row: np.ndarray, output: int, unit: float = 1.0
) -> dict[str, float]:
    """Return what each feature adds to one prediction, largest effect first.

    The effects are on the number, on the log-odds of the second of two classes, or on the score of class `output` of
    several. `row` is float32 (1, width), `unit` as for `explain_rows`.
    """
    values = _blend(members, row)
    effects = _by_feature(preprocessing, values[:, output if values.shape[1] > 1 else 0])[0]
    effects = multiply_finitely(effects, unit)
    totals = dict(zip(preprocessing.features, effects.tolist(), strict=True))
    return dict(sorted(totals.items(), key=lambda item: (-abs(item[1]), item[0])))


def top_effects(
    members: Members,
    preprocessing: Preprocessing,
    matrix: np.ndarray,
    outputs: np.ndarray,
    count: int,
    unit: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the features with the largest effects on each row.

    Args:
        members: the models that predict together.
        preprocessing: how the columns of the matrix were made of features.
        matrix: float32 (rows, width).
        outputs: int (rows,), the class whose score is explained; counts only beyond two classes.
        count: how many features.
        unit: as for `explain_rows`.

    Returns:
        Positions in `Preprocessing.features` and effects, both (rows, count), largest first and equal ones in the
        order of the features' names, as in `row_contributions`. With fewer features, both are so much narrower.
    """
    names = np.array(preprocessing.features)
    count = min(count, len(names))
    by_name = np.argsort(names, kind="stable")
    positions, effects = np.empty((len(matrix), count), np.int64), np.empty((len(matrix), count))
    for rows, values in _in_batches(members, matrix):
        selected = outputs[rows] if values.shape[1] > 1 else np.zeros(len(values), np.int64)
        by_feature = _by_feature(preprocessing, values[np.arange(len(values)), selected])
        order = by_name[np.argsort(-np.abs(by_feature[:, by_name]), axis=1, kind="stable")[:, :count]]
        largest = np.take_along_axis(by_feature, order, axis=1)
        positions[rows], effects[rows] = order, multiply_finitely(largest, unit)
    return positions, effects


def strongest_interaction(values: np.ndarray, effects: np.ndarray, feature: int) -> int | None:
    """Return the feature whose value interacts most with the effect of `feature`; None when none does.

    Args:
        values: numbers (rows, features) with NaN where missing.
        effects: SHAP values (rows, features).
        feature: the position of the feature.

    The method is that of `shap.utils.approximate_interactions`: rows are sorted by their value of `feature` and cut
    into windows of 50 at most, and in each the effect is correlated with every other feature's value, or with its
    being missing; the sum of the absolute correlations counts. It needs no interaction values, which cost width times
    as much.
    """
    order = np.argsort(values[:, feature], kind="stable")
    size = max(min(len(order) // 10, 50), 2)
    strength = np.zeros((2, values.shape[1]))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        effect, others = _normalize(effects[rows, feature].astype(np.float64)), values[rows]
        missing = np.isnan(others)
        strength[0] += _correlations(effect, np.where(missing, 0.0, others))
        strength[1] += _correlations(effect, missing.astype(np.float64))
    interaction = strength.max(axis=0)
    interaction[feature] = 0.0
    return int(interaction.argmax()) if interaction.max(initial=0.0) > 0 else None


def _normalize(effects: np.ndarray) -> np.ndarray:
    """Return effects relative to the largest one, of which no square overflows."""
    largest = np.abs(effects).max(initial=0.0)
    return effects / largest if largest > 0 else effects


def _correlations(effect: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return absolute correlations of (rows,) with each column of (rows, features); 0 where one is constant."""
    centred, columns = effect - effect.mean(), others - others.mean(axis=0)
    scale = np.sqrt((centred**2).sum() * (columns**2).sum(axis=0))
    return np.divide(np.abs(centred @ columns), scale, out=np.zeros(others.shape[1]), where=scale > 1e-12)


def _in_batches(members: Members, matrix: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the SHAP values of `matrix` in batches that fit in memory, each with its rows."""
    for rows in list_batches(members, matrix.shape[1], len(matrix)):
        yield rows, _blend(members, matrix[rows])


def _batch_rows(members: Members, width: int) -> int:
    outputs = max(1, members[0][0].task.classes)
    return max(1, min(_MAX_BATCH_ROWS, _MAX_CELLS // (outputs * width)))


def _column_totals(values: np.ndarray) -> np.ndarray:
    return np.abs(values).sum(axis=(0, 1))


def _blend(members: Members, matrix: np.ndarray) -> np.ndarray:
    """Return SHAP values (rows, outputs, width), the weighted mean of the members'."""
    weighted = [weight * model.contributions(matrix).astype(np.float64) for model, weight in members]
    return sum(weighted[1:], start=weighted[0])


def _by_feature(preprocessing: Preprocessing, values: np.ndarray) -> np.ndarray:
    """Turn (..., width) into (..., features): columns that were derived from one feature are added up."""
    positions = {name: i for i, name in enumerate(preprocessing.features)}
    effects = np.zeros((*values.shape[:-1], len(positions)))
    for i, column in enumerate(preprocessing.layout):
        effects[..., positions[column.source]] += values[..., i]
    return effects


def _shares(preprocessing: Preprocessing, by_column: np.ndarray) -> dict[str, float]:
    totals = dict.fromkeys(preprocessing.features, 0.0)
    for column, value in zip(preprocessing.layout, by_column, strict=True):
        totals[column.source] += float(value)
    whole = sum(totals.values())
    shares = {name: value / whole if whole > 0 else 0.0 for name, value in totals.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
