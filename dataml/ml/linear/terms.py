"""The terms of a linear model: what it makes of the columns of a matrix."""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

_KNOT_SHARES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
_MIN_DISTINCT: Final = 12
"""Different values below which a number gets no knots."""
_MIN_LEVEL_ROWS: Final = 4
"""Rows below which a category has no term of its own: it is predicted as an unknown one."""
_MAX_LEVELS: Final = 200
"""Terms of one column of categories: its most frequent ones."""
_CHUNK_ROWS: Final = 20_000


@dataclass(frozen=True)
class Terms:
    """The terms, in this order.

    Each number column gives its standardised value, limited to the range of the training and 0 where it is missing;
    some an indicator that it is missing; some hinges, `max(0, value - knot)`, between which it is linear (regression
    splines of order 1). Each frequent category gives an indicator, a missing one as code -1.

    Attributes:
        numbers: positions of number columns in the matrix.
        lowest, highest: their ranges.
        centers, scales: their means and standard deviations.
        missing: positions in the matrix of the columns with an indicator of missing values.
        hinge_numbers: positions in `numbers`.
        knots: standardised values.
        level_columns: positions of category columns in the matrix.
        level_codes: their codes.
    """

    numbers: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    centers: np.ndarray
    scales: np.ndarray
    missing: np.ndarray
    hinge_numbers: np.ndarray
    knots: np.ndarray
    level_columns: np.ndarray
    level_codes: np.ndarray

    @classmethod
    def fit(
        cls, matrix: np.ndarray, categorical: tuple[int, ...], max_terms: int, columns: np.ndarray | None = None
    ) -> Self:
        """Return the terms for a float32 matrix (rows, width), NaN where missing; without hinges if they are too many.

        Args:
            matrix: the rows to learn from.
            categorical: positions of the columns that hold codes of categories.
            max_terms: the most terms besides those of number columns: above it there are no hinges, and only the most
                frequent categories have terms.
            columns: positions of the columns to look at; None for all.
        """
        looked_at = set(range(matrix.shape[1]) if columns is None else columns.tolist())
        numbers = np.array(sorted(looked_at.difference(categorical)), dtype=np.int64)
        categorical = tuple(column for column in categorical if column in looked_at)
        lowest, highest, centers, scales, missing, hinges = [], [], [], [], [], []
        for place, column in enumerate(numbers):
            values = matrix[:, column].astype(np.float64)
            known = values[np.isfinite(values)]
            if len(known) < len(values):
                missing.append(column)
            low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
            center, scale = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
            scale = scale if scale > 0 and np.isfinite(1 / scale) else 1.0
            lowest.append(low)
            highest.append(high)
            centers.append(center)
            scales.append(scale)
            hinges += [(place, knot) for knot in _find_knots((known - center) / scale)]
        levels = _frequent_levels(matrix, categorical, max(0, max_terms - len(numbers) - len(missing)))
        if len(numbers) + len(missing) + len(hinges) + len(levels) > max_terms:
            hinges = []
        return cls(
            numbers=numbers,
            lowest=np.array(lowest, dtype=np.float64),
            highest=np.array(highest, dtype=np.float64),
            centers=np.array(centers, dtype=np.float64),
            scales=np.array(scales, dtype=np.float64),
            missing=np.array(missing, dtype=np.int64),
            hinge_numbers=np.array([place for place, _ in hinges], dtype=np.int64),
            knots=np.array([knot for _, knot in hinges], dtype=np.float64),
            level_columns=np.array([column for column, _ in levels], dtype=np.int64),
            level_codes=np.array([code for _, code in levels], dtype=np.float64),
        )

    @property
    def count(self) -> int:
        """The number of terms."""
        return len(self.numbers) + len(self.missing) + len(self.knots) + len(self.level_codes)

    @property
    def sources(self) -> np.ndarray:
        """The position in the matrix of the column that each term is made of."""
        return np.concatenate((self.numbers, self.missing, self.numbers[self.hinge_numbers], self.level_columns))

    def expand(self, matrix: np.ndarray) -> np.ndarray:
        """Return the terms (rows, count) of a matrix (rows, width) as float64."""
        expanded = np.empty((len(matrix), self.count))
        for start in range(0, len(matrix), _CHUNK_ROWS):
            self._expand_rows(matrix[start : start + _CHUNK_ROWS], expanded[start : start + _CHUNK_ROWS])
        return expanded

    def _expand_rows(self, matrix: np.ndarray, out: np.ndarray) -> None:
        numbers, missing, knots = len(self.numbers), len(self.missing), len(self.knots)
        values = matrix[:, self.numbers].astype(np.float64)
        values = (np.clip(values, self.lowest, self.highest) - self.centers) / self.scales
        np.nan_to_num(values, copy=False, nan=0.0)
        out[:, :numbers] = values
        out[:, numbers : numbers + missing] = np.isnan(matrix[:, self.missing])
        start = numbers + missing
        np.maximum(values[:, self.hinge_numbers] - self.knots, 0.0, out=out[:, start : start + knots])
        codes = np.where(np.isnan(matrix[:, self.level_columns]), -1.0, matrix[:, self.level_columns])
        out[:, start + knots :] = codes == self.level_codes

    def to_json(self) -> dict[str, Any]:
        """Return the terms as JSON."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the terms that `to_json` wrote."""
        positions = ("numbers", "missing", "hinge_numbers", "level_columns")
        types = {name: np.int64 if name in positions else np.float64 for name in cls.__dataclass_fields__}
        return cls(**{name: np.array(data[name], of) for name, of in types.items()})


def _find_knots(values: np.ndarray) -> list[float]:
    """Return the knots of standardised values, inside of their range."""
    if len(values) < _MIN_DISTINCT:
        return []
    distinct = np.unique(values)
    if len(distinct) < _MIN_DISTINCT:
        return []
    knots = np.unique(np.quantile(values, _KNOT_SHARES))
    return [float(knot) for knot in knots if distinct[0] < knot < distinct[-1]]


def _frequent_levels(matrix: np.ndarray, categorical: tuple[int, ...], most: int) -> list[tuple[int, float]]:
    """Return the column and the code of the most frequent categories of all columns, by column."""
    levels: list[tuple[int, int, float]] = []
    for column in categorical:
        values = matrix[:, column]
        codes, counts = np.unique(np.where(np.isnan(values), -1.0, values), return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:_MAX_LEVELS]
        levels += [(int(counts[i]), column, float(codes[i])) for i in frequent if counts[i] >= _MIN_LEVEL_ROWS]
    kept = sorted(levels, key=lambda level: -level[0])[:most]
    return [(column, code) for _, column, code in sorted(kept, key=lambda level: (level[1], -level[0]))]
