"""Suggests how to train on a dataset: the kind of problem that a target is, and the roles of the other columns."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.ml.data_checks.identifiers import is_identifier
from dataml.ml.forecasting.frequency.detection import detect_frequency
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.labels import to_label
from dataml.suggestions import describe_unknown
from dataml.train.checks.request import ColumnRole, ProblemType

_MAX_ROWS: Final = 50_000
_MAX_CELLS: Final = 2_000_000
_MAX_SERIES_COLUMNS: Final = 20
_MIN_STEPS: Final = 10
_MAX_CLASSES: Final = 100
_FEW_VALUES: Final = 20
_NAMING: Final = (DataType.STRING, DataType.INTEGER)
_NUMERIC: Final = (DataType.INTEGER, DataType.FLOAT)


@dataclass(frozen=True)
class SuggestedRole:
    """The role that a column most likely has, and why; without a reason it is a feature like any other."""

    role: ColumnRole
    reason: str | None = None


@dataclass(frozen=True)
class Suggestion:
    """How to train on a dataset.

    `classes` are the values of the target as labels, in order; None where they are too many, and for amounts. A
    Forecast has a `frequency`.
    """

    problem_type: ProblemType
    reason: str
    classes: Sequence[str] | None
    roles: Mapping[str, SuggestedRole]
    frequency: Frequency | None = None


def suggest(parquet: Path, contract: Contract, target: str) -> Suggestion:
    """Return how to train on the rows of a dataset, as far as its first rows say. Blocking.

    Args:
        parquet: the rows.
        contract: their columns.
        target: the column to predict.

    Raises:
        Invalid: `unknown_column`.
    """
    if target not in contract.names:
        raise Invalid(describe_unknown("column", target, contract.names), code="unknown_column")
    types = {column.name: column.data_type for column in contract.columns}
    table = _read_first_rows(parquet, [name for name in types if name == target or types[name] is not DataType.FLOAT])
    roles = {name: SuggestedRole(ColumnRole.FEATURE) for name in types}
    series = _find_series(table, types, target) if types[target] in _NUMERIC else None
    for name in types:
        if name not in (target, series and series.id) and _is_identifier(name, types[name], table):
            reason = "Another value in every row: it names the rows, and nothing is learned from it."
            roles[name] = SuggestedRole(ColumnRole.ID if series is None else ColumnRole.IGNORE, reason)
    roles[target] = SuggestedRole(ColumnRole.TARGET, "The column to predict.")
    if series is None:
        return _suggest_by_target(target, types[target], table.column(target), roles)
    roles[series.time] = SuggestedRole(ColumnRole.TIME, f"The times of the rows; a step is: {series.frequency.name}.")
    if series.id is not None:
        roles[series.id] = SuggestedRole(ColumnRole.ID, "It names the series: each has every time once.")
    reason = f"{target!r} is a number at regular times, those of {series.time!r}."
    return Suggestion("Forecast", reason, None, roles, series.frequency)


@dataclass(frozen=True)
class _Series:
    """The columns that make series of a table: the times, and the names of the series where there are several."""

    time: str
    id: str | None
    frequency: Frequency


def _read_first_rows(parquet: Path, names: list[str]) -> pa.Table:
    rows = max(min(_MAX_ROWS, _MAX_CELLS // len(names)), 1)
    with pq.ParquetFile(parquet, pre_buffer=False) as file:
        batches = []
        missing = rows
        for batch in file.iter_batches(batch_size=min(rows, 8192), columns=names):
            batches.append(batch.slice(0, missing))
            missing -= len(batches[-1])
            if missing <= 0:
                break
        schema = file.schema_arrow
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in names]))


def _is_identifier(name: str, data_type: DataType, table: pa.Table) -> bool:
    return data_type in _NAMING and is_identifier(name, data_type, table.column(name))


def _suggest_by_target(
    target: str, data_type: DataType, values: pa.ChunkedArray, roles: Mapping[str, SuggestedRole]
) -> Suggestion:
    distinct = pc.unique(values.drop_null())
    if data_type in _NUMERIC and not (data_type is DataType.INTEGER and len(distinct) <= 2):
        reason = f"The values of {target!r} are amounts."
        if data_type is DataType.INTEGER and len(distinct) <= _FEW_VALUES:
            reason += f" It has {len(distinct)} of them: if they are kinds, choose Classification."
        return Suggestion(
            "Regression", reason, _list_labels(distinct) if data_type is DataType.INTEGER else None, roles
        )
    reason = f"{target!r} has {len(distinct):,} different values: they are classes."
    return Suggestion("Classification", reason, _list_labels(distinct), roles)


def _list_labels(distinct: pa.Array) -> list[str] | None:
    if len(distinct) > _MAX_CLASSES:
        return None
    values: list[Any] = sorted(distinct.to_pylist())
    return [to_label(value) for value in values]


def _find_series(table: pa.Table, types: Mapping[str, DataType], target: str) -> _Series | None:
    """Return the columns that order the rows in regular steps of time; None where none do."""
    times = [name for name, data_type in types.items() if data_type.is_temporal and name != target]
    naming = [name for name, data_type in types.items() if data_type in _NAMING and name != target]
    for time in times:
        if table.column(time).null_count:
            continue
        for name in (None, *naming[:_MAX_SERIES_COLUMNS]):
            if (frequency := _find_frequency(table, time, name)) is not None:
                return _Series(time, name, frequency)
    return None


def _find_frequency(table: pa.Table, time: str, name: str | None) -> Frequency | None:
    """Return the step of the series that the columns make, of one series without `name`; None where they make none."""
    keys = [time] if name is None else [name, time]
    rows = table.select(keys)
    if rows.column(keys[0]).null_count or rows.group_by(keys).aggregate([]).num_rows < len(rows):
        return None
    rows = rows.sort_by([(key, "ascending") for key in keys])
    lengths = [len(rows)] if name is None else pc.value_counts(rows.column(name)).field("counts").to_pylist()
    if len(rows) < _MIN_STEPS * len(lengths):
        return None
    moments = rows.column(time).cast(pa.timestamp("us")).to_numpy()
    try:
        return detect_frequency(moments, np.cumsum([0, *lengths]))
    except Invalid:
        return None
