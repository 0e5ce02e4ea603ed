"""`python -m benchmarks.lake_tasks TASK FOLDER ROWS`: one measurement of the lake in its own process; prints JSON."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data_tasks import peak_mb
from dataml.contract.files.parquet import open_parquet
from dataml.datalake.executor import Deadline
from dataml.datalake.iceberg import IcebergLake
from dataml.iceberg.catalog import LakeConfig, open_catalog
from dataml.iceberg.names import TableName, tenant_namespace
from dataml.iceberg.writing import LakeTarget, WriteAttempt, write_rows
from dataml.settings import load_settings

NAMESPACE, TABLE = "t_bench_silver", "numbers"
_BATCH_ROWS = 131_072


def batches(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield random rows of ten columns: two of text, two of integers, six of floats."""
    rng = np.random.default_rng(0)
    words = pa.array([f"word {number}" for number in range(5_000)])
    for start in range(0, rows, _BATCH_ROWS):
        count = min(_BATCH_ROWS, rows - start)
        columns: dict[str, Any] = {f"text{n}": words.take(pa.array(rng.integers(0, 5_000, count))) for n in range(2)}
        columns |= {"id": np.arange(start, start + count), "small": rng.integers(0, 1_000, count)}
        columns |= {f"float{n}": rng.normal(size=count) for n in range(6)}
        yield pa.record_batch(columns)


def write_source(folder: Path, rows: int) -> dict[str, Any]:
    """Write the rows to a Parquet file, the input of a job."""
    source = batches(rows)
    first = next(source)
    with pq.ParquetWriter(folder / "rows.parquet", first.schema, compression="zstd") as file:
        file.write_batch(first)
        for batch in source:
            file.write_batch(batch)
    return {"seconds": 0.0}


def plain_write(folder: Path, rows: int) -> dict[str, Any]:
    """Read the Parquet and write it again, in the same batches."""
    started = time.perf_counter()
    source = open_parquet(folder / "rows.parquet")
    with pq.ParquetWriter(folder / "plain.parquet", source.schema_arrow, compression="zstd") as file:
        for batch in source.iter_batches(_BATCH_ROWS):
            file.write_batch(batch)
    return {"seconds": time.perf_counter() - started}


def append(folder: Path, rows: int) -> dict[str, Any]:
    """Append the rows of the Parquet to a lake table, as the platform's job does."""
    config = _config(folder)
    catalog = open_catalog(config)
    target = LakeTarget(TableName(NAMESPACE, TABLE), "dataset-1", "bench")

    def source() -> Iterator[pa.RecordBatch]:
        with open_parquet(folder / "rows.parquet") as file:
            yield from file.iter_batches(_BATCH_ROWS)

    started = time.perf_counter()
    write_rows(catalog, target, WriteAttempt(1, 1), source)
    return {"seconds": time.perf_counter() - started}


def plain_read(folder: Path, rows: int) -> dict[str, Any]:
    """Read one column of the table's files with pyarrow, the fastest of five runs."""
    files = sorted(map(str, (folder / "lake").rglob("data/*.parquet")))
    return {"seconds": _fastest_s(lambda: pq.read_table(files, columns=["float0"]))}


def compute_statistics(folder: Path, rows: int) -> dict[str, Any]:
    """Compute the numeric statistics of one column, the fastest of five runs."""
    lake = IcebergLake(_config(folder))
    return {"seconds": _fastest_s(lambda: lake.compute_statistics(NAMESPACE, TABLE, "float0", Deadline(600)))}


def count_distinct(folder: Path, rows: int) -> dict[str, Any]:
    """Count the distinct values of one column."""
    lake = IcebergLake(_config(folder))
    return {"seconds": _fastest_s(lambda: lake.count_distinct(NAMESPACE, TABLE, "float0", Deadline(600)), 1)}


def create_many_tables(home: Path, tenant_id: str, tables: int) -> None:
    """Register tables in a tenant's schema `silver`, all with the same metadata, since a list reads none."""
    config = _config(home)
    catalog = open_catalog(config)
    name = TableName(tenant_namespace(tenant_id, "silver"), "table_00000")
    target = LakeTarget(name, "dataset-1", "bench")
    write_rows(catalog, target, WriteAttempt(1, 1), lambda: batches(10))
    metadata = catalog.load_table((name.namespace, name.table)).metadata_location
    for number in range(1, tables):
        catalog.register_table((name.namespace, f"table_{number:05}"), metadata)


def _config(folder: Path) -> LakeConfig:
    return LakeConfig.from_settings(load_settings(home=folder))


def _fastest_s(work: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


TASKS = {
    task.__name__: task for task in (write_source, plain_write, append, plain_read, compute_statistics, count_distinct)
}

if __name__ == "__main__":
    result = TASKS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    print(json.dumps(result | {"peak_mb": peak_mb()}))
