"""The series of a dataset, read from Parquet by the roles of its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.reading import ParsedPanel, read_panel
from dataml.ml.forecasting.panel.time_column import parse_times


@dataclass(frozen=True)
class ColumnRoles:
    """The columns of a dataset by their role; without a `series` column there is one series, without a name."""

    target: str
    time: str
    series: str | None
    exogenous: tuple[str, ...]
    features: tuple[str, ...]

    @classmethod
    def from_mapping(cls, roles: Mapping[str, str]) -> "ColumnRoles":
        """Return the columns of a mapping from name to role (Target, Time, Id, Exogenous, Feature)."""

        def columns(role: str) -> tuple[str, ...]:
            return tuple(name for name, own_role in roles.items() if own_role == role)

        ids = columns("Id")
        return cls(
            columns("Target")[0], columns("Time")[0], ids[0] if ids else None, columns("Exogenous"), columns("Feature")
        )

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that identify a step of a series."""
        return (self.time,) if self.series is None else (self.series, self.time)

    @property
    def observation_columns(self) -> tuple[str, ...]:
        """The columns of an observed row."""
        return (*self.key_columns, self.target, *self.exogenous, *self.features)

    @property
    def future_columns(self) -> tuple[str, ...]:
        """The columns of a row about a future step: its key, and what is known in advance."""
        return (*self.key_columns, *self.exogenous)


def read_rows(parquet: Path, contract: Contract, columns: Sequence[str]) -> pa.Table:
    """Read these columns, cast to the Arrow types of the contract; times that are numbers or text are parsed.

    Raises:
        Invalid: what `parse_times` refuses.
    """
    table = pq.read_table(parquet, columns=list(columns))
    return parse_times(table, contract).cast(contract.select(columns).schema)


def read_series(
    parquet: Path,
    contract: Contract,
    roles: Mapping[str, str],
    frequency: str | None,
    fill: str | None,
    horizon: int | None,
    others: Sequence[str] = (),
) -> tuple[ParsedPanel, pa.Table]:
    """Read the series of a validated dataset, and return them with the rows that they come from.

    The rows have the columns of the roles that a forecast reads, and `others`.

    Raises:
        Invalid: what `read_panel` refuses, `unknown_frequency`.
    """
    columns = ColumnRoles.from_mapping(roles)
    table = read_rows(parquet, contract, tuple(dict.fromkeys((*columns.observation_columns, *others))))
    parsed = read_panel(
        table,
        target=columns.target,
        time=columns.time,
        series=columns.series,
        frequency=None if frequency is None else Frequency.parse(frequency),
        fill=fill,  # type: ignore[arg-type]
        horizon=horizon or 1,
        time_zone=contract.column(columns.time).time_zone,
    )
    return parsed, table
