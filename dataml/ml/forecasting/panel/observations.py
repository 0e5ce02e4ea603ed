"""A panel goes on: new observations are appended where they continue its series."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.messages import SHOWN, called, listed, moments, several
from dataml.ml.forecasting.panel.covariates import Covariates, Series, carried
from dataml.ml.forecasting.panel.dataset import Roles
from dataml.ml.forecasting.panel.gaps import Fill, close_gaps
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import read_observations


def observed(
    panel: Panel, series: Series, table: pa.Table, roles: Roles, covariates: Covariates, fill: str | None
) -> tuple[Panel, Series]:
    """The panel and the series with the rows of `table` behind them. `panel.rows` are the rows of `series`.

    Raises Invalid: what `reading.read_observations` and `extension.extend` refuse.
    """
    new = read_observations(
        table,
        target=roles.target,
        time=roles.time,
        series=roles.series,
        frequency=panel.frequency,
        fill=fill,  # type: ignore[arg-type]
    ).panel
    extended = extend(panel, new, fill=fill, first_row=len(series.y))  # type: ignore[arg-type]
    matrix = covariates.matrix(table)

    def both(before: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
        return carried(np.concatenate((before, matrix[:, positions])), extended.rows)

    joined = Series(
        starts=extended.starts,
        times=extended.times,
        y=extended.y,
        known=both(series.known, covariates.known),
        static=series.static,
        past=both(series.past, covariates.past),
    )
    return replace(extended, rows=np.arange(len(extended.y))), joined


def extend(panel: Panel, other: Panel, *, fill: Fill | None = None, first_row: int = 0) -> Panel:
    """The panel with the observations of `other`, which may have some of its series only.

    A time that the panel has already must have the same value there, and changes nothing: observations are added,
    never replaced. What comes after must continue the series without a gap, or `fill` closes it. `rows` of what is
    appended are raised by `first_row`: where other's table would begin, if it came after that of the panel.

    Raises:
    Invalid: `frequency_mismatch`, `unknown_series`, `duplicate_timestamps` for another value at a time that the panel
        has, `irregular_series` for a gap, a time off the grid, or one before the series begins.
    """
    if not panel.frequency.same_steps(other.frequency):
        raise Invalid(
            f"The new observations have the frequency {other.frequency.name}; the series have {panel.frequency.name}.",
            code="frequency_mismatch",
        )
    places = _places(panel, other)
    series = np.repeat(places, other.lengths)
    later = other.times > panel.last_times[series]
    _check_overlap(panel, other, series, np.flatnonzero(~later & (other.rows >= 0)))
    if not later.any():
        return panel
    return close_gaps(_appended(panel, other, series, later, first_row), fill)


def _places(panel: Panel, other: Panel) -> np.ndarray:
    """The number in the panel of each series of other."""
    known = set(panel.ids)
    unknown = [index for index, series_id in enumerate(other.ids) if series_id not in known]
    if unknown:
        raise Invalid(
            f"Not among the series of the model: {several(other.ids, np.array(unknown))}. "
            "Leave them out, or train a model with them.",
            code="unknown_series",
        )
    return np.array([panel.index_of(series_id) for series_id in other.ids], np.int64)


def _check_overlap(panel: Panel, other: Panel, series: np.ndarray, rows: np.ndarray) -> None:
    """Of these rows of other, all at times before the end of their series."""
    owners = series[rows]
    begins = panel.times[panel.starts[owners]]
    steps = panel.frequency.steps_between(begins, other.times[rows])
    early = rows[steps < 0]
    if len(early):
        detail = f"Before the series begins: {_named(panel, other, series, early)}. Observations are added at the end."
        raise Invalid(detail, code="irregular_series")
    same = panel.starts[owners] + steps
    off = rows[panel.times[same] != other.times[rows]]
    if len(off):
        detail = f"Between the steps of {panel.frequency.name}: {_named(panel, other, series, off)}."
        raise Invalid(detail, code="irregular_series")
    changed = rows[panel.y[same] != other.y[rows]]
    if len(changed):
        raise Invalid(
            f"There is another value already: {_named(panel, other, series, changed)}. What a series has is not "
            "replaced; leave these times out, or train anew with the corrected values.",
            code="duplicate_timestamps",
        )


def _named(panel: Panel, other: Panel, series: np.ndarray, rows: np.ndarray) -> str:
    shown = [
        f"{called(panel.ids, int(series[row]))} at {moments(other.times[row])[0]}" for row in rows[:SHOWN].tolist()
    ]
    return listed(shown, len(rows))


def _appended(panel: Panel, other: Panel, series: np.ndarray, later: np.ndarray, first_row: int) -> Panel:
    """Each series with its later rows behind it."""
    added = np.bincount(series[later], minlength=len(panel))
    starts = panel.starts + np.concatenate(([0], np.cumsum(added)))
    order = np.argsort(np.concatenate((panel.series_of_rows, series[later])), kind="stable")
    numbers = np.where(other.rows < 0, -1, other.rows + first_row)
    return replace(
        panel,
        starts=starts,
        times=np.concatenate((panel.times, other.times[later]))[order],
        y=np.concatenate((panel.y, other.y[later]))[order],
        rows=np.concatenate((panel.rows, numbers[later]))[order],
    )
