"""A hierarchy of series: the sums of series that have the same values of columns, such as the airports of a region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.messages import format_times, series_label
from dataml.ml.forecasting.panel.covariates import Covariates, GroupedSeries
from dataml.ml.forecasting.panel.panel import Panel
from dataml.ml.forecasting.panel.reading import encode_series_ids

TOTAL: Final = "Total"
"""The name of the sum of all series, and of its level."""
_SEPARATOR: Final = "/"


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The sums of the series of a dataset, by level: the total, and one level for each of `columns`.

    `ids` name the sums, the coarsest first: `Total`, `North`, `North/City`, ... `parents` int64 (levels, series) is the
    number in `ids` of the sum that each series of the dataset belongs to. All series of a forecast are those of the
    dataset, and behind them the sums.
    """

    columns: tuple[str, ...]
    ids: tuple[str, ...]
    parents: np.ndarray

    @cached_property
    def sizes(self) -> np.ndarray:
        """The number of series of the dataset in each of all series: 1, and for a sum its terms, int64."""
        return np.concatenate((np.ones(self.parents.shape[1], np.int64), np.bincount(self.parents.ravel())))

    @cached_property
    def summing(self) -> np.ndarray:
        """The matrix that makes all series of those of the dataset, float64 (all series, series)."""
        return self.append_sums(np.eye(self.parents.shape[1]))

    @cached_property
    def levels(self) -> np.ndarray:
        """The number of the level of each of all series, int64: 0 for the total, the last one for the dataset's."""
        depth, count = self.parents.shape
        levels = np.full(count + len(self.ids), depth, np.int64)
        for level, numbers in enumerate(self.parents):
            levels[count + np.unique(numbers)] = level
        return levels

    def level_names(self, series: str) -> tuple[str, ...]:
        """Return the names of the levels, the coarsest first; the last one is that of the column `series`."""
        return (TOTAL, *self.columns, series)

    def append_sums(self, values: np.ndarray) -> np.ndarray:
        """Return values (..., series, steps) of the series of the dataset, and behind them their sums."""
        sums = np.zeros((*values.shape[:-2], len(self.ids), values.shape[-1]))
        for numbers in self.parents:
            np.add.at(np.moveaxis(sums, -2, 0), numbers, np.moveaxis(values, -2, 0))
        return np.concatenate((values, sums), axis=-2)

    def append_floors(self, floors: np.ndarray) -> np.ndarray:
        """Return the floors of all series, a floor for each of their terms, from those of the series of the dataset."""
        return self.append_sums(floors[:, None])[:, 0] / self.sizes

    def append_known(self, known: np.ndarray, covariates: Covariates) -> np.ndarray:
        """Return known covariates (series, steps, columns), and behind them those of the sums: means of their terms.

        A category has no mean; it is NaN.
        """
        is_known = np.isfinite(known)
        columns = []
        for column, position in enumerate(covariates.known):
            values = np.where(is_known[..., column], known[..., column], 0.0)
            counts = self.append_sums(is_known[..., column].astype(np.float64))
            with np.errstate(invalid="ignore"):
                means = self.append_sums(values) / np.where(counts > 0, counts, np.nan)
            means[: len(known)] = known[..., column]
            if _is_code(covariates, position):
                means[len(known) :] = np.nan
            columns.append(means.astype(np.float32))
        return np.stack(columns, axis=-1) if columns else np.empty((len(self.sizes), known.shape[1], 0), np.float32)

    def extend(self, panel: Panel, series: GroupedSeries, covariates: Covariates) -> tuple[Panel, GroupedSeries]:
        """Return the panel and the series of a dataset, and behind them their sums.

        A series counts as 0 before it begins. Covariates are means of those that there are; static ones of sums are
        missing.

        Raises:
            Invalid: `ragged_hierarchy`: the series do not end at the same time.
        """
        _refuse_ragged_ends(panel)
        count = len(panel.ids)
        lengths = np.zeros(len(self.ids), np.int64)
        for numbers in self.parents:
            np.maximum.at(lengths, numbers, series.lengths)
        starts = np.concatenate((series.starts, series.starts[-1] + np.cumsum(lengths)))
        # Series end together, so a row is found by how far from the end it is.
        from_end = series.lengths[series.series_index] - 1 - series.position
        places = starts[count + 1 :][self.parents][:, series.series_index] - 1 - from_end - series.starts[-1]
        rows = int(lengths.sum())
        y, times = np.zeros(rows), np.empty(rows, series.times.dtype)
        for place in places:
            y += np.bincount(place, weights=series.y, minlength=rows)
            times[place] = series.times
        extended = GroupedSeries(
            starts=starts,
            times=np.concatenate((series.times, times)),
            y=np.concatenate((series.y, y)),
            known=_append_means(series.known, places, rows, [_is_code(covariates, p) for p in covariates.known]),
            static=np.concatenate(
                (series.static, np.full((len(self.ids), series.static.shape[1]), np.nan, np.float32))
            ),
            past=_append_means(series.past, places, rows, [_is_code(covariates, p) for p in covariates.past]),
        )
        return (
            replace(
                panel,
                ids=(*panel.ids, *self.ids),
                starts=starts,
                times=extended.times,
                y=extended.y,
                rows=np.concatenate((panel.rows, np.full(rows, -1, np.int64))),
            ),
            extended,
        )

    def without_sums(self, panel: Panel, series: GroupedSeries) -> tuple[Panel, GroupedSeries]:
        """Return the panel and the series of the dataset alone, from what `extend` returns."""
        count = self.parents.shape[1]
        starts = series.starts[: count + 1]
        rows = slice(0, int(starts[-1]))
        return (
            replace(
                panel,
                ids=panel.ids[:count],
                starts=starts,
                times=panel.times[rows],
                y=panel.y[rows],
                rows=np.arange(rows.stop),
            ),
            GroupedSeries(
                starts=starts,
                times=series.times[rows],
                y=series.y[rows],
                known=series.known[rows],
                static=series.static[:count],
                past=series.past[rows],
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values for `from_json`."""
        return {"columns": list(self.columns), "ids": list(self.ids), "parents": self.parents.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the hierarchy that `to_json` wrote."""
        return cls(tuple(record["columns"]), tuple(record["ids"]), np.array(record["parents"], np.int64))


def read_hierarchy(panel: Panel, table: pa.Table, columns: Sequence[str]) -> Hierarchy:
    """Read the hierarchy of the series of a panel from columns of its table, the coarsest first.

    Raises:
        Invalid: `bad_hierarchy`: a column has no value, or several values within a series, or a sum has the name of
            another series; `ragged_hierarchy`.
    """
    _refuse_ragged_ends(panel)
    ids: list[str] = [TOTAL]
    parents = [np.zeros(len(panel.ids), np.int64)]
    paths = [""] * len(panel.ids)
    for column in columns:
        values = _values_by_series(panel, table, column)
        paths = [f"{path}{_SEPARATOR}{value}" if path else value for path, value in zip(paths, values, strict=True)]
        names = sorted(set(paths))
        numbers = {name: len(ids) + number for number, name in enumerate(names)}
        parents.append(np.array([numbers[path] for path in paths], np.int64))
        ids += names
    every = [*panel.ids, *ids]
    if len(set(every)) < len(every):
        name = next(name for name in ids if every.count(name) > 1)
        detail = f"The hierarchy has two series named {name!r}: give the value, or the Id, another name."
        raise Invalid(detail, code="bad_hierarchy")
    return Hierarchy(tuple(columns), tuple(ids), np.stack(parents))


def _values_by_series(panel: Panel, table: pa.Table, column: str) -> list[str]:
    rows = np.flatnonzero(panel.rows >= 0)
    values = table.column(column).take(pa.array(panel.rows[rows]))
    if values.null_count:
        row = int(panel.rows[rows[int(np.flatnonzero(values.is_null().to_numpy())[0])]])
        detail = f"The column {column!r} of the hierarchy has no value in row {row + 1:,}; each series needs one."
        raise Invalid(detail, code="bad_hierarchy")
    names, codes = encode_series_ids(values)
    series = panel.series_index[rows]
    lowest, highest = np.full(len(panel.ids), len(names)), np.full(len(panel.ids), -1)
    np.minimum.at(lowest, series, codes)
    np.maximum.at(highest, series, codes)
    if (several := np.flatnonzero(lowest != highest)).size:
        number = int(several[0])
        detail = (
            f"{series_label(panel.ids, number)} has several values of {column!r}, such as {names[lowest[number]]!r} "
            f"and {names[highest[number]]!r}; a column of the hierarchy has one for each series."
        )
        raise Invalid(detail, code="bad_hierarchy")
    return [names[code] for code in lowest.tolist()]


def _refuse_ragged_ends(panel: Panel) -> None:
    last = panel.last_times
    early = np.flatnonzero(last != last.max())
    if len(early):
        number = int(early[0])
        detail = (
            f"Series of a hierarchy end at the same time, so that their sums do: {series_label(panel.ids, number)} "
            f"ends at {format_times(last[number])[0]}, others at {format_times(last.max())[0]}."
        )
        raise Invalid(detail, code="ragged_hierarchy")


def _append_means(values: np.ndarray, places: np.ndarray, rows: int, is_code: Sequence[bool]) -> np.ndarray:
    """Return `values` (rows, columns), and behind them their means by place; those of codes are NaN."""
    means = np.full((rows, values.shape[1]), np.nan, np.float32)
    for column in np.flatnonzero(~np.array(is_code, bool)):
        known = np.isfinite(values[:, column])
        sums, counts = np.zeros(rows), np.zeros(rows)
        for place in places:
            sums += np.bincount(place[known], weights=values[known, column], minlength=rows)
            counts += np.bincount(place[known], minlength=rows)
        means[:, column] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return np.concatenate((values, means))


def _is_code(covariates: Covariates, position: int) -> bool:
    return covariates.preprocessing is not None and position in covariates.preprocessing.categorical
