"""`python -m benchmarks.data_tasks TASK FOLDER ...`: one measurement in a process of its own; prints JSON."""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import DescribeSpec, JobContext, SourceFile, ValidateSpec
from dataml.storage.storage import Storage
from dataml.tasks import describe, validate

TYPES = {
    **{f"integer{n}": DataType.INTEGER for n in range(6)},
    **{f"float{n}": DataType.FLOAT for n in range(6)},
    **{f"text{n}": DataType.STRING for n in range(4)},
    **{f"boolean{n}": DataType.BOOLEAN for n in range(2)},
    "day": DataType.DATE,
    "moment": DataType.TIMESTAMP,
}
CONTRACT = Contract.build(
    Column(name, kind, date_order="dmy" if kind.is_temporal else None) for name, kind in TYPES.items()
)
_CHUNK_ROWS = 500_000


def write_csv(path: Path, rows: int, bad_share: float) -> None:
    """Write a CSV of `rows` rows and 20 columns, with invalid values in a share of the cells outside text columns."""
    rng = np.random.default_rng(0)
    writer: pa_csv.CSVWriter | None = None
    for start in range(0, rows, _CHUNK_ROWS):
        count = min(_CHUNK_ROWS, rows - start)
        table = pa.table({name: _random_cells(rng, kind, count, bad_share) for name, kind in TYPES.items()})
        writer = writer or pa_csv.CSVWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def plain(folder: Path, name: str) -> dict[str, Any]:
    """Read with inferred types and write Parquet without any check, the lower bound of a validation."""
    table = pa_csv.read_csv(folder / name)
    pq.write_table(table, folder / "plain.parquet", compression="zstd")
    return {"rows": table.num_rows}


def platform(folder: Path, name: str) -> dict[str, Any]:
    """Validate with the platform's own task, in this process."""
    spec = ValidateSpec(1, (SourceFile(1, name, name, "csv"),), CONTRACT)
    result = validate.run(spec, JobContext(Storage(folder), f"out-{name}"))
    return {"rows": result.total_records, "kept": result.kept_records, "parquet": result.parquet}


def distributed(folder: Path, name: str) -> dict[str, Any]:
    """Validate by Ray Data, on a running cluster that has validated another file before."""
    import ray

    # The platform does not use Ray Data with two CPUs, so the cluster gets three or the machine's number.
    ray.init(
        address="local",
        num_cpus=max(3, os.cpu_count() or 0),
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    write_csv(folder / "warm.csv", 100_000, 0.01)
    times = []
    for file_name in ("warm.csv", name):
        started = time.perf_counter()
        spec = ValidateSpec(1, (SourceFile(1, file_name, file_name, "csv"),), CONTRACT, distributed=True)
        result = validate.run(spec, JobContext(Storage(folder), f"distributed-{file_name}"))
        times.append(time.perf_counter() - started)
    ray.shutdown()
    return {"rows": result.total_records, "kept": result.kept_records, "seconds": times[-1]}


def duckdb(folder: Path, name: str) -> dict[str, Any]:
    """Validate by DuckDB with its rejects table, and write the same outputs."""
    import duckdb as engine

    names = {
        DataType.INTEGER: "BIGINT",
        DataType.FLOAT: "DOUBLE",
        DataType.STRING: "VARCHAR",
        DataType.BOOLEAN: "BOOLEAN",
        DataType.DATE: "DATE",
        DataType.TIMESTAMP: "TIMESTAMP",
    }
    columns = ", ".join(f"'{column}': '{names[kind]}'" for column, kind in TYPES.items())
    connection = engine.connect()
    source = f"read_csv('{folder / name}', columns={{{columns}}}, store_rejects=true, rejects_limit=0, header=true)"
    connection.execute(f"CREATE TABLE kept AS SELECT * FROM {source}")
    connection.execute(f"COPY kept TO '{folder / 'duckdb.parquet'}' (FORMAT parquet, COMPRESSION zstd)")
    connection.execute(f"COPY (SELECT * FROM reject_errors) TO '{folder / 'duckdb-errors.parquet'}' (FORMAT parquet)")
    (kept,) = connection.execute("SELECT count(*) FROM kept").fetchone() or (0,)
    return {"kept": kept}


def pandera(folder: Path, name: str) -> dict[str, Any]:
    """Validate by pandera with lazy coercion of every column, and write the rows without an error as Parquet."""
    import pandas as pd
    import pandera.pandas as pandera

    kinds = {
        DataType.INTEGER: "int64",
        DataType.FLOAT: "float64",
        DataType.STRING: "str",
        DataType.BOOLEAN: "str",
        DataType.DATE: "datetime64[ns]",
        DataType.TIMESTAMP: "datetime64[ns]",
    }
    frame = pd.read_csv(folder / name, dtype=str)
    columns = {
        column: pandera.Column(
            kinds[kind],
            coerce=True,
            checks=pandera.Check.isin(["true", "false"]) if kind is DataType.BOOLEAN else None,
        )
        for column, kind in TYPES.items()
    }
    schema = pandera.DataFrameSchema(columns)
    try:
        kept = schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        invalid = errors.failure_cases["index"].dropna().unique()
        kept = schema.validate(frame.drop(index=invalid), lazy=True)
    kept.to_parquet(folder / "pandera.parquet", compression="zstd")
    return {"kept": len(kept)}


def statistics(folder: Path, parquet: str) -> dict[str, Any]:
    """Compute the statistics of a dataset with the platform's own task, in this process."""
    result = describe.run(DescribeSpec(1, parquet, CONTRACT), JobContext(Storage(folder), "out-statistics"))
    return {"rows": result.statistics["rows"]}


def aggregates(folder: Path, parquet: str) -> dict[str, Any]:
    """Compute Arrow's own aggregates of each column of the Parquet, in one pass."""
    file = pq.ParquetFile(folder / parquet)
    for name, kind in TYPES.items():
        values = file.read(columns=[name]).column(0)
        pc.count(values)
        pc.count_distinct(values)
        if kind in (DataType.INTEGER, DataType.FLOAT):
            pc.mean(values)
            pc.stddev(values)
            pc.quantile(values, [0.25, 0.5, 0.75])
        if kind is not DataType.STRING:
            pc.min_max(values)
        else:
            pc.value_counts(values)
    return {}


def main(task: str, folder: str, *arguments: str) -> None:
    """Run one task and print its seconds, its peak memory and what it returns."""
    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        function.__name__: function
        for function in (plain, platform, distributed, duckdb, pandera, statistics, aggregates)
    }
    started = time.perf_counter()
    result = tasks[task](Path(folder), *arguments)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()} | result))


def peak_mb() -> float:
    """Return the peak resident memory of this process in MiB.

    `getrusage` does not serve: its value includes the memory of the process that started this one.
    """
    match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def _random_cells(rng: np.random.Generator, kind: DataType, count: int, bad_share: float) -> pa.Array:
    if kind is DataType.INTEGER:
        cells = pa.array(rng.integers(-(10**6), 10**6, count)).cast(pa.string())
    elif kind is DataType.FLOAT:
        cells = pa.array(np.round(rng.normal(size=count) * 1000, 4)).cast(pa.string())
    elif kind is DataType.STRING:
        return pa.array([f"word {n}" for n in range(500)]).take(pa.array(rng.integers(0, 500, count)))
    elif kind is DataType.BOOLEAN:
        cells = pa.array(["true", "false"]).take(pa.array(rng.integers(0, 2, count)))
    elif kind is DataType.DATE:
        days = np.datetime64("2020-01-01") + rng.integers(0, 1500, count).astype("timedelta64[D]")
        cells = pa.array(days.astype(str))
    else:
        moments = np.datetime64("2020-01-01T00:00:00") + rng.integers(0, 10**8, count).astype("timedelta64[s]")
        cells = pa.array(moments.astype(str))
    is_bad = rng.random(count) < bad_share
    bad_cells = pa.array([f"bad {n}" for n in range(1000)]).take(pa.array(rng.integers(0, 1000, count)))
    return pc.if_else(pa.array(is_bad), bad_cells, cells)


if __name__ == "__main__":
    main(*sys.argv[1:])
