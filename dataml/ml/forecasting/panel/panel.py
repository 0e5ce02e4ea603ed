"""The checked series of a dataset, as flat arrays that every model of forecasts reads."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataml.errors import Invalid
from dataml.ml.forecasting.frequency.frequency import Frequency


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
        """How many series there are."""
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """The values of each series, int64 (series,)."""
        return np.diff(self.starts)

    @property
    def series_of_rows(self) -> np.ndarray:
        """The number of the series of each row, int64 (rows,)."""
        return np.repeat(np.arange(len(self.ids)), self.lengths)

    @property
    def last_times(self) -> np.ndarray:
        """The last time of each series, (series,); NaT of one that is empty."""
        last = np.full(len(self.ids), np.datetime64("NaT"), "datetime64[us]")
        there = self.lengths > 0
        last[there] = self.times[self.starts[1:][there] - 1]
        return last

    def series(self, index: int) -> slice:
        """Where the rows of a series lie."""
        return slice(int(self.starts[index]), int(self.starts[index + 1]))

    def index_of(self, series_id: str) -> int:
        """Raises:
        Invalid: `unknown_series`.
        """
        found = self._places.get(series_id)
        if found is None:
            raise Invalid(f"There is no series {series_id[:60]!r}.", code="unknown_series")
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {series_id: index for index, series_id in enumerate(self.ids)}
