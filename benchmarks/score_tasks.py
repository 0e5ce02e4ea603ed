"""`python -m benchmarks.score_tasks TASK FOLDER ...`: one measurement in a process of its own; prints JSON."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.data_tasks import peak_mb
from benchmarks.train_tasks import write_rows
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import DatasetRows, ExplainSpec, JobContext, ScoreSpec, SourceFile, TrainSpec
from dataml.storage.hashing import hash_file
from dataml.storage.storage import Storage
from dataml.tasks import explain, score, train

_TRAINED_ROWS = 100_000
_WARM_ROWS = 2_000
_WARM_SECTION_BYTES = 100_000
_WARM_SAMPLE = 20_000
_TYPES = {"x": DataType.FLOAT, "n": DataType.INTEGER, "t": DataType.STRING, "y": DataType.BOOLEAN}


def prepare(folder: Path, rows: str) -> dict[str, Any]:
    """Train a model, and write CSV files of the rows to score: `rows` of them, and a few for a warm cluster."""
    write_rows(folder / "train.parquet", _TRAINED_ROWS)
    contract = _contract(pq.read_schema(folder / "train.parquet").names)
    roles = dict.fromkeys(contract.names, "Feature") | {"y": "Target"}
    spec = TrainSpec(1, "train.parquet", contract, "Classification", "LightGBM", roles)
    bundle = train.run(spec, JobContext(Storage(folder), "trained")).bundle
    for name, count in (("warm", _WARM_ROWS), ("rows", int(rows))):
        write_rows(folder / f"{name}.parquet", count)
        pa_csv.write_csv(pq.read_table(folder / f"{name}.parquet").drop_columns(["y"]), folder / f"{name}.csv")
    return {"bundle": bundle, "bytes": (folder / "rows.csv").stat().st_size}


def alone(folder: Path, bundle: str, name: str, explained: str) -> dict[str, Any]:
    """Score a file in this process."""
    return {"sha256": _score(folder, bundle, name, explained == "explained", distributed=False)}


def distributed(folder: Path, bundle: str, name: str, explained: str) -> dict[str, Any]:
    """Score by Ray Data, on a running cluster that has scored another file before."""
    _start_cluster()
    with patch.multiple(score, SECTION_BYTES=_WARM_SECTION_BYTES, EXPLAINED_SECTION_BYTES=_WARM_SECTION_BYTES):
        _score(folder, bundle, "warm.csv", explained == "explained", distributed=True)
    started = time.perf_counter()
    sha256 = _score(folder, bundle, name, explained == "explained", distributed=True)
    return {"seconds": time.perf_counter() - started, "sha256": sha256}


def explain_alone(folder: Path, bundle: str, rows: str) -> dict[str, Any]:
    """Explain a sample of `rows` rows in this process."""
    return {"importance": _explain(folder, bundle, int(rows), distributed=False)}


def explain_distributed(folder: Path, bundle: str, rows: str) -> dict[str, Any]:
    """Explain by Ray Data, on a running cluster that has explained another sample before."""
    _start_cluster()
    _explain(folder, bundle, _WARM_SAMPLE, distributed=True)
    started = time.perf_counter()
    importance = _explain(folder, bundle, int(rows), distributed=True)
    return {"seconds": time.perf_counter() - started, "importance": importance}


def _start_cluster() -> None:
    import ray

    # The platform does not use Ray Data with two CPUs, so the cluster gets three or the machine's number.
    ray.init(
        address="local",
        num_cpus=max(3, os.cpu_count() or 0),
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )


def _score(folder: Path, bundle: str, name: str, explained: bool, *, distributed: bool) -> str:
    """Return the hash of the result, which is the same by either way."""
    with (folder / name).open() as file:
        contract = _contract(file.readline().replace('"', "").strip().split(","))
    rows = DatasetRows((SourceFile(1, name, name, "csv"),), contract, is_whole=False)
    spec = ScoreSpec(1, bundle, "", explained, rows=rows, distributed=distributed)
    result = score.run(spec, JobContext(Storage(folder), f"scored-{name}-{distributed}"))
    return hash_file(folder / result.csv)


def _explain(folder: Path, bundle: str, rows: int, *, distributed: bool) -> dict[str, float]:
    spec = ExplainSpec(1, bundle, "rows.parquet", rows, distributed=distributed)
    context = JobContext(Storage(folder), f"explained-{rows}-{distributed}")
    return replace(explain.run(spec, context), explanation=None).feature_importance


def _contract(names: list[str]) -> Contract:
    return Contract.build(Column(name, _TYPES[name[0]]) for name in names)


def main(task: str, folder: str, *arguments: str) -> None:
    """Run one task and print its seconds, its peak memory and what it returns."""
    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        function.__name__: function for function in (prepare, alone, distributed, explain_alone, explain_distributed)
    }
    started = time.perf_counter()
    result = tasks[task](Path(folder), *arguments)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()} | result))


if __name__ == "__main__":
    main(*sys.argv[1:])
