"""Processes of the platform import no pandas and scikit-learn that they have no use for; who wants them gets them."""

import subprocess
import sys

import pytest


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "ray.serve",
        "deployments.gateway",
        "deployments.control_plane",
        "deployments.predictor",
        "deployments.model_cache",
    ],
)
def test_no_replica_imports_pandas(module: str) -> None:
    program = f"""
import sys
from deployments import lean_imports
lean_imports.install()
import {module}
print("pandas" in sys.modules)
"""
    assert run(program) == "False"


def test_everybody_else_gets_pandas() -> None:
    program = """
from deployments import lean_imports
lean_imports.install()
lean_imports.install()
import sys
import ray.serve
import pandas
import pyarrow as pa
print(len([each for each in sys.meta_path if type(each).__module__ == "deployments.lean_imports"]))
print(len(pa.table({"a": [1]}).to_pandas()))
"""
    assert run(program).split() == ["1", "1"]


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_are_fitted_and_explained_without_scikit_learn(library: str) -> None:
    program = f"""
import sys
import numpy as np
from deployments import lean_imports
lean_imports.install()
import {library}
print("sklearn" in sys.modules, "pandas" in sys.modules)
from dataml.ml.boosters.fitting import FitConfig, fit
from dataml.ml.boosters.native_model import LabeledRows, Task
x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
rows = LabeledRows(x, (x[:, 0] > 0).astype(float))
algorithm = {{"lightgbm": "LightGBM", "xgboost": "XGBoost"}}["{library}"]
fitted = fit(FitConfig(algorithm, Task(2), ()), rows, rows)
print(fitted.predict(x).shape, fitted.model.contributions(x).shape[0])
import sklearn.metrics, pandas
"""
    assert run(program).splitlines() == ["False False", "(200, 2) 200"]
