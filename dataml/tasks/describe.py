"""The statistics task: every column of a dataset, read one at a time so that memory does not grow with the width."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataml.contract.columns import to_floats
from dataml.contract.contract import Column, Contract
from dataml.contract.files.parquet import open_parquet
from dataml.contract.types import DataType
from dataml.jobs.spec import DescribeResult, DescribeSpec, JobContext
from dataml.ml.profiling import charts
from dataml.ml.profiling.accumulators import Extremes
from dataml.ml.profiling.association import MAX_CORRELATED, MAX_SAMPLE_ROWS, Correlation, compute_association
from dataml.ml.profiling.statistics import ColumnStatistics, find_column_warnings, find_target_warnings

# pyarrow makes its compute functions at import, where a type checker does not see them.
# pyright: reportAttributeAccessIssue=false

_BATCH_ROWS: Final = 131_072
_BATCH_CELLS: Final = 1_048_576
_MAX_CHARTED: Final = 30


def run(spec: DescribeSpec, context: JobContext) -> DescribeResult:
    """Compute statistics as strict JSON: null where there is no finite number.

    `rows`; `columns` by name, each with `data_type`, `count`, `missing`, `distinct` (estimated beyond 10,000 values:
    `distinct_is_exact`), and by type: numbers `min`, `max`, `mean`, `std`, `quartiles`, `approximate` (true when the
    quartiles come from 200,000 random values) and an exact `histogram` {`edges`, `counts`}; text and booleans
    `top_values` [{`value`, `count`}], where `count` may be too small when `distinct` is estimated; dates `min`, `max`,
    an exact `histogram` and, up to 10,000 different ones, `gaps` {`usual_days`, `largest` [{`from`, `to`, `days`}]};
    `chart` is a Vega-Lite specification, null where there is nothing to draw. `correlation` {`columns`, `matrix`,
    `chart`} of at most 60 numeric columns. With a target, `target` {`column`, `associations` by column, from at most
    50,000 rows, `chart`}. `warnings` [{`column`, `code`, `message`}].
    """
    file = open_parquet(context.fetch(spec.parquet))
    rows = file.metadata.num_rows
    columns: dict[str, dict[str, Any]] = {}
    column_warnings: list[dict[str, str]] = []
    count = len(spec.contract.columns)
    places = {name: place for place, name in enumerate(file.schema_arrow.names)}
    for done, column in enumerate(spec.contract.columns, 1):
        columns[column.name] = _describe(file, column, rows, places[column.name])
        column_warnings += find_column_warnings(column.name, column.data_type, rows, columns[column.name])
        context.report_progress(0.8 * done / count, f"{done} of {count} columns described")
    statistics: dict[str, Any] = {"rows": rows, "columns": columns, "correlation": _correlation(file, columns)}
    if spec.target is not None:
        context.report_progress(0.9, f"Comparing the columns with {spec.target}")
        statistics["target"], more = _target(file, spec.contract, spec.target, columns)
        column_warnings += more
    return DescribeResult(statistics | {"warnings": column_warnings})


def _correlation(file: pq.ParquetFile, columns: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the correlation of the first 60 numeric columns that vary; None when there are fewer than two.

    This is a second pass over the file: the columns are described one at a time, and which of them vary is known only
    after that. A first pass over all columns at once would need memory for the whole width of a table.
    """
    numeric = [name for name, summary in columns.items() if summary.get("std")][:MAX_CORRELATED]
    if len(numeric) < 2:
        return None
    correlation = Correlation(len(numeric))
    for batch in file.iter_batches(batch_size=min(_BATCH_ROWS, _BATCH_CELLS // len(numeric)), columns=numeric):
        cells = [batch.column(batch.schema.get_field_index(name)) for name in numeric]
        correlation.add(np.column_stack([to_floats(each) for each in cells]))
    matrix = correlation.matrix()
    return {"columns": numeric, "matrix": matrix, "chart": charts.correlation_chart(numeric, matrix)}


def _target(
    file: pq.ParquetFile, contract: Contract, target: str, columns: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the association of each column with the target, strongest first, and warnings before a training."""
    types = {column.name: column.data_type for column in contract.columns}
    target_values = _sample(file, target)
    associations: dict[str, float] = {}
    for name, data_type in types.items():
        if name != target:
            value = compute_association(_sample(file, name), data_type, target_values, types[target])
            if value is not None:
                associations[name] = value
    ranked = dict(sorted(associations.items(), key=lambda item: -item[1]))
    chart = charts.association_chart(target, dict(list(ranked.items())[:_MAX_CHARTED]))
    more = find_target_warnings(target, columns, ranked)
    return {"column": target, "associations": ranked, "chart": chart}, more


def _sample(file: pq.ParquetFile, name: str) -> pa.Array:
    """Return a sample of a column: the same rows for every column, spread evenly over the file, nulls included."""
    step = max(1, -(-file.metadata.num_rows // MAX_SAMPLE_ROWS))
    parts: list[pa.Array] = []
    start = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[name]):
        first = -start % step
        cells = batch.column(batch.schema.get_field_index(name))
        parts.append(cells.take(pa.array(np.arange(first, len(cells), step))))
        start += len(cells)
    return pa.concat_arrays(parts)


def _describe(file: pq.ParquetFile, column: Column, rows: int, place: int) -> dict[str, Any]:
    needs_extremes = column.data_type not in (DataType.STRING, DataType.BOOLEAN)
    extremes = _extremes(file, column.name, place) if needs_extremes else None
    statistics = ColumnStatistics(column.data_type, extremes)
    for values in _non_null_batches(file, column.name):
        statistics.add(values)
    summary = statistics.summary(rows)
    return summary | {"chart": charts.column_chart(column.name, summary)}


def _extremes(file: pq.ParquetFile, name: str, place: int) -> Extremes:
    """Return the extremes of a column, from the footer where it has them for all row groups, else from the values."""
    groups = [file.metadata.row_group(n).column(place).statistics for n in range(file.metadata.num_row_groups)]
    extremes = Extremes()
    if all(group is not None and (group.has_min_max or not group.num_values) for group in groups):
        for group in groups:
            extremes.merge(Extremes(group.min, group.max) if group.has_min_max else Extremes())
    else:
        for values in _non_null_batches(file, name):
            extremes.add(values)
    return extremes


def _non_null_batches(file: pq.ParquetFile, name: str) -> Iterator[pa.Array]:
    """Yield the values of one column, batch by batch, without nulls."""
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[name]):
        values = pc.drop_null(batch.column(batch.schema.get_field_index(name)))
        if len(values):
            yield values
