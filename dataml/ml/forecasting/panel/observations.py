"""New observations: checked against the series of a panel, and appended to them."""

from dataclasses import dataclass, replace
from typing import Literal

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

RevisedPolicy = Literal["refuse", "use"]
"""What happens when an observation has another value than the series already has at its time."""


@dataclass(frozen=True)
class UpdatedSeries:
    """A panel and its series with new observations, and what a user should know of these."""

    panel: Panel
    series: GroupedSeries
    warnings: tuple[DataWarning, ...]


@dataclass(frozen=True)
class Overlap:
    """Observations at times that are not later than the end of their series.

    Attributes:
        series: the series in the panel of each observation.
        early: positions of those before the first value that the panel keeps; they are compared with nothing.
        revised: positions of those that differ from the panel's value.
        places: positions in the panel of `revised`.
    """

    series: np.ndarray
    early: np.ndarray
    revised: np.ndarray
    places: np.ndarray


def update_series(
    panel: Panel,
    series: GroupedSeries,
    table: pa.Table,
    roles: ColumnRoles,
    covariates: Covariates,
    fill: str | None,
    revised: RevisedPolicy = "refuse",
) -> UpdatedSeries:
    """Return the panel and its series with the rows of `table` appended. `panel.rows` are the rows of `series`.

    The table may have the whole history again: what is known is skipped. Values that differ are refused or, with
    `revised` `use`, replace those of the panel.

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
    overlap = find_overlap(panel, observations.panel)
    updated = append_observations(
        panel,
        observations.panel,
        fill=fill,  # type: ignore[arg-type]
        first_row=len(series.y),
        revised=revised,
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
    added = len(updated.y) - len(panel.y)
    warnings = (
        *_find_warnings(updated, is_filled, added, roles.target, overlap),
        *_warn_of_overlap(panel, observations.panel, overlap, roles.target),
    )
    return UpdatedSeries(replace(updated, rows=np.arange(len(updated.y))), updated_series, warnings)


def _find_warnings(
    updated: Panel, is_filled: np.ndarray, added: int, target: str, overlap: Overlap
) -> tuple[DataWarning, ...]:
    if not added and not len(overlap.revised):
        return (DataWarning("known_observations", "The new observations were known already.", target),)
    warning = warn_of_filled(updated, is_filled, target)
    return () if warning is None else (warning,)


def _warn_of_overlap(panel: Panel, observations: Panel, overlap: Overlap, target: str) -> tuple[DataWarning, ...]:
    warnings: list[DataWarning] = []
    if count := len(overlap.revised):
        examples = _list_revised(panel, observations, overlap)
        message = f"{count:,} known values of {target!r} were replaced by those of the observations: {examples[0]}, ..."
        warnings.append(DataWarning("revised_observations", message, target, count, tuple(examples)))
    if count := len(overlap.early):
        message = (
            f"{count:,} observations are from before the history that the model keeps, and were skipped without being "
            "compared."
        )
        warnings.append(DataWarning("early_observations", message, target, count))
    return tuple(warnings)


def append_observations(
    panel: Panel,
    observations: Panel,
    *,
    fill: FillMethod | None = None,
    first_row: int = 0,
    revised: RevisedPolicy = "refuse",
) -> Panel:
    """Return the panel with new observations of some or all of its series.

    A time that the panel has already, with the same value, changes nothing, and neither does one before the history
    that it keeps. Another value is refused or, with `revised` `use`, replaces the panel's. Later times must continue
    the series without a gap, or `fill` closes it. `first_row` is added to the row numbers of what is appended: it is
    where the table of the observations begins when it is put behind the table of the panel.

    Raises:
        Invalid: `frequency_mismatch`; `unknown_series`; `duplicate_timestamps`: another value at a time that the panel
            has; `irregular_series`: a gap, or a time off the grid.
    """
    overlap = find_overlap(panel, observations)
    series = overlap.series
    is_later = observations.times > panel.last_times[series]
    if len(overlap.revised):
        if revised == "refuse":
            raise _known_otherwise(panel, observations, overlap)
        y = panel.y.copy()
        y[overlap.places] = observations.y[overlap.revised]
        panel = replace(panel, y=y)
    if not is_later.any():
        return panel
    return fill_gaps(_append(panel, observations, series, is_later, first_row), fill)


def find_overlap(panel: Panel, observations: Panel) -> Overlap:
    """Compare observations with the values that the panel has at their times.

    Raises:
        Invalid: `frequency_mismatch`; `unknown_series`; `irregular_series`: a time off the grid.
    """
    if not panel.frequency.has_same_step(observations.frequency):
        raise Invalid(
            f"The new observations have the frequency {observations.frequency.name}, "
            f"but the series have {panel.frequency.name}.",
            code="frequency_mismatch",
        )
    series = np.repeat(_series_numbers(panel, observations), observations.lengths)
    rows = np.flatnonzero((observations.times <= panel.last_times[series]) & (observations.rows >= 0))
    begins = panel.times[panel.starts[series[rows]]]
    steps = panel.frequency.count_steps(begins, observations.times[rows])
    early, rows, steps = rows[steps < 0], rows[steps >= 0], steps[steps >= 0]
    same = panel.starts[series[rows]] + steps
    off_grid = rows[panel.times[same] != observations.times[rows]]
    if len(off_grid):
        examples = _examples(panel, observations, series, off_grid)
        detail = f"Between the steps of {panel.frequency.name}: {examples}."
        raise Invalid(detail, code="irregular_series")
    # A value that was missing in the table stands for nothing that it says.
    is_revised = (panel.y[same] != observations.y[rows]) & ~np.isnan(observations.y[rows])
    return Overlap(series, early, rows[is_revised], same[is_revised])


def _known_otherwise(panel: Panel, observations: Panel, overlap: Overlap) -> Invalid:
    examples = join_examples(_list_revised(panel, observations, overlap), len(overlap.revised))
    return Invalid(
        f"The series already has another value: {examples}. Known values are not replaced unless revised is use. Send "
        "that, leave these times out, or train again with the corrected values.",
        code="duplicate_timestamps",
    )


def _list_revised(panel: Panel, observations: Panel, overlap: Overlap) -> list[str]:
    """Return the first of the values that differ, with the known one."""
    places, rows = overlap.places[:MAX_EXAMPLES].tolist(), overlap.revised[:MAX_EXAMPLES].tolist()
    return [
        f"{series_label(panel.ids, int(overlap.series[row]))} at {format_times(observations.times[row])[0]} "
        f"({panel.y[place]:g} known, {observations.y[row]:g} sent)"
        for place, row in zip(places, rows, strict=True)
    ]


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
