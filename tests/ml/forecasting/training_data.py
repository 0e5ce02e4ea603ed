"""A small dataset of hourly series with an exogenous column, its training, and its bundle."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.ml.bundle.manifest import Manifest, write_files
from dataml.ml.forecasting.bundle import bundle_files
from dataml.ml.forecasting.forecaster import Forecaster
from dataml.ml.forecasting.training import TrainedForecaster, TrainingOptions, train

START = datetime(2024, 1, 1, tzinfo=UTC)
ROLES = {"id": "Id", "time": "Time", "y": "Target", "promo": "Exogenous"}
CONTRACT = Contract.build(
    [
        Column("id", DataType.STRING),
        Column("time", DataType.TIMESTAMP),
        Column("y", DataType.INTEGER),
        Column("promo", DataType.BOOLEAN),
    ]
)
LENGTHS = {"a": 120, "b": 110}


def make_rows(first: int = 0, extra: int = 0) -> pa.Table:
    """Return a row for each hour from the one numbered `first`; promotions, every fifth hour, add 10 to the target."""
    rows = []
    for number, (name, length) in enumerate(LENGTHS.items()):
        random = np.random.default_rng(number)
        noise = random.normal(size=300)
        for hour in range(first, length + extra):
            season = 20 * np.sin(2 * np.pi * hour / 24)
            y = round(100 * (number + 1) + season + 10 * (hour % 5 == 0) + noise[hour])
            rows.append({"id": name, "time": START + timedelta(hours=hour), "y": y, "promo": hour % 5 == 0})
    return pa.Table.from_pylist(rows, schema=CONTRACT.schema)


def make_future(steps: int, names: tuple[str, ...] = ("a", "b")) -> list[dict[str, Any]]:
    """Return the rows of the next steps, as JSON has them."""
    return [
        {"id": name, "time": (START + timedelta(hours=hour)).isoformat(), "promo": hour % 5 == 0}
        for name in names
        for hour in range(LENGTHS[name], LENGTHS[name] + steps)
    ]


def train_on(folder: Path, algorithm: str, rows: pa.Table | None = None, **options: Any) -> TrainedForecaster:
    """Train on the rows, or on all, with a horizon of 6 and two windows."""
    path = folder / "rows.parquet"
    pq.write_table(make_rows() if rows is None else rows, path)
    return train(path, TrainingOptions(CONTRACT, ROLES, algorithm, **{"horizon": 6, "n_windows": 2, **options}))


def write_bundle(
    directory: Path,
    forecaster: Forecaster,
    report: dict[str, Any] | None = None,
    changed: dict[str, bytes] | None = None,
) -> Path:
    """Write the bundle of a forecaster with a minimal manifest and `changed` files, and return its directory."""
    manifest = Manifest.from_json(
        {
            "algorithm": "Blend",
            "model": "BlendForecaster",
            "problem_type": "Forecast",
            "target": "y",
            "target_type": "Integer",
            "classes": None,
            "roles": ROLES,
            "dropped_features": {},
            "accuracy": None,
            "metrics": {},
            "confusion_matrix": None,
            "seed": 0,
            "split": "rolling origin",
            "rows": {"total": 230, "without_target": 0, "train": 230, "validation": 24, "test": 24},
            "best_iteration": 0,
            "params": {},
            "validation_metric": "mase",
            "candidates": {},
            "onnx": {},
            "versions": {},
            "created_at": "2024-01-01T00:00:00Z",
            "members": [{"algorithm": "Blend", "weight": 1.0, "best_iteration": 0, "params": {}}],
            "files": {},
        }
    )
    files = (
        bundle_files(forecaster)
        | ({} if report is None else {"report.json": json.dumps(report).encode()})
        | (changed or {})
    )
    write_files(directory, manifest, files)
    return directory
