"""`python -m benchmarks.wide ROWS COLUMNS [ALGORITHM [PROBLEM]]`: a wide table from upload to prediction, step by step.

Each step is the platform's own code in this process, with its seconds and those of the processor, of all threads; the
last line has the peak memory.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from benchmarks.data_tasks import peak_mb
from dataml.contract.files.reading import scan_file
from dataml.jobs.spec import (
    DescribeSpec,
    ExplainSpec,
    JobContext,
    ScoreSpec,
    SourceFile,
    TrainResult,
    TrainSpec,
    ValidateSpec,
)
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.memory import limit_allocator_caches
from dataml.storage.storage import Storage
from dataml.tasks import describe, explain, score, train, validate

_TARGET = "y"
_INFORMATIVE = 5


def write_table(path: Path, rows: int, columns: int, problem: str) -> None:
    """Write a CSV of normal numbers, of which the first few decide the target: each half as much as the one before."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns - 1)).round(4)
    y = x[:, :_INFORMATIVE] @ 0.5 ** np.arange(_INFORMATIVE) + 0.2 * rng.normal(size=rows)
    target = y if problem == "Regression" else y > 0
    table = pa.table({f"x{n}": x[:, n] for n in range(columns - 1)} | {_TARGET: target})
    pa_csv.write_csv(table, path)


def main(rows: int, columns: int, algorithm: str, problem: Literal["Classification", "Regression"]) -> None:
    """Print the seconds of each step."""
    # As the platform's worker does.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    limit_allocator_caches()
    with tempfile.TemporaryDirectory(prefix="dataml-wide-") as folder:
        root = Path(folder)
        write_table(root / "wide.csv", rows, columns, problem)
        print(f"{rows:,} x {columns:,}, {(root / 'wide.csv').stat().st_size / 1e6:.1f} MB of CSV", flush=True)

        def context(step: str) -> JobContext:
            return JobContext(Storage(root), f"jobs/{step}")

        _time("scan of the upload", lambda: scan_file(root / "wide.csv", "csv", None))
        source = SourceFile(1, "wide.csv", "wide.csv", "csv")
        validated = _time("validate", lambda: validate.run(ValidateSpec(1, (source,), None), context("validate")))
        parquet, contract = validated.parquet, validated.contract
        _time("statistics", lambda: describe.run(DescribeSpec(1, parquet, contract), context("describe")))
        roles = dict.fromkeys(contract.names, "Feature") | {_TARGET: "Target"}
        spec = TrainSpec(1, parquet, contract, problem, algorithm, roles)
        trained: TrainResult = _time("train", lambda: train.run(spec, context("train")))
        print(f"  {trained.algorithm}, {trained.metrics}")
        print(f"  candidates {trained.summary['candidates']}, limited {trained.summary.get('limited_candidates')}")
        predictor = _time("load", lambda: Predictor.load(root / trained.bundle, threads=2))
        row = {name: 0.5 for name in contract.names if name != _TARGET}
        _time("first prediction", lambda: predictor.predict([predictor.parse(row)]))
        _time("second prediction", lambda: predictor.predict([predictor.parse(row)]))
        _time("batch prediction", lambda: score.run(ScoreSpec(1, trained.bundle, parquet), context("score")))
        explained = ExplainSpec(1, trained.bundle, parquet, 500)
        _time("feature importance", lambda: explain.run(explained, context("explain")))
    print(f"peak memory {peak_mb():.0f} MB")


def _time(step: str, run: Callable[[], Any]) -> Any:
    started, used = time.perf_counter(), time.process_time()
    result = run()
    seconds, processor_s = time.perf_counter() - started, time.process_time() - used
    print(f"{step}: {seconds:.2f} s, {processor_s:.2f} s of the processor", flush=True)
    return result


if __name__ == "__main__":
    rows_and_columns = int(sys.argv[1]), int(sys.argv[2])
    main(*rows_and_columns, *(sys.argv[3:4] or ["auto"]), *(sys.argv[4:5] or ["Classification"]))
