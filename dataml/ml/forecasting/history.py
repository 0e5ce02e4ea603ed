"""The series of a forecast model and the end of their histories, read from its bundle without loading its models."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from dataml.contract.contract import Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid, NotFound
from dataml.ml.bundle.manifest import CONTRACT_FILE, BundleDamaged, read_file, read_manifest
from dataml.ml.forecasting.bundle import FORECAST, HISTORY, SERIES, read_hierarchy_record
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.reading import normalize_series_id
from dataml.ml.json_numbers import finite_or_none
from dataml.suggestions import describe_unknown


@dataclass(frozen=True)
class SeriesHistory:
    """The end of one series: its id (None where the model has one series without an Id), its times and its values."""

    unique_id: str | None
    dates: list[str]
    values: list[float | None]


@dataclass(frozen=True)
class StoredSeries:
    """All series of a model, as long as the bundle keeps them.

    `ids` are None where the model has one series without an Id, and so is `id_type`, the type of that column. Series
    number i has the steps from `starts[i]` up to `starts[i + 1]` of `times` and `values`. `level_names` are the levels
    of a hierarchy, the coarsest first, and `levels` has the number of the level of each series; both are empty without
    one.
    """

    frequency: Frequency
    ids: tuple[str | None, ...]
    id_type: DataType | None
    starts: np.ndarray
    times: np.ndarray
    values: np.ndarray
    level_names: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> "StoredSeries":
        """Read the series of a bundle, and verify the files.

        Raises:
            BundleDamaged: (503 `bundle_damaged`) a file is absent, was changed, or belongs to no forecast.
        """
        manifest = read_manifest(directory)
        if FORECAST not in manifest.files:
            raise BundleDamaged("The bundle is not that of a forecast.")
        record = json.loads(read_file(directory, manifest, FORECAST))
        series = pq.read_table(io.BytesIO(read_file(directory, manifest, SERIES)), columns=["id", "length"])
        history = pq.read_table(io.BytesIO(read_file(directory, manifest, HISTORY)), columns=["time", "y"])
        column = record["roles"]["series"]
        ids: tuple[str | None, ...] = (None,) * series.num_rows
        id_type = None
        if column is not None:
            contract = Contract.from_json(json.loads(read_file(directory, manifest, CONTRACT_FILE)))
            id_type = contract.column(column).data_type
            ids = tuple(normalize_series_id(each, id_type) for each in series.column("id").to_pylist())
        starts = np.concatenate(([0], np.cumsum(series.column("length").to_numpy()))).astype(np.int64)
        times = history.column("time").to_numpy().astype("datetime64[us]")
        frequency = Frequency.from_json(record["frequency"])
        hierarchy = read_hierarchy_record(record)
        names = () if hierarchy is None else hierarchy.level_names(column or "")
        levels = () if hierarchy is None else tuple(hierarchy.levels.tolist())
        return cls(frequency, ids, id_type, starts, times, history.column("y").to_numpy(), names, levels)

    def number_of(self, unique_id: str | None) -> int:
        """Return the number of a series; a model without an Id column has one, whatever its name is.

        Raises:
            Invalid: `one_or_several`: there are several, and none is named.
            NotFound: `series_not_found`.
        """
        if self.id_type is None or (unique_id is None and len(self.ids) == 1):
            return 0
        if unique_id is None:
            raise Invalid("unique_id names the series.", code="one_or_several")
        name = normalize_series_id(unique_id, self.id_type)
        if name not in self.ids:
            known = [each for each in self.ids if each is not None]
            raise NotFound(describe_unknown("series", name, known), code="series_not_found")
        return self.ids.index(name)

    def find(self, text: str, level: str | None = None) -> list[int]:
        """Return the numbers of the series that have a text in their id, in any case of letters; all for no text.

        With a `level` only those of it are returned; without, those of the coarsest level come first.

        Raises:
            NotFound: `level_not_found`.
        """
        if level is not None and level not in self.level_names:
            raise NotFound(describe_unknown("level", level, self.level_names), code="level_not_found")
        wanted = text.casefold()
        found = [
            number
            for number, name in enumerate(self.ids)
            if wanted in (name or "").casefold() and level in (None, self.level_of(number))
        ]
        return sorted(found, key=self.levels.__getitem__) if self.levels else found

    def level_of(self, number: int) -> str | None:
        """Return the name of the level of a series; None without a hierarchy."""
        return self.level_names[self.levels[number]] if self.levels else None

    def describe_ends(self, number: int) -> tuple[str | None, str | None]:
        """Return the first and the last time that is kept of a series; None of an empty one."""
        times = self.times[self.starts[number] : self.starts[number + 1]]
        if not len(times):
            return None, None
        first, last = self.frequency.format_times(times[[0, -1]])
        return first, last

    def length(self, number: int) -> int:
        """Return how many steps are kept of a series."""
        return int(self.starts[number + 1] - self.starts[number])

    def end_of(self, number: int, steps: int) -> SeriesHistory:
        """Return the last steps of a series."""
        first = max(self.starts[number], self.starts[number + 1] - steps)
        kept = slice(int(first), int(self.starts[number + 1]))
        dates = self.frequency.format_times(self.times[kept]) if kept.stop > kept.start else []
        return SeriesHistory(self.ids[number], dates, [finite_or_none(value) for value in self.values[kept]])

    def next_dates(self, number: int, steps: int) -> list[str]:
        """Return the dates of the steps behind the end of a series, as a forecast writes them; none of an empty one."""
        end = int(self.starts[number + 1])
        if steps == 0 or end == self.starts[number]:
            return []
        return self.frequency.format_times(self.frequency.times_after(self.times[end - 1], steps))
