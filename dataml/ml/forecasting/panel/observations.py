"""New observations: checked against the series of a panel, and appended to them."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from dataml.contract.warnings import DataWarning
from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.messages import (
    MAX_EXAMPLES,
    format_times,
    join_examples,
    series_label,
    series_labels,
)
from dataml.ml.forecasting.panel.covariates import Covariates, GroupedSeries, carry_forward
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.gaps import FillMethod, fill_gaps
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import read_observations
from dataml.ml.forecasting.panel.warnings import warn_of_filled


@dataclass(frozen=True)
class UpdatedSeries:
    """A panel and its series with new observations, and what a user should know of these."""

    panel: Panel
    series: GroupedSeries
    warnings: tuple[DataWarning, ...]


def update_series(
    panel: Panel, series: GroupedSeries, table: pa.Table, roles: ColumnRoles, covariates: Covariates, fill: str | None
) -> UpdatedSeries:
    """Return the panel and its series with the rows of `table` appended. `panel.rows` are the rows of `series`.

    Raises:
        Invalid: what `read_observations` and `append_observations` refuse.
    """
    observations = read_observations(
        table,
        target=roles.target,
        time=roles.time,
        series=roles.series,
        frequency=panel.frequency,
        fill=fill,  # type: ignore[arg-type]
    )
    updated = append_observations(
        panel,
        observations.panel,
        fill=fill,  # type: ignore[arg-type]
        first_row=len(series.y),
    )
    matrix = covariates.matrix(table)

    def append(before: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
        return carry_forward(np.concatenate((before, matrix[:, positions])), updated.rows)

    updated_series = GroupedSeries(
        starts=updated.starts,
        times=updated.times,
        y=updated.y,
        known=append(series.known, covariates.known),
        static=series.static,
        past=append(series.past, covariates.past),
    )
    # Rows whose target was missing keep their number, those of missing times have none.
    filled_rows = observations.panel.rows[observations.is_filled] + len(series.y)
    is_filled = (updated.rows < 0) | np.isin(updated.rows, filled_rows)
    warnings = _find_warnings(updated, is_filled, len(updated.y) - len(panel.y), roles.target)
    return UpdatedSeries(replace(updated, rows=np.arange(len(updated.y))), updated_series, warnings)


def _find_warnings(updated: Panel, is_filled: np.ndarray, added: int, target: str) -> tuple[DataWarning, ...]:
    if not added:
        return (DataWarning("known_observations", "The new observations were known already.", target),)
    warning = warn_of_filled(updated, is_filled, target)
    return () if warning is None else (warning,)


def append_observations(
    panel: Panel, observations: Panel, *, fill: FillMethod | None = None, first_row: int = 0
) -> Panel:
    """Return the panel with new observations of some or all of its series.

    A time that the panel has already must have the same value there, and changes nothing: observations are added,
    never replaced. Later times must continue the series without a gap, or `fill` closes it. `first_row` is added to
    the row numbers of what is appended: it is where the table of the observations begins when it is put behind the
    table of the panel.

    Raises:
        Invalid: `frequency_mismatch`; `unknown_series`; `duplicate_timestamps`: another value at a time that the panel
            has; `irregular_series`: a gap, a time off the grid, or one before the series begins.
    """
    if not panel.frequency.has_same_step(observations.frequency):
        raise Invalid(
            f"The new observations have the frequency {observations.frequency.name}, "
            f"but the series have {panel.frequency.name}.",
            code="frequency_mismatch",
        )
    numbers = _series_numbers(panel, observations)
    series = np.repeat(numbers, observations.lengths)
    is_later = observations.times > panel.last_times[series]
    _check_overlap(panel, observations, series, np.flatnonzero(~is_later & (observations.rows >= 0)))
    if not is_later.any():
        return panel
    return fill_gaps(_append(panel, observations, series, is_later, first_row), fill)


def _series_numbers(panel: Panel, observations: Panel) -> np.ndarray:
    """Return the number in the panel of each series of the observations."""
    known = set(panel.ids)
    unknown = [index for index, series_id in enumerate(observations.ids) if series_id not in known]
    if unknown:
        raise Invalid(
            f"Not among the series of the model: {series_labels(observations.ids, np.array(unknown))}. "
            "Leave them out, or train a model with them.",
            code="unknown_series",
        )
    return np.array([panel.index_of(series_id) for series_id in observations.ids], np.int64)


def _check_overlap(panel: Panel, observations: Panel, series: np.ndarray, rows: np.ndarray) -> None:
    """Refuse rows, none later than the end of its series, that do not repeat a value of the panel."""
    owners = series[rows]
    begins = panel.times[panel.starts[owners]]
    steps = panel.frequency.count_steps(begins, observations.times[rows])
    early = rows[steps < 0]
    if len(early):
        examples = _examples(panel, observations, series, early)
        detail = f"Before the series begins: {examples}. New observations can only be added at the end."
        raise Invalid(detail, code="irregular_series")
    same = panel.starts[owners] + steps
    off_grid = rows[panel.times[same] != observations.times[rows]]
    if len(off_grid):
        examples = _examples(panel, observations, series, off_grid)
        detail = f"Between the steps of {panel.frequency.name}: {examples}."
        raise Invalid(detail, code="irregular_series")
    changed = rows[panel.y[same] != observations.y[rows]]
    if len(changed):
        raise Invalid(
            f"The series already has another value: {_examples(panel, observations, series, changed)}. Known values "
            "are not replaced. Leave these times out, or train again with the corrected values.",
            code="duplicate_timestamps",
        )


def _examples(panel: Panel, observations: Panel, series: np.ndarray, rows: np.ndarray) -> str:
    examples = [
        f"{series_label(panel.ids, int(series[row]))} at {format_times(observations.times[row])[0]}"
        for row in rows[:MAX_EXAMPLES].tolist()
    ]
    return join_examples(examples, len(rows))


def _append(panel: Panel, observations: Panel, series: np.ndarray, is_later: np.ndarray, first_row: int) -> Panel:
    """Return the panel with the later rows behind each series."""
    added = np.bincount(series[is_later], minlength=len(panel))
    starts = panel.starts + np.concatenate(([0], np.cumsum(added)))
    order = np.argsort(np.concatenate((panel.series_index, series[is_later])), kind="stable")
    numbers = np.where(observations.rows < 0, -1, observations.rows + first_row)
    return replace(
        panel,
        starts=starts,
        times=np.concatenate((panel.times, observations.times[is_later]))[order],
        y=np.concatenate((panel.y, observations.y[is_later]))[order],
        rows=np.concatenate((panel.rows, numbers[is_later]))[order],
    )
