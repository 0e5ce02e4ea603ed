"""Small tables of series with the Arrow types of a contract."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataml.ml.forecasting.backtest.naive_errors import NaiveErrors
from dataml.ml.forecasting.frequency.frequency import Frequency


def make_times(text: str, first: str, count: int) -> np.ndarray:
    """Return `count` times of a frequency, the first one being `first`."""
    frequency = Frequency.parse(text)
    return frequency.shift(np.datetime64(first, "us"), np.arange(count))


def make_table(
    series: Mapping[Any, tuple[np.ndarray, Sequence[float | None]]], *, id_type: pa.DataType | None = None
) -> pa.Table:
    """Return a table with the columns `id`, `time` and `y`."""
    ids = [series_id for series_id, (times, _) in series.items() for _ in times]
    times = np.concatenate([times for times, _ in series.values()])
    y = [value for _, values in series.values() for value in values]
    return pa.table(
        {
            "id": pa.array(ids, id_type or pa.string()),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "y": pa.array(y, pa.float64()),
        }
    )


def make_naive_errors(scale: np.ndarray) -> NaiveErrors:
    """Return errors of the seasonal naive that have this size (series,) at every step."""
    with np.errstate(over="ignore", under="ignore"):
        return NaiveErrors(scale, np.square(scale))


def shuffle(table: pa.Table, seed: int) -> pa.Table:
    """Return the rows of a table in random order."""
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))
