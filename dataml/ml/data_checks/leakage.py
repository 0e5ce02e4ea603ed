"""Features of which one alone decides the target: it may have been recorded after the outcome was known."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from dataml.contract.warnings import DataWarning
from dataml.ml.boosters.native_model import LabeledRows, Task
from dataml.ml.encoding import EncodedColumn

MIN_CLASS_SKILL: Final = 0.97
"""Share of the errors of always predicting the most frequent class that the feature alone must avoid."""
MIN_RANK_R2: Final = 0.99
"""R2 of the ranks of a regression's target that the feature alone must reach."""
MAX_WARNINGS: Final = 5
_MIN_ROWS: Final = 50
_MAX_ROWS: Final = 2_000
_MIN_SAMPLE_ROWS: Final = 500
_MAX_CELLS: Final = 400_000
_MIN_LEAVES: Final = 8
_MAX_LEAVES: Final = 256
_REGRESSION_LEAVES: Final = 64
_PROMISING: Final = 0.9
_MIN_ORDER: Final = 0.5
_COLUMNS_AT_A_TIME: Final = 256

_Predict = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class _Score(NamedTuple):
    """How well one column predicts: `skill` is compared with the threshold, `shown` is for people."""

    skill: float
    shown: float


def find_leaking_features(
    samples: LabeledRows, task: Task, layout: Sequence[EncodedColumn], skipped: frozenset[str], seed: int
) -> list[DataWarning]:
    """Return a warning for each feature that alone decides the target, at most MAX_WARNINGS, strongest first.

    A small tree of each encoded column (for a category, the target's mean or most frequent class by code) is fitted on
    one half of at most 2,000 rows and scored on the other, both ways round; only of columns that bring the target into
    an order, see `_order`.

    Args:
        samples: encoded rows and their targets.
        task: what is predicted.
        layout: the columns of the matrix.
        skipped: features that are left out, such as the time that the rows are split by.
        seed: of the sample.
    """
    rows = len(samples.y)
    if rows < _MIN_ROWS:
        return []
    size = min(_MAX_ROWS, max(_MIN_SAMPLE_ROWS, _MAX_CELLS // max(1, len(layout))))
    kept = np.random.default_rng(seed).permutation(rows)[:size]
    y = _to_ranks(samples.y[kept]) if task.is_regression else samples.y[kept].astype(np.int64)
    scores: dict[str, _Score] = {}
    orders = _order(samples.x, kept, y, task)
    for position, column in enumerate(layout):
        if column.source not in skipped and orders[position] >= _MIN_ORDER:
            score = _score_column(samples.x[kept, position], y, task, column)
            scores[column.source] = max(score, scores.get(column.source, score))
    threshold = MIN_RANK_R2 if task.is_regression else MIN_CLASS_SKILL
    leaking = sorted((name for name in scores if scores[name].skill >= threshold), key=lambda name: -scores[name].skill)
    usual = 0.0 if task.is_regression else float(np.bincount(y).max() / len(y))
    times = {column.source for column in layout if column.data_type.is_temporal}
    return [_describe(name, scores[name], task, usual, name in times) for name in leaking[:MAX_WARNINGS]]


def _order(matrix: np.ndarray, rows: np.ndarray, y: np.ndarray, task: Task) -> np.ndarray:
    """Return for each column how alike the targets of neighbours are when rows are sorted by it: 1 for equal ones.

    It is 0 for a column that says nothing: the share of equal neighbours beyond chance, or for a regression 1 minus the
    ratio of von Neumann (1941) of the ranks.
    """
    chance = np.square(np.bincount(y) / len(y)).sum() if not task.is_regression else y.var()
    orders: list[np.ndarray] = []
    for start in range(0, matrix.shape[1], _COLUMNS_AT_A_TIME):
        by_column = y[np.argsort(matrix[rows, start : start + _COLUMNS_AT_A_TIME], axis=0, kind="stable")]
        if task.is_regression:
            orders.append(1 - np.square(np.diff(by_column, axis=0)).mean(axis=0) / (2 * chance or 1.0))
        else:
            orders.append(1 - (by_column[1:] != by_column[:-1]).mean(axis=0) / ((1 - chance) or 1.0))
    return np.concatenate(orders)


def _describe(name: str, score: _Score, task: Task, usual: float, is_time: bool) -> DataWarning:
    result = f"predicts {score.shown:.1%} of the rows right; the most frequent class alone {usual:.1%}"
    if task.is_regression:
        result = f"explains {score.shown:.1%} of the order of the target"
    message = (
        f"'{name}' alone decides the target: it {result}. If its value is not known before the outcome is, give it the "
        "role Ignore and train again."
    )
    if is_time:  # a trend is no leak, but no tree continues it either
        message += (
            " If the target only follows time, give it the role Time, so that the latest rows are held out, or train a "
            "Forecast: a model predicts nothing new for times after the last one it has learned from."
        )
    return DataWarning("leaking_feature", message, name, None, (f"{score.shown:.4f}",))


def _score_column(x: np.ndarray, y: np.ndarray, task: Task, column: EncodedColumn) -> _Score:
    """Return the mean score of both halves; the second one is left out where the first is far from a leak."""
    if column.is_categorical:
        predict: _Predict = _predict_by_code_mean if task.is_regression else _predict_by_code_mode
    else:
        predict = _predict_by_regression_tree if task.is_regression else _predict_by_tree
    halves = np.array_split(np.arange(len(y)), 2)
    scores: list[_Score] = []
    for train, test in (halves, halves[::-1]):
        score = _score(task, y[test], predict(x[train], y[train], x[test]))
        scores.append(score)
        if score.skill < _PROMISING:
            return score
    return _Score(*(float(np.mean(each)) for each in zip(*scores, strict=True)))


def _score(task: Task, truth: np.ndarray, predicted: np.ndarray) -> _Score:
    if task.is_regression:
        spread = np.square(truth - truth.mean()).sum()
        r2 = 1 - np.square(truth - predicted).sum() / spread if spread else 0.0
        return _Score(float(r2), float(r2))
    is_right = float(np.mean(truth == predicted))
    error_of_usual = 1 - np.bincount(truth).max() / len(truth)
    return _Score(1 - (1 - is_right) / error_of_usual if error_of_usual else 0.0, is_right)


def _predict_by_tree(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    from sklearn.tree import DecisionTreeClassifier

    leaves = min(_MAX_LEAVES, max(_MIN_LEAVES, 2 * int(y.max() + 1)))
    return DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(x[:, None], y).predict(new[:, None])


def _predict_by_regression_tree(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_leaf_nodes=_REGRESSION_LEAVES, random_state=0).fit(x[:, None], y)
    return np.asarray(tree.predict(new[:, None]))


def _predict_by_code_mean(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    codes, size = _to_codes(x), int(max(_to_codes(x).max(), _to_codes(new).max())) + 1
    counts = np.bincount(codes, minlength=size)
    means = np.bincount(codes, y, size) / np.maximum(counts, 1)
    return np.where(counts > 0, means, y.mean())[_to_codes(new)]


def _predict_by_code_mode(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    codes, size = _to_codes(x), int(max(_to_codes(x).max(), _to_codes(new).max())) + 1
    classes = int(y.max()) + 1
    table = np.bincount(codes * classes + y, minlength=size * classes).reshape(size, classes)
    return np.where(table.any(axis=1), table.argmax(axis=1), np.bincount(y).argmax())[_to_codes(new)]


def _to_codes(x: np.ndarray) -> np.ndarray:
    """Return the codes of a category from 1; a missing one is 0."""
    return (np.nan_to_num(x, nan=-1) + 1).astype(np.int64)


def _to_ranks(y: np.ndarray) -> np.ndarray:
    """Return mean ranks: a few very large values must not decide the score."""
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse].astype(np.float64)
