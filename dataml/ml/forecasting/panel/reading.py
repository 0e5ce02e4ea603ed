"""Reading of a panel from a table of typed columns in any order, with an error for everything that is wrong."""

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataml.contract.dates import InvalidValue
from dataml.contract.types import DataType
from dataml.contract.values import parse_value
from dataml.errors import Invalid
from dataml.ml.forecasting.frequency import calendar
from dataml.ml.forecasting.frequency.detection import check_frequency, detect_frequency, has_daily_steps
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.frequency.messages import (
    MAX_EXAMPLES,
    clock_change_hint,
    format_times,
    join_examples,
    series_label,
    series_labels,
)
from dataml.ml.forecasting.panel.gaps import FillMethod, fill_gaps
from dataml.ml.forecasting.panel.panel import Panel

MIN_VALUES: Final = 3
"""Values that the longest series of a panel must have."""
MAX_SIZE: Final = 1e100
"""Bound of the absolute values of a target, and of one over the largest of them: squares of changes fit float64."""


@dataclass(frozen=True, eq=False)
class ParsedPanel:
    """A panel, and facts about how it was read.

    `short` are the numbers of series with fewer values than two main seasons or than a horizon and one more;
    `constant` are those of series whose values are all the same. `is_filled` (rows,) are the values of `y` that were
    filled in; `future` are the rows of the table after the last target of their series, which have times and known
    values only; `leading` counts rows before the first target, which are left out.
    """

    panel: Panel
    short: tuple[int, ...]
    constant: tuple[int, ...]
    is_filled: np.ndarray
    future: np.ndarray
    leading: int

    @property
    def filled(self) -> int:
        """The number of values that were filled in."""
        return int(self.is_filled.sum())


@dataclass(frozen=True, eq=False)
class _SortedRows:
    """The rows of a table, sorted by series and time; `y` is NaN where the target is missing."""

    ids: tuple[str, ...]
    starts: np.ndarray
    times: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    def filter(self, mask: np.ndarray) -> "_SortedRows":
        counted = np.concatenate(([0], np.cumsum(mask)))
        return _SortedRows(self.ids, counted[self.starts], self.times[mask], self.y[mask], self.rows[mask])


def read_panel(
    table: pa.Table,
    *,
    target: str,
    time: str,
    series: str | None = None,
    frequency: Frequency | None = None,
    fill: FillMethod | None = None,
    horizon: int | None = None,
    time_zone: str | None = None,
) -> ParsedPanel:
    """Read the series of a table to learn from.

    With a `time_zone`, days and longer steps are those of its clock, unless the times are on the grid of UTC alone. The
    times of the panel are on the clock of its frequency.

    Columns have the types of a contract; `time` is a Date or Timestamp, the target an Integer or Float; without
    `series` there is one series, called "". A series begins at its first target value and ends at its last one. Ids
    are ordered as their column's values are.

    Raises:
        Invalid: `time_not_temporal`, `target_not_numeric`, `missing_time`, `missing_series_id`, `infinite_target`,
            `duplicate_timestamps`, `irregular_series`, `mixed_frequencies`, `frequency_mismatch`, `too_few_rows`,
            `series_too_short` (a series without any value, or none with three), `constant_target`,
            `target_out_of_range` (above MAX_SIZE, or nowhere above one over it).
    """
    rows = _sort_rows(table, target, time, series)
    if not len(rows.times):
        raise Invalid("The table has no rows.", code="too_few_rows")
    parsed = _parse(rows, frequency, fill, horizon, time_zone)
    longest = int(parsed.panel.lengths.max())
    if longest < MIN_VALUES:
        detail = f"No series has {MIN_VALUES} values; the longest one has {longest}."
        raise Invalid(detail, code="series_too_short")
    if len(parsed.constant) == len(parsed.panel):
        detail = f"The target {target!r} has the same value throughout every series; there is nothing to learn."
        raise Invalid(detail, code="constant_target")
    if np.nanmax(np.abs(parsed.panel.y)) < 1 / MAX_SIZE:
        raise _out_of_range(target, f"has no value above {1 / MAX_SIZE:g}")
    return parsed


def read_observations(
    table: pa.Table, *, target: str, time: str, series: str | None, frequency: Frequency, fill: FillMethod | None = None
) -> ParsedPanel:
    """Read new values of known series, few as they may be, to append to a panel of that frequency and clock.

    Raises:
        Invalid: as `read_panel`, without `constant_target` and without a minimum number of values.
    """
    rows = _sort_rows(table, target, time, series)
    if not len(rows.times):
        raise Invalid("The table has no rows.", code="too_few_rows")
    return _parse(rows, frequency, fill, horizon=None, time_zone=frequency.time_zone, is_clock_known=True)


def _parse(
    rows: _SortedRows,
    frequency: Frequency | None,
    fill: FillMethod | None,
    horizon: int | None,
    time_zone: str | None,
    is_clock_known: bool = False,
) -> ParsedPanel:
    _refuse_duplicates(rows)
    future, leading = _outside_targets(rows)
    history = rows.filter(~(future | leading))
    empty = np.flatnonzero(np.diff(history.starts) == 0)
    if len(empty):
        detail = f"Without any target value: {series_labels(rows.ids, empty)}. Leave these series out, or add values."
        raise Invalid(detail, code="series_too_short")
    starts, ids = history.starts, history.ids

    def settle(clock: str | None) -> tuple[Frequency, np.ndarray]:
        times = Frequency("day", time_zone=clock).read_moments(history.times)
        if frequency is None:
            found = detect_frequency(times, starts, ids)
        else:
            found = check_frequency(frequency, times, starts, ids, fills=fill is not None)
        return (found.on_clock(clock), times) if clock is None or found.is_date_based else settle(None)

    clocks = [time_zone] if is_clock_known else _list_clocks(history.times, starts, time_zone)
    settled, times = _first_that_fits(settle, clocks)
    panel = fill_gaps(Panel(ids, starts, times, history.y, settled, history.rows), fill)
    min_length = max(2 * settled.season_length, (horizon or 0) + 1)
    highest = np.maximum.reduceat(panel.y, panel.starts[:-1])
    lowest = np.minimum.reduceat(panel.y, panel.starts[:-1])
    return ParsedPanel(
        panel,
        short=tuple(np.flatnonzero(panel.lengths < min_length).tolist()),
        constant=tuple(np.flatnonzero(highest == lowest).tolist()),
        is_filled=(panel.rows < 0) | np.isin(panel.rows, history.rows[np.isnan(history.y)]),
        future=rows.rows[future],
        leading=int(leading.sum()),
    )


def _first_that_fits(
    settle: Callable[[str | None], tuple[Frequency, np.ndarray]], clocks: Sequence[str | None]
) -> tuple[Frequency, np.ndarray]:
    """Return the frequency and the times on the first of these clocks that the times have a frequency on.

    Raises:
        Invalid: they have none on any; the error is that of the local clock, if there is one.
    """
    errors: dict[str | None, Invalid] = {}
    for clock in clocks:
        try:
            return settle(clock)
        except Invalid as error:
            errors[clock] = error
    raise next((error for clock, error in errors.items() if clock is not None), errors[clocks[0]])


def _list_clocks(times: np.ndarray, starts: np.ndarray, time_zone: str | None) -> list[str | None]:
    """Return the zones on whose clocks the times may have their frequency, the likelier one first; None is UTC."""
    if time_zone is None or not has_daily_steps(times, starts):
        return [None]
    local = Frequency("day", time_zone=time_zone).read_moments(times)
    is_utc = not calendar.time_of_day(times).any() and calendar.time_of_day(local).any()
    return [None, time_zone] if is_utc else [time_zone, None]


def read_times(column: pa.ChunkedArray) -> np.ndarray:
    """Return the values of a Date or Timestamp column as datetime64[us], NaT where they are null."""
    return column.cast(pa.timestamp("us")).to_numpy()


def encode_series_ids(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the distinct ids of a column without nulls, and for each row the number of its id, int32.

    Ids are in the order of their values, each as the text that JSON has for it.
    """
    encoded = pa.concat_arrays([column.dictionary_encode().unify_dictionaries().combine_chunks()])
    values = encoded.dictionary
    order = pc.sort_indices(values).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    ids = tuple(str(parse_value(value, DataType.STRING)) for value in values.take(pa.array(order)).to_pylist())
    return ids, rank[encoded.indices.to_numpy()]


def normalize_series_id(text: str, data_type: DataType) -> str:
    """Return the id that `encode_series_ids` gives to the value of such a column that is written as `text`.

    It is another text for numbers alone: the series 1 of a Float column is also named 1.0, as version 0.1 did.
    """
    if data_type is not DataType.FLOAT:
        return text
    try:
        return str(parse_value(parse_value(text, data_type), DataType.STRING))
    except InvalidValue:
        return text


def refuse_nulls(column: pa.ChunkedArray, problem: str, code: str) -> None:
    """Refuse a column with nulls, naming its rows.

    Raises:
        Invalid: of the `code`, with a sentence that begins with `problem`.
    """
    if column.null_count:
        rows = np.flatnonzero(column.is_null().to_numpy())
        raise Invalid(f"{problem} in {_format_rows(rows)}. Add values, or remove these rows.", code=code)


def _sort_rows(table: pa.Table, target: str, time: str, series: str | None) -> _SortedRows:
    times = _checked_times(table.column(time), time)
    y = _checked_target(table.column(target), target)
    ids, codes = ("",), np.zeros(len(times), np.int32)
    if series is not None:
        column = table.column(series)
        refuse_nulls(column, f"The series column {series!r} has no value", "missing_series_id")
        ids, codes = encode_series_ids(column)
    starts = np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=len(ids))))).astype(np.int64)
    order = _sort_order(codes, calendar.microseconds(times))
    return _SortedRows(ids, starts, times[order], y[order], order)


def _checked_times(column: pa.ChunkedArray, name: str) -> np.ndarray:
    if not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        raise Invalid(f"The time column {name!r} is not a Date or Timestamp.", code="time_not_temporal")
    refuse_nulls(column, f"The time column {name!r} has no value", "missing_time")
    return read_times(column)


def _checked_target(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Return the target as float64, NaN where it is missing."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        detail = f"A forecast needs an Integer or Float target; {name!r} has another type."
        raise Invalid(detail, code="target_not_numeric")
    y = column.cast(pa.float64(), safe=False).to_numpy()
    infinite = np.flatnonzero(np.isinf(y))
    if len(infinite):
        detail = f"The target {name!r} is infinite in {_format_rows(infinite)}; a forecast needs finite numbers."
        raise Invalid(detail, code="infinite_target")
    large = np.flatnonzero(np.abs(y) > MAX_SIZE)
    if len(large):
        raise _out_of_range(name, f"is beyond {MAX_SIZE:g} in {_format_rows(large)}")
    return y


def _out_of_range(name: str, problem: str) -> Invalid:
    detail = f"The target {name!r} {problem}, which no model can compute with; use another unit."
    return Invalid(detail, code="target_out_of_range")


def _sort_order(codes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the order of the rows by series and time, int64 (rows,)."""
    ascending = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (times[1:] >= times[:-1]))
    if ascending.all():
        return np.arange(len(codes))
    if not np.remainder(times, calendar.SECOND_US).any():
        times = times // calendar.SECOND_US
    times = times - times.min()
    span = int(times.max()) + 1
    if int(codes.max() + 1) * span > np.iinfo(np.int64).max:
        return np.lexsort((times, codes))
    return np.argsort(codes.astype(np.int64) * span + times)  # in one number: several times as fast as lexsort


def _outside_targets(rows: _SortedRows) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row whether it is after the last target of its series, and whether before the first one."""
    known = np.concatenate(([0], np.cumsum(~np.isnan(rows.y))))
    lengths = np.diff(rows.starts)
    so_far = known[1:] - np.repeat(known[rows.starts[:-1]], lengths)
    total = np.repeat(np.diff(known[rows.starts]), lengths)
    leading = so_far == 0
    return (so_far == total) & np.isnan(rows.y) & ~leading, leading


def _refuse_duplicates(rows: _SortedRows) -> None:
    is_duplicate = np.zeros(len(rows.times), bool)
    is_duplicate[1:] = rows.times[1:] == rows.times[:-1]
    is_duplicate[rows.starts[:-1]] = False
    duplicates = np.flatnonzero(is_duplicate)
    if not len(duplicates):
        return
    series = np.searchsorted(rows.starts, duplicates, "right") - 1
    examples = [
        f"{series_label(rows.ids, index)} at {format_times(rows.times[row])[0]} "
        f"({_format_rows(np.sort(rows.rows[[row - 1, row]]))})"
        for index, row in zip(series[:MAX_EXAMPLES].tolist(), duplicates[:MAX_EXAMPLES].tolist(), strict=True)
    ]
    hint = clock_change_hint(rows.times[duplicates])
    advice = "" if len(rows.ids) > 1 or hint else " If the table holds several series, one column needs the role Id."
    raise Invalid(
        f"A series has one value per time, but there are two: {join_examples(examples, len(duplicates))}. "
        f"Remove the duplicates or sum them up.{advice}{hint}",
        code="duplicate_timestamps",
    )


def _format_rows(rows: np.ndarray) -> str:
    """Return rows counted from 1, as in all messages."""
    return ("row " if len(rows) == 1 else "rows ") + join_examples(
        [f"{row + 1:,}" for row in rows[:MAX_EXAMPLES]], len(rows)
    )
