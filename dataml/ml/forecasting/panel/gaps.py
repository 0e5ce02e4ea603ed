"""Gaps of a panel: missing times and values, refused by name or filled."""

from dataclasses import replace
from typing import Final, Literal, get_args

import numpy as np

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.detection import refuse_off_grid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.frequency.messages import (
    MAX_EXAMPLES,
    clock_change_hint,
    format_span,
    format_times,
    join_examples,
    series_label,
)
from dataml.ml.forecasting.panel.panel import Panel

FillMethod = Literal["previous", "linear", "zero", "mean", "seasonal"]
FILL_METHODS: Final[tuple[FillMethod, ...]] = get_args(FillMethod)
_MAX_ROWS: Final = 50_000_000
_MAX_GROWTH: Final = 100


def fill_gaps(panel: Panel, fill: FillMethod | None) -> Panel:
    """Return the panel with a value at every step: NaN in `y`, and steps without a row, are filled by `fill`.

    Each series begins and ends with a value, and none is empty. `previous` repeats the value before, `linear` draws a
    line between the neighbours, `mean` takes the mean of the values before, `seasonal` the value one season earlier (or
    two, or more, where that one is missing too), or the one before where there is none. All but `linear` look back
    only, so that a backtest sees nothing of what comes later.

    Raises:
        Invalid: `irregular_series`: a time lies off the grid, something is missing and `fill` is None, or the gaps are
            too wide to be filled.
    """
    positions, on_grid = panel.frequency.positions(panel.times, panel.starts)
    if not on_grid.all():
        row = int(np.flatnonzero(~on_grid)[0])
        refuse_off_grid(panel.frequency, panel.times, panel.starts, panel.ids, row)
    missed = np.diff(positions, prepend=0) - 1
    missed[panel.starts[:-1]] = 0
    values = np.isnan(panel.y)
    if not missed.any() and not values.any():
        return panel
    if fill is None:
        raise _missing_error(panel, missed, values)
    return _fill(_add_missing_steps(panel, positions, int(missed.sum())), fill)


def _missing_error(panel: Panel, missed: np.ndarray, values: np.ndarray) -> Invalid:
    rows = np.flatnonzero(missed)
    problems = []
    if len(rows):
        examples = [
            f"{_format_gap(panel, row)} ({int(missed[row]):,} step{'s' if missed[row] > 1 else ''})"
            for row in rows[:MAX_EXAMPLES].tolist()
        ]
        problems.append(f"Steps of {panel.frequency.name} are missing: {join_examples(examples, len(rows))}.")
    without = np.flatnonzero(values)
    if len(without):
        examples = [_format_row(panel, row) for row in without[:MAX_EXAMPLES].tolist()]
        problems.append(f"Target values are missing: {join_examples(examples, len(without))}.")
    hint = clock_change_hint(panel.times[rows]) if panel.frequency.unit in ("hour", "minute") else ""
    advice = f" Add them, or set fill ({', '.join(FILL_METHODS)})."
    if panel.frequency.has_same_step(Frequency("day")) and len(rows) and (missed[rows] == 2).mean() > 0.9:
        advice += " If only days from Monday to Friday are counted, the frequency is Business day."
    return Invalid(" ".join(problems) + advice + hint, code="irregular_series")


def _format_gap(panel: Panel, row: int) -> str:
    """Return the series and the times of the steps between a row and the one before."""
    series = int(np.searchsorted(panel.starts, row, "right")) - 1
    first = panel.frequency.shift(panel.times[row - 1], 1)
    last = panel.frequency.shift(panel.times[row], -1)
    return format_span(panel.ids, series, first, last)


def _format_row(panel: Panel, row: int) -> str:
    series = int(np.searchsorted(panel.starts, row, "right")) - 1
    return f"{series_label(panel.ids, series)} at {format_times(panel.times[row])[0]}"


def _add_missing_steps(panel: Panel, positions: np.ndarray, missed: int) -> Panel:
    """Return the panel with a row for each step, NaN where there was none."""
    if not missed:
        return panel
    total = len(panel.y) + missed
    if total > _MAX_ROWS or total > _MAX_GROWTH * (len(panel.y) + 100):
        widest = int(np.argmax(np.diff(positions) * (np.diff(panel.series_index) == 0))) + 1
        raise Invalid(
            f"Filling would make {total:,} rows of {len(panel.y):,}, most of them for {_format_gap(panel, widest)}. "
            f"Correct these times, or set another frequency than {panel.frequency.name}.",
            code="irregular_series",
        )
    starts = np.concatenate(([0], np.cumsum(positions[panel.starts[1:] - 1] + 1)))
    places = positions + np.repeat(starts[:-1], panel.lengths)
    y, rows = np.full(total, np.nan), np.full(total, -1)
    y[places], rows[places] = panel.y, panel.rows
    before = np.repeat(np.arange(len(places)), np.diff(np.append(places, total)))
    times = panel.frequency.shift(panel.times[before], np.arange(total) - places[before])
    return Panel(panel.ids, starts, times, y, panel.frequency, rows)


def _fill(panel: Panel, fill: FillMethod) -> Panel:
    y = panel.y.copy()
    missing = np.flatnonzero(np.isnan(y))
    if fill == "zero":
        y[missing] = 0.0
    elif fill == "linear":
        known = np.flatnonzero(~np.isnan(y))
        y[missing] = np.interp(missing, known, y[known])  # series begin and end with a value: no line leaves its own
    elif fill == "mean":
        y[missing] = _means_before(panel)[missing]
    else:
        if fill == "seasonal":
            _fill_from_seasons(panel, y, missing)
        y = _repeat_last(y)
    return replace(panel, y=y)


def _repeat_last(y: np.ndarray) -> np.ndarray:
    return y[np.maximum.accumulate(np.where(np.isnan(y), 0, np.arange(len(y))))]


def _means_before(panel: Panel) -> np.ndarray:
    """Return the mean of the values of a series up to each row.

    Values are summed as differences from the first one of their series, so that a long panel's sum loses no digits.
    """
    begins = np.repeat(panel.starts[:-1], panel.lengths)
    base = panel.y[begins]
    sums = np.cumsum(np.nan_to_num(panel.y - base))
    counts = np.cumsum(~np.isnan(panel.y))
    return base + (sums - sums[begins]) / (counts - counts[begins] + 1)


def _fill_from_seasons(panel: Panel, y: np.ndarray, missing: np.ndarray) -> None:
    """Write into `y` the last known value that lies whole seasons before each of `missing`."""
    begins = np.repeat(panel.starts[:-1], panel.lengths)[missing]
    source = missing - panel.frequency.season_length
    while len(missing):
        inside = source >= begins
        missing, source, begins = missing[inside], source[inside], begins[inside]
        known = ~np.isnan(panel.y[source])
        y[missing[known]] = panel.y[source[known]]
        missing, source, begins = missing[~known], source[~known] - panel.frequency.season_length, begins[~known]
