"""`python -m benchmarks.train_tasks TASK FOLDER FILE`: one training in a process of its own; prints JSON."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost

from benchmarks.data_tasks import peak_mb
from benchmarks.plain import train_plainly
from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.jobs.spec import JobContext, TrainSpec
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.explanation.shap_values import explain_rows
from dataml.ml.memory import limit_allocator_caches
from dataml.storage.storage import Storage
from dataml.tasks import train

_FEWER_ROUNDS = {"n_estimators": 100}
_LIBRARIES = (lightgbm, xgboost)


def write_rows(path: Path, rows: int) -> None:
    """Write 12 float, 4 integer and 3 text columns of 50 values, and a binary target that depends on some of them."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"x{n}": rng.normal(size=rows) for n in range(12)}
    columns |= {f"n{n}": rng.integers(0, 1_000, rows) for n in range(4)}
    words = np.array([f"word {n}" for n in range(50)])
    columns |= {f"t{n}": words[rng.integers(0, 50, rows)] for n in range(3)}
    signal = columns["x0"] + columns["x1"] * columns["x2"] + (columns["n0"] > 500) + rng.normal(size=rows)
    pq.write_table(pa.table(columns | {"y": signal > 0.5}), path)


def auto(folder: Path, name: str) -> dict[str, Any]:
    """Train with `auto`, by the platform's own task in this process."""
    limit_allocator_caches()  # as the platform's worker does
    import catboost  # noqa: F401

    before = peak_mb()
    started = time.perf_counter()
    train.run(_spec(name), JobContext(Storage(folder), "auto"))
    seconds = time.perf_counter() - started
    peak = peak_mb()
    table = pq.read_table(folder / name).nbytes / 1024**2
    return {"seconds": seconds, "peak_mb": peak, "before_mb": before, "table_mb": table}


def plain(folder: Path, name: str) -> dict[str, Any]:
    """Repeat the fits of the bundle that the task `auto` wrote, as a plain script."""
    import catboost  # noqa: F401

    before = peak_mb()
    seconds = train_plainly(folder / "auto" / "bundle", folder / name, "y", 2, _FEWER_ROUNDS)
    return {"seconds": seconds, "peak_mb": peak_mb(), "before_mb": before}


def explanation(folder: Path, name: str) -> dict[str, Any]:
    """Compute SHAP values of 2,000 rows as the explain job does, and by the booster's own call alone."""
    predictor = Predictor.load(folder / "auto" / "bundle", threads=2)
    rows = pq.read_table(folder / name).slice(0, 2_000).select(predictor.contract.names)
    matrix = predictor.preprocessing.transform(rows.cast(predictor.contract.schema))
    explain_rows(predictor.members, predictor.preprocessing, matrix[:10])
    started = time.perf_counter()
    explain_rows(predictor.members, predictor.preprocessing, matrix, keep=2_000)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    for model, _ in predictor.members:
        model.contributions(matrix)
    return {"seconds": seconds, "own_seconds": time.perf_counter() - started}


def _spec(name: str) -> TrainSpec:
    types = {"x": DataType.FLOAT, "n": DataType.INTEGER, "t": DataType.STRING}
    features = [*(f"x{n}" for n in range(12)), *(f"n{n}" for n in range(4)), *(f"t{n}" for n in range(3))]
    contract = Contract.build([*(Column(f, types[f[0]]) for f in features), Column("y", DataType.BOOLEAN)])
    roles = dict.fromkeys(features, "Feature") | {"y": "Target"}
    return TrainSpec(1, name, contract, "Classification", "auto", roles, hyperparameters=_FEWER_ROUNDS, threads=2)


def main(task: str, folder: str, name: str) -> None:
    """Run one task and print its result as JSON."""
    tasks: dict[str, Callable[[Path, str], dict[str, Any]]] = {
        "auto": auto,
        "plain": plain,
        "explanation": explanation,
    }
    print(json.dumps(tasks[task](Path(folder), name)))


if __name__ == "__main__":
    main(*sys.argv[1:])
