"""A panel from a table of typed columns: rows in any order become sorted series, and what is wrong is named."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.types import DataType, parse_value
from dataml.errors import Invalid
from dataml.ml.forecasting.frequency import calendar
from dataml.ml.forecasting.frequency.detection import confirm, detect
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.frequency.messages import SHOWN, called, clock_change_hint, listed, moments, several
from dataml.ml.forecasting.panel.gaps import Fill, close_gaps
from dataml.ml.forecasting.panel.panel import Panel

MIN_VALUES = 3
"""A panel needs a series of so many values to learn from."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A panel and what is worth knowing of it.

    `short` are the numbers of series with fewer values than two main seasons or than a horizon and one more; `constant`
    those with one value only. `filled` counts the values of `y` that no row told; `future` are the rows of the table
    after the last target of their series, which have times and known values alone; `leading` counts rows before the
    first target, which are left out.
    """

    panel: Panel
    short: tuple[int, ...]
    constant: tuple[int, ...]
    filled: int
    future: np.ndarray
    leading: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        ids, found = self.panel.ids, []
        if self.short:
            found.append(f"Too short for two seasons or the horizon: {several(ids, np.array(self.short))}.")
        if self.constant:
            found.append(f"The same value throughout: {several(ids, np.array(self.constant))}.")
        if self.filled:
            found.append(f"{self.filled:,} of {len(self.panel.y):,} values were filled in.")
        if self.leading:
            found.append(f"{self.leading:,} rows before the first target value of their series were left out.")
        return tuple(found)


@dataclass(frozen=True, eq=False)
class _Sorted:
    """The rows of a table by series and time; `y` is NaN where the target is missing."""

    ids: tuple[str, ...]
    starts: np.ndarray
    times: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    def kept(self, mask: np.ndarray) -> "_Sorted":
        counted = np.concatenate(([0], np.cumsum(mask)))
        return _Sorted(self.ids, counted[self.starts], self.times[mask], self.y[mask], self.rows[mask])


def read_panel(
    table: pa.Table,
    *,
    target: str,
    time: str,
    series: str | None = None,
    frequency: Frequency | None = None,
    fill: Fill | None = None,
    horizon: int | None = None,
) -> Reading:
    """The series of a table, to learn from. Columns have the types of a contract; `time` is a Date or Timestamp, the
    target an Integer or Float; without `series` there is one series, called "". A series begins at its first target
    value and ends at its last one. Ids are ordered as their column's values are.

    Raises:
    Invalid: `time_not_temporal`, `target_not_numeric`, `missing_time`, `missing_series_id`, `infinite_target`,
        `duplicate_timestamps`, `irregular_series`, `mixed_frequencies`, `frequency_mismatch`, `too_few_rows`,
        `series_too_short` (a series without any value, or none with three), `constant_target`.
    """
    found = _sorted(table, target, time, series)
    if not len(found.times):
        raise Invalid("The table has no rows.", code="too_few_rows")
    reading = _read(found, frequency, fill, horizon)
    if int(reading.panel.lengths.max()) < MIN_VALUES:
        detail = f"No series has {MIN_VALUES} values; the longest one has {int(reading.panel.lengths.max())}."
        raise Invalid(detail, code="series_too_short")
    if len(reading.constant) == len(reading.panel):
        detail = f"The target {target!r} has the same value throughout every series; there is nothing to learn."
        raise Invalid(detail, code="constant_target")
    return reading


def read_observations(
    table: pa.Table, *, target: str, time: str, series: str | None, frequency: Frequency, fill: Fill | None = None
) -> Reading:
    """New values of known series, as short as they may be, to extend a panel of that frequency with.

    Raises:
    Invalid: as `read_panel`, without `constant_target` and without a least number of values.
    """
    found = _sorted(table, target, time, series)
    if not len(found.times):
        raise Invalid("The table has no rows.", code="too_few_rows")
    return _read(found, frequency, fill, horizon=None)


def _read(found: _Sorted, frequency: Frequency | None, fill: Fill | None, horizon: int | None) -> Reading:
    _refuse_duplicates(found)
    future, leading = _around_targets(found)
    history = found.kept(~(future | leading))
    empty = np.flatnonzero(np.diff(history.starts) == 0)
    if len(empty):
        detail = f"No value of the target: {several(found.ids, empty)}. Leave these series out, or give them values."
        raise Invalid(detail, code="series_too_short")
    times, starts, ids = history.times, history.starts, history.ids
    if frequency is None:
        frequency = detect(times, starts, ids)
    else:
        frequency = confirm(frequency, times, starts, ids, fills=fill is not None)
    panel = close_gaps(Panel(ids, starts, times, history.y, frequency, history.rows), fill)
    least = max(2 * frequency.season_length, (horizon or 0) + 1)
    highest = np.maximum.reduceat(panel.y, panel.starts[:-1])
    lowest = np.minimum.reduceat(panel.y, panel.starts[:-1])
    return Reading(
        panel,
        short=tuple(np.flatnonzero(panel.lengths < least).tolist()),
        constant=tuple(np.flatnonzero(highest == lowest).tolist()),
        filled=len(panel.y) - int(np.count_nonzero(~np.isnan(history.y))),
        future=found.rows[future],
        leading=int(leading.sum()),
    )


def times_of(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a Date or Timestamp column as datetime64[us], NaT where they are null."""
    return column.cast(pa.timestamp("us")).to_numpy()


def series_texts(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
    """The ids in a column without nulls: the different ones in the order of their values, each as the text that JSON
    has for it, and for every row the number of its id among them, int32."""
    encoded = pa.concat_arrays([column.dictionary_encode().unify_dictionaries().combine_chunks()])
    values = encoded.dictionary
    order = pc.sort_indices(values).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    ids = tuple(str(parse_value(value, DataType.STRING)) for value in values.take(pa.array(order)).to_pylist())
    return ids, rank[encoded.indices.to_numpy()]


def _sorted(table: pa.Table, target: str, time: str, series: str | None) -> _Sorted:
    times = _times(table.column(time), time)
    y = _target(table.column(target), target)
    ids, codes = ("",), np.zeros(len(times), np.int32)
    if series is not None:
        column = table.column(series)
        _refuse_nulls(column, f"The series column {series!r} has no value", "missing_series_id")
        ids, codes = series_texts(column)
    starts = np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=len(ids))))).astype(np.int64)
    order = _order(codes, calendar.microseconds(times))
    return _Sorted(ids, starts, times[order], y[order], order)


def _times(column: pa.ChunkedArray, name: str) -> np.ndarray:
    if not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        raise Invalid(f"The time column {name!r} is no Date or Timestamp.", code="time_not_temporal")
    _refuse_nulls(column, f"The time column {name!r} has no value", "missing_time")
    return times_of(column)


def _target(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """float64, NaN where it is missing."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        detail = f"A forecast needs an Integer or Float target; {name!r} is none."
        raise Invalid(detail, code="target_not_numeric")
    y = column.cast(pa.float64(), safe=False).to_numpy()
    infinite = np.flatnonzero(np.isinf(y))
    if len(infinite):
        detail = f"The target {name!r} is infinite in {_rows(infinite)}; a forecast needs finite numbers."
        raise Invalid(detail, code="infinite_target")
    return y


def _order(codes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The order of the rows by series and time. int64 (rows,)."""
    ascending = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (times[1:] >= times[:-1]))
    if ascending.all():
        return np.arange(len(codes))
    if not np.remainder(times, calendar.SECOND_US).any():
        times = times // calendar.SECOND_US
    times = times - times.min()
    reach = int(times.max()) + 1
    if int(codes.max() + 1) * reach > np.iinfo(np.int64).max:
        return np.lexsort((times, codes))
    return np.argsort(codes.astype(np.int64) * reach + times)  # in one number: several times as fast as lexsort


def _around_targets(found: _Sorted) -> tuple[np.ndarray, np.ndarray]:
    """For each row whether it comes after the last target of its series, and whether before the first one."""
    known = np.concatenate(([0], np.cumsum(~np.isnan(found.y))))
    lengths = np.diff(found.starts)
    so_far = known[1:] - np.repeat(known[found.starts[:-1]], lengths)
    total = np.repeat(np.diff(known[found.starts]), lengths)
    leading = so_far == 0
    return (so_far == total) & np.isnan(found.y) & ~leading, leading


def _refuse_duplicates(found: _Sorted) -> None:
    same = np.zeros(len(found.times), bool)
    same[1:] = found.times[1:] == found.times[:-1]
    same[found.starts[:-1]] = False
    again = np.flatnonzero(same)
    if not len(again):
        return
    series = np.searchsorted(found.starts, again, "right") - 1
    shown = [
        f"{called(found.ids, index)} at {moments(found.times[row])[0]} ({_rows(np.sort(found.rows[[row - 1, row]]))})"
        for index, row in zip(series[:SHOWN].tolist(), again[:SHOWN].tolist(), strict=True)
    ]
    hint = clock_change_hint(found.times[again])
    advice = "" if len(found.ids) > 1 or hint else " If the table holds several series, one column needs the role Id."
    raise Invalid(
        f"A series has one value a time; there are two: {listed(shown, len(again))}. "
        f"Remove or sum up what is doubled.{advice}{hint}",
        code="duplicate_timestamps",
    )


def _refuse_nulls(column: pa.ChunkedArray, problem: str, code: str) -> None:
    if column.null_count:
        rows = np.flatnonzero(column.is_null().to_numpy())
        raise Invalid(f"{problem} in {_rows(rows)}; give one, or remove them.", code=code)


def _rows(rows: np.ndarray) -> str:
    """Rows counted from 1, as everywhere a person reads of them."""
    return ("row " if len(rows) == 1 else "rows ") + listed([f"{row + 1:,}" for row in rows[:SHOWN]], len(rows))
