"""Held-out rows that differ from the rows that were learned from, so that the scores are of another population."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from dataml.contract.warnings import DataWarning
from dataml.ml.encoding import EncodedColumn

MIN_DISTANCE: Final = 0.25
"""Smallest Kolmogorov-Smirnov distance of a feature that is shown."""
MAX_P_VALUE: Final = 0.001
"""Largest p-value of that distance, divided by the number of columns that are tested."""
MAX_WARNINGS: Final = 5
_MAX_ROWS: Final = 5_000
_MIN_ROWS: Final = 30


class _Shift(NamedTuple):
    distance: float
    p_value: float


def find_shifted_features(
    train: np.ndarray, test: np.ndarray, layout: Sequence[EncodedColumn], skipped: frozenset[str], seed: int
) -> list[DataWarning]:
    """Return a warning for each feature whose values in `test` differ from those in `train`, largest difference first.

    The test is that of Kolmogorov and Smirnov for two samples, of at most 5,000 rows each, in which a missing value
    counts as the smallest one. Categories are ordered by frequency, without those that the training does not know.

    Args:
        train: encoded rows (rows, width).
        test: encoded rows (rows, width).
        layout: the columns of both.
        skipped: features that are left out, such as the time that the rows are split by.
        seed: of the samples.
    """
    if min(len(train), len(test)) < _MIN_ROWS:
        return []
    random = np.random.default_rng(seed)
    train, test = (matrix[random.permutation(len(matrix))[:_MAX_ROWS]] for matrix in (train, test))
    limit = MAX_P_VALUE / max(1, len(layout))
    shifts: dict[str, float] = {}
    for position, column in enumerate(layout):
        if column.source in skipped:
            continue
        shift = _compare(*(_present(matrix[:, position], column) for matrix in (train, test)))
        if shift.distance >= MIN_DISTANCE and shift.p_value <= limit:
            shifts[column.source] = max(shift.distance, shifts.get(column.source, 0.0))
    largest = sorted(shifts, key=lambda name: -shifts[name])[:MAX_WARNINGS]
    return [_describe(name, shifts[name], len(shifts)) for name in largest]


def _describe(name: str, distance: float, features: int) -> DataWarning:
    message = (
        f"The held-out rows have other values of '{name}' than the rows that were learned from (Kolmogorov-Smirnov "
        f"distance {distance:.2f}; {features:,} features are above {MIN_DISTANCE}): the scores are for rows like the "
        "held-out ones."
    )
    return DataWarning("shifted_holdout", message, name, None, (f"{distance:.2f}",))


def _present(values: np.ndarray, column: EncodedColumn) -> np.ndarray:
    """Return values with missing ones as the smallest; without them for a category, where unseen ones are missing."""
    return values[~np.isnan(values)] if column.is_categorical else np.nan_to_num(values, nan=-np.inf)


def _compare(train: np.ndarray, test: np.ndarray) -> _Shift:
    """Return the largest distance of two empirical distributions, and its asymptotic p-value.

    Smirnov (1948): with D of samples of n and m rows, p is about 2 exp(-2 D^2 n m / (n + m)).
    """
    if min(len(train), len(test)) < _MIN_ROWS:
        return _Shift(0.0, 1.0)
    a, b = np.sort(train), np.sort(test)
    every = np.concatenate([a, b])
    below = (np.searchsorted(values, every, side="right") / len(values) for values in (a, b))
    distance = float(np.abs(next(below) - next(below)).max())
    exponent = -2 * distance**2 * len(a) * len(b) / (len(a) + len(b))
    return _Shift(distance, min(1.0, 2 * float(np.exp(exponent))))
