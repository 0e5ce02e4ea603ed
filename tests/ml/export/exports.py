"""Exports of small models, and the checks that a prediction from them is the platform's."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataml.ml.bundle.predictor import Predictor
from dataml.ml.export import archive
from tests.tasks.training import train_on

ALGORITHMS = ["XGBoost", "LightGBM", "CatBoost", "Linear"]

# Runs a script where importing anything of the platform, or what it needs and the scorer does not, is an error.
ISOLATED = """
import os, sys

refused = {"dataml", "deployments", "pyarrow", "pandas", "onnxruntime", "sklearn", "ray"}
if os.path.exists(os.path.join(sys.argv[1], "model.cbm")):
    refused.remove("pandas")  # CatBoost cannot be imported without it

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
"""


def make_table(rows: int = 400) -> pa.Table:
    """Return columns of every type, each with gaps; `target` follows from several of them."""
    random = np.random.default_rng(5)

    def gaps(values: list[Any]) -> list[Any]:
        return [None if random.random() < 0.1 else value for value in values]

    number, whole = random.normal(size=rows), random.integers(-5, 6, rows)
    colour = random.choice(["red", "green", "blue", 'größe, "x"'], rows)
    day, moment = random.integers(-9_000, 20_000, rows), random.integers(-(10**15), 2 * 10**15, rows)
    return pa.table(
        {
            "key": [f"k{i}" for i in range(rows)],
            "number": pa.array(gaps(number.tolist()), pa.float64()),
            "whole": pa.array(gaps(whole.tolist()), pa.int64()),
            "colour": pa.array(gaps(colour.tolist()), pa.string()),
            "flag": pa.array(gaps((whole > 0).tolist()), pa.bool_()),
            "day": pa.array(gaps(day.tolist()), pa.int32()).cast(pa.date32()),
            "moment": pa.array(gaps(moment.tolist()), pa.int64()).cast(pa.timestamp("us", "UTC")),
            "target": 100 * number + 30 * whole + np.where(colour == "red", 50, 0) + day / 100,
        }
    )


def with_classes(table: pa.Table, classes: int) -> pa.Table:
    """Return the table with classes as the target: whole numbers or, for two, booleans."""
    target = np.asarray(table["target"])
    codes = np.digitize(target, np.quantile(target, np.linspace(0, 1, classes + 1)[1:-1]))
    return table.drop_columns(["target"]).append_column("target", pa.array(codes == 1 if classes == 2 else codes))


def export_model(root: Path, table: pa.Table, algorithm: str, **options: Any) -> tuple[Predictor, Path]:
    """Train a small model, and return it and the folder of its export."""
    hyperparameters = {"n_estimators": 60} if algorithm != "Linear" else {}
    options = {"hyperparameters": hyperparameters, "roles": {"key": "Id"}} | options
    bundle = root / train_on(root, table, algorithm=algorithm, **options).bundle  # type: ignore[arg-type]
    return Predictor.load(bundle), unpack_export(bundle, root / "export")


def unpack_export(bundle: Path, folder: Path, threshold: float | None = None) -> Path:
    """Write the export of a bundle, with the threshold that is kept with it, and unpack it."""
    file = io.BytesIO()
    archive.write_archive(bundle, "a-name-v1", file, threshold)
    with zipfile.ZipFile(file) as content:
        assert content.testzip() is None
        content.extractall(folder)
    return folder


def run_isolated(folder: Path, script: str, rows: list[dict[str, Any]]) -> Any:
    """Run a script where there is nothing but the export, and return what it prints as JSON."""
    command = [sys.executable, "-I", "-c", ISOLATED + script, str(folder)]
    completed = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, cwd=folder.parent)
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


def to_json_rows(predictor: Predictor, table: pa.Table) -> list[dict[str, Any]]:
    """Return rows as JSON has them: dates are text."""
    rows = table.select(predictor.contract.names).to_pylist()
    return [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in rows]


def assert_same(predictions: list[dict[str, Any]], predictor: Predictor, rows: list[dict[str, Any]]) -> None:
    """Compare with the platform's predictions.

    Probabilities agree to 1e-6, numbers to 1e-6 of the largest, for the platform's own copy sums float32.
    """
    expected = predictor.predict([predictor.parse(row) for row in rows])
    if predictor.manifest.classes is None:
        numbers = np.array([each.prediction for each in expected], float)
        actual = np.array([each["prediction"] for each in predictions])
        assert np.abs(actual - numbers).max() <= 1e-6 * max(1.0, np.abs(numbers).max())
        return
    assert [each["prediction"] for each in predictions] == [each.prediction for each in expected]
    assert [type(each["prediction"]) for each in predictions] == [type(each.prediction) for each in expected]
    for actual, each in zip(predictions, expected, strict=True):
        assert actual["probabilities"] == pytest.approx(each.probabilities, abs=1e-6)
        assert actual["probability"] == pytest.approx(each.probability, abs=1e-6)
