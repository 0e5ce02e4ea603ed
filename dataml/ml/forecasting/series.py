"""From the rows of a dataset to series with their covariates, by the roles of the columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.errors import Invalid
from dataml.ml.features import Preprocessing
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.models.lag_features import Series
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import Reading, read_panel


@dataclass(frozen=True)
class Roles:
    """Which column of a dataset is what; `series` None: there is one series, without a name."""

    target: str
    time: str
    series: str | None
    exogenous: tuple[str, ...]
    features: tuple[str, ...]

    @classmethod
    def of(cls, roles: Mapping[str, str]) -> "Roles":
        def named(role: str) -> tuple[str, ...]:
            return tuple(name for name, found in roles.items() if found == role)

        ids = named("Id")
        return cls(named("Target")[0], named("Time")[0], ids[0] if ids else None, named("Exogenous"), named("Feature"))

    @property
    def keys(self) -> tuple[str, ...]:
        """What says which step of which series a row is."""
        return (self.time,) if self.series is None else (self.series, self.time)

    @property
    def observed(self) -> tuple[str, ...]:
        """What a row that was observed has."""
        return (*self.keys, self.target, *self.exogenous, *self.features)

    @property
    def future(self) -> tuple[str, ...]:
        """What is said of a step in the future."""
        return (*self.keys, *self.exogenous)


@dataclass(frozen=True)
class Covariates:
    """How covariates become numbers. `known`, `static` and `past` are positions in the layout of `preprocessing`, which
    is None where there are no covariates: known in the future, the same all through each series, and the others, which
    are known up to the present only."""

    preprocessing: Preprocessing | None
    known: tuple[int, ...] = ()
    static: tuple[int, ...] = ()
    past: tuple[int, ...] = ()

    def names(self, positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.preprocessing.layout[i].name for i in positions) if self.preprocessing else ()

    @property
    def categorical(self) -> tuple[str, ...]:
        return self.names(self.preprocessing.categorical) if self.preprocessing else ()

    def matrix(self, table: pa.Table) -> np.ndarray:
        """float32 (rows, width) of rows with the contract's Arrow types."""
        if self.preprocessing is None:
            return np.empty((table.num_rows, 0), np.float32)
        return self.preprocessing.matrix(table)


def read_rows(parquet: Path, contract: Contract, columns: Sequence[str]) -> pa.Table:
    """These columns, as the contract has them."""
    return pq.read_table(parquet, columns=list(columns)).cast(contract.select(columns).schema)


def read_series(
    parquet: Path,
    contract: Contract,
    roles: Mapping[str, str],
    frequency: str | None,
    fill: str | None,
    horizon: int | None,
) -> tuple[Reading, pa.Table]:
    """The series of a validated dataset, and the rows they come from.

    Raises Invalid: see `reading.read_panel`.
    """
    named = Roles.of(roles)
    table = read_rows(parquet, contract, named.observed)
    reading = read_panel(
        table,
        target=named.target,
        time=named.time,
        series=named.series,
        frequency=None if frequency is None else Frequency.parse(frequency),
        fill=fill,  # type: ignore[arg-type]
        horizon=horizon or 1,
    )
    return reading, table


def learn_covariates(
    panel: Panel, table: pa.Table, contract: Contract, roles: Roles, categories: Sequence[str]
) -> Covariates:
    """What the covariates are, from the rows of the panel."""
    names = [*roles.exogenous, *roles.features]
    if not names:
        return Covariates(None)
    rows = table.take(pa.array(panel.rows[panel.rows >= 0]))
    try:
        preprocessing = Preprocessing.fit(contract.select(names), names, rows, categories)
    except Invalid:  # none of them ever changes
        return Covariates(None)
    matrix = carried(preprocessing.matrix(table), panel.rows)
    known = [i for i, column in enumerate(preprocessing.layout) if column.source in roles.exogenous]
    others = [i for i in range(preprocessing.width) if i not in known]
    static = [i for i in others if _is_static(matrix[:, i], panel)]
    past = [i for i in others if i not in static]
    return Covariates(preprocessing, tuple(known), tuple(static), tuple(past))


def with_covariates(panel: Panel, table: pa.Table, covariates: Covariates) -> Series:
    """The panel as lagged models read it. A filled row has the covariates of the row before it."""
    matrix = carried(covariates.matrix(table), panel.rows)
    static = np.full((len(panel.ids), len(covariates.static)), np.nan, np.float32)
    for column, position in enumerate(covariates.static):
        values = matrix[:, position]
        # The last value of a series that there is one of; they are all the same.
        place = np.where(np.isfinite(values), np.arange(len(values)), -1)
        last = np.maximum.reduceat(place, panel.starts[:-1])
        static[:, column] = np.where(last >= 0, values[last], np.nan)
    return Series(
        starts=panel.starts,
        times=panel.times,
        y=panel.y,
        known=matrix[:, covariates.known],
        static=static,
        past=matrix[:, covariates.past],
    )


def carried(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These rows of a matrix, and for -1, a row that was filled in, those of the row before it."""
    is_there = rows >= 0
    if is_there.all():
        return matrix[rows]
    # The first row of a series is never filled, so this stays within it.
    source = np.maximum.accumulate(np.where(is_there, np.arange(len(rows)), -1))
    return matrix[rows[source]]


def _is_static(values: np.ndarray, panel: Panel) -> bool:
    known = np.isfinite(values)
    least = np.minimum.reduceat(np.where(known, values, np.inf), panel.starts[:-1])
    most = np.maximum.reduceat(np.where(known, values, -np.inf), panel.starts[:-1])
    return bool((least >= most).all())
