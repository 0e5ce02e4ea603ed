"""The series of a dataset, read from Parquet by the roles of its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.ml.forecasting.frequency.frequency import Frequency
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
