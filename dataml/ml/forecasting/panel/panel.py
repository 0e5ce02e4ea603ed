"""The checked series of a dataset, as flat arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.suggestions import describe_unknown


@dataclass(frozen=True, eq=False)
class Panel:
    """Series one behind the other, each sorted by time and without a gap on the grid of `frequency`.

    `ids` name the series; `starts` int64 (series + 1,) says where each begins and ends; `times` datetime64[us], `y`
    float64 and `rows` int64 are (rows,). `rows` is the row of the source table, -1 for a step that had none; a row
    whose target was filled in keeps its number.
    """

    ids: tuple[str, ...]
    starts: np.ndarray
    times: np.ndarray
    y: np.ndarray
    frequency: Frequency
    rows: np.ndarray

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """The number of values of each series, int64 (series,)."""
        return np.diff(self.starts)

    @property
    def series_index(self) -> np.ndarray:
        """The number of the series of each row, int64 (rows,)."""
        return np.repeat(np.arange(len(self.ids)), self.lengths)

    @property
    def last_times(self) -> np.ndarray:
        """The last time of each series, (series,); NaT of one that is empty."""
        last = np.full(len(self.ids), np.datetime64("NaT"), "datetime64[us]")
        is_present = self.lengths > 0
        last[is_present] = self.times[self.starts[1:][is_present] - 1]
        return last

    def series_slice(self, index: int) -> slice:
        """Return the slice of the rows of a series."""
        return slice(int(self.starts[index]), int(self.starts[index + 1]))

    def index_of(self, series_id: str) -> int:
        """Return the number of a series.

        Raises:
            Invalid: `unknown_series`: the panel has no series of this name.
        """
        index = self._index_by_id.get(series_id)
        if index is None:
            raise Invalid(describe_unknown("series", series_id, self.ids), code="unknown_series")
        return index

    @cached_property
    def _index_by_id(self) -> dict[str, int]:
        return {series_id: index for index, series_id in enumerate(self.ids)}
