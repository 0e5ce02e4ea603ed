"""Replicas and Serve's own processes import no pandas, and everybody else gets it."""

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
