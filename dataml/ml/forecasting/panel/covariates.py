"""Covariates of series: how columns become numbers, and the series with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.errors import Invalid
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.preprocessing import Preprocessing


@dataclass(frozen=True)
class GroupedSeries:
    """Series one behind the other, each sorted by time, with their covariates.

    `starts` int64 (series + 1,) are their offsets in `times` datetime64[us] (rows,) and `y` float64 (rows,), in which
    NaN is a gap. `known` and `past` float32 (rows, columns) and `static` float32 (series, columns) are the covariates,
    in the order of `Covariates`; NaN where missing.
    """

    starts: np.ndarray
    times: np.ndarray
    y: np.ndarray
    known: np.ndarray
    static: np.ndarray
    past: np.ndarray

    @cached_property
    def lengths(self) -> np.ndarray:
        """The number of values of each series."""
        return np.diff(self.starts)

    @cached_property
    def series_index(self) -> np.ndarray:
        """The number of the series of each row."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def position(self) -> np.ndarray:
        """How many rows of its series are before each row."""
        return np.arange(len(self.y)) - self.starts[self.series_index]


@dataclass(frozen=True)
class Covariates:
    """How covariates become numbers, and which of them are known when.

    `known`, `static` and `past` are positions in the layout of `preprocessing`, which is None where there are no
    covariates: those known in the future, those constant within each series, and those known up to the present only.
    `complete` are the names of the exogenous columns without a missing value in the training.
    """

    preprocessing: Preprocessing | None
    known: tuple[int, ...] = ()
    static: tuple[int, ...] = ()
    past: tuple[int, ...] = ()
    complete: tuple[str, ...] = ()

    def names(self, positions: Sequence[int]) -> tuple[str, ...]:
        """Return the names of the columns at these positions."""
        return tuple(self.preprocessing.layout[i].name for i in positions) if self.preprocessing else ()

    @property
    def categorical(self) -> tuple[str, ...]:
        """The names of the columns that hold codes of categories."""
        return self.names(self.preprocessing.categorical) if self.preprocessing else ()

    def matrix(self, table: pa.Table) -> np.ndarray:
        """Return float32 (rows, width) of rows with the contract's Arrow types."""
        if self.preprocessing is None:
            return np.empty((table.num_rows, 0), np.float32)
        return self.preprocessing.transform(table)


def fit_covariates(
    panel: Panel, table: pa.Table, contract: Contract, roles: ColumnRoles, categories: Sequence[str]
) -> Covariates:
    """Learn how the covariates become numbers, from the rows of the panel."""
    names = [*roles.exogenous, *roles.features]
    if not names:
        return Covariates(None)
    rows = table.take(pa.array(panel.rows[panel.rows >= 0]))
    try:
        preprocessing = Preprocessing.fit(contract.select(names), names, rows, categories)
    except Invalid:  # none of them ever changes
        return Covariates(None)
    matrix = carry_forward(preprocessing.transform(table), panel.rows)
    known = [i for i, column in enumerate(preprocessing.layout) if column.source in roles.exogenous]
    others = [i for i in range(preprocessing.width) if i not in known]
    static = [i for i in others if _is_static(matrix[:, i], panel)]
    past = [i for i in others if i not in static]
    complete = tuple(name for name in roles.exogenous if not rows.column(name).null_count)
    return Covariates(preprocessing, tuple(known), tuple(static), tuple(past), complete)


def group_series(panel: Panel, table: pa.Table, covariates: Covariates) -> GroupedSeries:
    """Return the series of a panel with their covariates; a filled row has those of the row before it."""
    matrix = carry_forward(covariates.matrix(table), panel.rows)
    static = np.full((len(panel.ids), len(covariates.static)), np.nan, np.float32)
    for column, position in enumerate(covariates.static):
        values = matrix[:, position]
        # The last known value of each series; its known values are all the same.
        row = np.where(np.isfinite(values), np.arange(len(values)), -1)
        last_row = np.maximum.reduceat(row, panel.starts[:-1])
        static[:, column] = np.where(last_row >= 0, values[last_row], np.nan)
    return GroupedSeries(
        starts=panel.starts,
        times=panel.times,
        y=panel.y,
        known=matrix[:, covariates.known],
        static=static,
        past=matrix[:, covariates.past],
    )


def carry_forward(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return these rows of a matrix, and for -1, a row that was filled in, those of the row before it."""
    is_present = rows >= 0
    if is_present.all():
        return matrix[rows]
    # The first row of a series is never filled, so this stays within the series.
    source = np.maximum.accumulate(np.where(is_present, np.arange(len(rows)), -1))
    return matrix[rows[source]]


def _is_static(values: np.ndarray, panel: Panel) -> bool:
    known = np.isfinite(values)
    lowest = np.minimum.reduceat(np.where(known, values, np.inf), panel.starts[:-1])
    highest = np.maximum.reduceat(np.where(known, values, -np.inf), panel.starts[:-1])
    return bool((lowest >= highest).all())
