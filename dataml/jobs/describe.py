"""Describe a dataset: statistics of every column, read one at a time so that memory does not grow with the width."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.jobs.spec import DescribeResult, DescribeSpec, JobContext
from dataml.ml.contract import Column
from dataml.ml.statistics import DistinctCounter, Spread, warnings, written
from dataml.ml.values import DataType

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

_BATCH_ROWS: Final = 131_072


def run(spec: DescribeSpec, context: JobContext) -> DescribeResult:
    """Statistics as strict JSON: null where there is no finite number.

    `rows`; `columns` by name, each with `data_type`, `count`, `missing`, `distinct` (estimated beyond 10,000 values:
    `distinct_is_exact`), and by type: numbers `min`, `max`, `mean`, `std`, `quartiles`, `approximate` (true when the
    quartiles come from 200,000 random values) and an exact `histogram` {`edges`, `counts`}; text and booleans
    `top_values` [{`value`, `count`}]; dates `min` and `max`. `warnings` [{`column`, `code`, `message`}].
    """
    file = pq.ParquetFile(context.path(spec.parquet))
    rows = file.metadata.num_rows
    columns: dict[str, dict[str, Any]] = {}
    found: list[dict[str, str]] = []
    for done, column in enumerate(spec.contract.columns, 1):
        columns[column.name] = _describe(file, column, rows)
        found += warnings(column.name, column.data_type, rows, columns[column.name])
        context.progress(done / len(spec.contract.columns), f"{done} of {len(spec.contract.columns)} columns described")
    return DescribeResult({"rows": rows, "columns": columns, "warnings": found})


def _describe(file: pq.ParquetFile, column: Column, rows: int) -> dict[str, Any]:
    counter, count = DistinctCounter(), 0
    spread, extremes = Spread(), _Extremes()
    is_number = column.data_type in (DataType.INTEGER, DataType.FLOAT)
    for values in _present(file, column.name):
        count += len(values)
        counter.add(values)
        if is_number:
            spread.add(_floats(values))
        if is_number or column.data_type.is_temporal:
            extremes.add(values)
    summary: dict[str, Any] = {
        "data_type": column.data_type.value,
        "count": count,
        "missing": rows - count,
        "distinct": min(counter.distinct, count),
        "distinct_is_exact": counter.is_exact,
    }
    if is_number:
        # The typed extremes: a large Integer is not what its float is.
        summary |= spread.summary() | {"min": extremes.low, "max": extremes.high}
        return summary | {"histogram": _histogram(file, column.name, spread)}
    if column.data_type.is_temporal:
        return summary | {"min": written(extremes.low), "max": written(extremes.high)}
    return summary | {"top_values": counter.top()}


def _present(file: pq.ParquetFile, name: str) -> Iterator[pa.Array]:
    """The values of one column, batch by batch, without the missing ones."""
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[name]):
        values = pc.drop_null(batch.column(batch.schema.get_field_index(name)))
        if len(values):
            yield values


def _floats(values: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _histogram(file: pq.ParquetFile, name: str, spread: Spread) -> dict[str, Any] | None:
    """Exact counts from a second pass; one bin for a constant, None where floats cannot tell the edges apart."""
    edges = spread.edges()
    if edges is None:
        constant = spread.count and spread.low == spread.high
        return {"edges": [spread.low, spread.high], "counts": [spread.count]} if constant else None
    counts = np.zeros(len(edges) - 1, np.int64)
    for values in _present(file, name):
        counts += np.histogram(_floats(values), edges)[0]
    return {"edges": edges.tolist(), "counts": counts.tolist()}


class _Extremes:
    """The smallest and the largest value, in the column's own type."""

    def __init__(self) -> None:
        self.low: Any = None
        self.high: Any = None

    def add(self, values: pa.Array) -> None:
        found = pc.min_max(values)
        low, high = found["min"].as_py(), found["max"].as_py()
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
