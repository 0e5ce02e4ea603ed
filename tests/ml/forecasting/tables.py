"""Small tables of series, as a contract types them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataml.ml.forecasting.frequency.frequency import Frequency


def times_of(text: str, first: str, count: int) -> np.ndarray:
    """So many times from `first` on, which is the first of them."""
    frequency = Frequency.parse(text)
    return frequency.shift(np.datetime64(first, "us"), np.arange(count))


def table_of(
    series: Mapping[Any, tuple[np.ndarray, Sequence[float | None]]], *, id_type: pa.DataType | None = None
) -> pa.Table:
    """Columns `id`, `time` and `y`."""
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


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))
