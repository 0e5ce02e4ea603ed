"""Describe a dataset: statistics of every column, read one at a time so that memory does not grow with the width."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.jobs.spec import DescribeResult, DescribeSpec, JobContext
from dataml.ml import charts
from dataml.ml.association import MAX_CORRELATED, MAX_SAMPLE_ROWS, Correlation, association
from dataml.ml.contract import Column, Contract
from dataml.ml.statistics import DistinctCounter, Spread, target_warnings, warnings, written
from dataml.ml.values import DataType

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

_BATCH_ROWS: Final = 131_072
_CHARTED: Final = 30


def run(spec: DescribeSpec, context: JobContext) -> DescribeResult:
    """Statistics as strict JSON: null where there is no finite number.

    `rows`; `columns` by name, each with `data_type`, `count`, `missing`, `distinct` (estimated beyond 10,000 values:
    `distinct_is_exact`), and by type: numbers `min`, `max`, `mean`, `std`, `quartiles`, `approximate` (true when the
    quartiles come from 200,000 random values) and an exact `histogram` {`edges`, `counts`}; text and booleans
    `top_values` [{`value`, `count`}]; dates `min`, `max` and, up to 10,000 different ones, `gaps` {`usual_days`,
    `largest` [{`from`, `to`, `days`}]}; `chart` is a Vega-Lite specification. `correlation` {`columns`, `matrix`,
    `chart`} of at most 60 numeric columns. With a target, `target` {`column`, `associations` by column, from at most
    50,000 rows, `chart`}. `warnings` [{`column`, `code`, `message`}].
    """
    file = pq.ParquetFile(context.path(spec.parquet))
    rows = file.metadata.num_rows
    columns: dict[str, dict[str, Any]] = {}
    found: list[dict[str, str]] = []
    for done, column in enumerate(spec.contract.columns, 1):
        columns[column.name] = _describe(file, column, rows)
        found += warnings(column.name, column.data_type, rows, columns[column.name])
        context.progress(0.8 * done / len(spec.contract.columns), f"{done} of {len(spec.contract.columns)} described")
    statistics: dict[str, Any] = {"rows": rows, "columns": columns, "correlation": _correlation(file, columns)}
    if spec.target is not None:
        context.progress(0.9, f"Comparing the columns with {spec.target}")
        statistics["target"], more = _target(file, spec.contract, spec.target, columns)
        found += more
    return DescribeResult(statistics | {"warnings": found})


def _correlation(file: pq.ParquetFile, columns: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Of the numeric columns that vary; None when there are fewer than two."""
    numeric = [name for name, summary in columns.items() if summary.get("std")][:MAX_CORRELATED]
    if len(numeric) < 2:
        return None
    correlation = Correlation([columns[n]["mean"] for n in numeric], [columns[n]["std"] for n in numeric])
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=numeric):
        cells = [batch.column(batch.schema.get_field_index(name)) for name in numeric]
        correlation.add(np.column_stack([_floats(each) for each in cells]))
    matrix = correlation.matrix()
    return {"columns": numeric, "matrix": matrix, "chart": charts.correlation(numeric, matrix)}


def _target(
    file: pq.ParquetFile, contract: Contract, target: str, columns: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """How far each column tells the target, most first, and what to look at before training for it."""
    types = {column.name: column.data_type for column in contract.columns}
    chosen = _sample(file, target)
    found: dict[str, float] = {}
    for name, data_type in types.items():
        if name != target:
            value = association(_sample(file, name), data_type, chosen, types[target])
            if value is not None:
                found[name] = value
    ranked = dict(sorted(found.items(), key=lambda item: -item[1]))
    chart = charts.association(target, dict(list(ranked.items())[:_CHARTED]))
    more = target_warnings(target, columns, ranked)
    return {"column": target, "associations": ranked, "chart": chart}, more


def _sample(file: pq.ParquetFile, name: str) -> pa.Array:
    """The same rows of every column, spread evenly over the file, missing values among them."""
    step = max(1, -(-file.metadata.num_rows // MAX_SAMPLE_ROWS))
    parts: list[pa.Array] = []
    start = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[name]):
        first = -start % step
        cells = batch.column(batch.schema.get_field_index(name))
        parts.append(cells.take(pa.array(np.arange(first, len(cells), step))))
        start += len(cells)
    return pa.concat_arrays(parts)


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
        histogram = _histogram(file, column.name, spread)
        chart = charts.histogram(column.name, histogram["edges"], histogram["counts"]) if histogram else None
        return summary | {"histogram": histogram, "chart": chart}
    if column.data_type.is_temporal:
        return summary | {"min": written(extremes.low), "max": written(extremes.high), "gaps": counter.gaps()}
    top = counter.top()
    return summary | {"top_values": top, "chart": charts.frequencies(column.name, top)}


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
