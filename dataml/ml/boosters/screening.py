"""The columns of a wide matrix that say most about the target, one by one."""

from typing import Final

import numpy as np

from dataml.ml.boosters.native_model import LabeledRows, Task

_MAX_ROWS: Final = 20_000
_COLUMNS_AT_ONCE: Final = 512


def select_columns(train: LabeledRows, task: Task, categorical: tuple[int, ...], count: int) -> np.ndarray:
    """Return the positions of the `count` columns most associated with the target, ascending.

    Sure independence screening (Fan and Lv 2008): columns are ranked by the squared rank correlation with the target,
    or with the class that gives the largest one; categories by the share of the variance between them, adjusted for
    their number. A column that matters only together with others can be missed.
    """
    step = max(1, len(train.y) // _MAX_ROWS)
    x, targets = train.x[::step], _targets(train.y[::step], task)
    scores = np.empty(x.shape[1])
    for start in range(0, x.shape[1], _COLUMNS_AT_ONCE):
        part = _standardize(_rank(np.asarray(x[:, start : start + _COLUMNS_AT_ONCE], dtype=np.float64)))
        scores[start : start + _COLUMNS_AT_ONCE] = np.square(part.T @ targets / len(targets)).max(axis=1)
    for position in categorical:
        scores[position] = _explained_variance(x[:, position], targets)
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def _targets(y: np.ndarray, task: Task) -> np.ndarray:
    """Return standardised numbers (rows, outputs): ranks of a regression's target, or an indicator of each class."""
    if task.is_regression:
        return _standardize(_rank(y.astype(np.float64)[:, None]))
    classes = [1] if task.is_binary else range(task.classes)
    return _standardize((y[:, None] == np.array(classes)).astype(np.float64))


def _rank(values: np.ndarray) -> np.ndarray:
    """Return the ranks within each column; missing values get the middle one."""
    missing = np.isnan(values)
    order = np.argsort(values, axis=0, kind="stable")
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, np.arange(len(values), dtype=np.float64)[:, None], axis=0)
    _share_ranks(values, order, ranks)
    middle = (len(values) - missing.sum(axis=0) - 1) / 2
    return np.where(missing, middle, ranks)


def _share_ranks(values: np.ndarray, order: np.ndarray, ranks: np.ndarray) -> None:
    """Give equal values their first rank, in place: else the order of the rows would look like a signal."""
    ordered = np.take_along_axis(values, order, axis=0)
    is_first = np.ones(ordered.shape, dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    positions = np.where(is_first, np.arange(len(values))[:, None], 0)
    np.put_along_axis(ranks, order, np.maximum.accumulate(positions, axis=0).astype(np.float64), axis=0)


def _standardize(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    deviation = centred.std(axis=0)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def _explained_variance(codes: np.ndarray, targets: np.ndarray) -> float:
    """Return the largest share of a target's variance that lies between the categories, adjusted for their number."""
    _, groups = np.unique(np.nan_to_num(codes, nan=-1), return_inverse=True)
    counts = np.bincount(groups)
    rows, kinds = len(groups), len(counts)
    if kinds >= rows:
        return 0.0
    sums = np.stack([np.bincount(groups, weights=target) for target in targets.T])
    between = (np.square(sums) / counts).sum(axis=1) / rows
    return float(1 - (1 - between.max()) * (rows - 1) / (rows - kinds))
