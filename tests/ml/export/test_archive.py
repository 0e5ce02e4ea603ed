"""An export holds the bundle, a scorer and an MLflow model, and the same bundle gives the same bytes."""

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.export import archive
from tests.ml.export.exports import ALGORITHMS, assert_same, export_model, make_table, to_json_rows, with_classes
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on

# Each model has a process of its own, in which nobody has loaded another one; what all of them import is imported once.
MLFLOW = """
import json, os, sys, traceback, warnings
warnings.simplefilter("ignore")
import catboost, lightgbm, mlflow, mlflow.pyfunc, pandas as pd, xgboost

def predict(name, folder, times, rows):
    frame = pd.DataFrame(rows)
    for time in times:
        frame[time] = pd.to_datetime(frame[time])
    model = mlflow.pyfunc.load_model(folder)
    predictions = model.predict(frame)
    assert type(predictions) is pd.DataFrame and not any(name.split(".")[0] == "dataml" for name in sys.modules)
    return {"name": name, "rows": predictions.to_dict("records"), "inputs": model.metadata.signature.inputs.to_dict(),
            "outputs": model.metadata.signature.outputs.to_dict()}

for arguments in json.load(sys.stdin):
    process = os.fork()
    if process == 0:
        try:
            os.write(1, json.dumps(predict(**arguments)).encode() + b"\\n")
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.waitpid(process, 0)
"""
CASES = {f"{algorithm}-{classes}": (algorithm, classes) for classes in (0, 2, 3) for algorithm in ALGORITHMS}


@dataclass(frozen=True)
class Loaded:
    """A model, rows, and what MLflow says of both; None where it failed, and `errors` has why."""

    predictor: Predictor
    rows: list[dict[str, Any]]
    output: dict[str, Any] | None
    errors: str


@pytest.fixture(scope="module")
def loaded_by_mlflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    """The models of `CASES`, as MLflow loads them: its import takes seconds."""
    root = tmp_path_factory.mktemp("mlflow")
    models = {name: _export(root / name, *case) for name, case in CASES.items()}
    asked = [
        {"name": name, "folder": str(folder / "mlflow"), "times": ["moment"], "rows": rows}
        for name, (_, folder, rows) in models.items()
    ]
    command = [sys.executable, "-I", "-c", MLFLOW]
    completed = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, cwd=root)
    outputs = {output["name"]: output for output in map(json.loads, completed.stdout.splitlines())}
    return {
        name: Loaded(predictor, rows, outputs.get(name), completed.stderr)
        for name, (predictor, _, rows) in models.items()
    }


def _export(root: Path, algorithm: str, classes: int) -> tuple[Predictor, Path, list[dict[str, Any]]]:
    root.mkdir()
    table = with_classes(make_table(120), classes) if classes else make_table(120)
    problem = "Classification" if classes else "Regression"
    predictor, folder = export_model(root, table, algorithm, problem_type=problem)
    return predictor, folder, to_json_rows(predictor, table)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Path]:
    root = tmp_path_factory.mktemp("small")
    return export_model(root, with_classes(make_table(), 2), "LightGBM")


@pytest.mark.parametrize("case", CASES)
def test_mlflow_predicts_as_the_platform_does(loaded_by_mlflow: dict[str, Loaded], case: str) -> None:
    loaded = loaded_by_mlflow[case]
    predictor, rows, output = loaded.predictor, loaded.rows, loaded.output
    assert output is not None, loaded.errors
    names = ["prediction", *predictor.probability_columns]
    assert [each["name"] for each in output["outputs"]] == names
    assert {each["name"]: each["required"] for each in output["inputs"]} == dict.fromkeys(
        predictor.contract.names, True
    )
    predictions = [
        {
            "prediction": row["prediction"],
            "probabilities": {name.removeprefix("probability_"): row[name] for name in names[1:]},
            "probability": max((row[name] for name in names[1:]), default=None),
        }
        for row in output["rows"]
    ]
    assert_same(predictions, predictor, rows)


def test_the_archive_has_the_bundle_a_scorer_and_an_mlflow_model(small: tuple[Predictor, Path]) -> None:
    predictor, folder = small
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {"manifest.json", *predictor.manifest.files, "scorer.py", "requirements.txt", "README.md"}
    assert names >= {"mlflow/MLmodel", "mlflow/requirements.txt", "mlflow/python_env.yaml", "mlflow/data/manifest.json"}
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
    versions = predictor.manifest.versions
    requirements = f"numpy=={versions['numpy']}\nlightgbm=={versions['lightgbm']}\n"
    assert (folder / "requirements.txt").read_text() == requirements
    assert (folder / "README.md").read_text().startswith("# a-name-v1\n")


def test_the_same_bundle_gives_the_same_bytes_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    bundle = tmp_path / train_on(tmp_path, churn().slice(0, 300), roles=CHURN_ROLES).bundle
    files = io.BytesIO(), io.BytesIO()
    for file in files:
        archive.write_archive(bundle, "x", file)
    assert files[0].getvalue() == files[1].getvalue()
    (bundle / "model.txt").write_bytes(b"tree")
    with pytest.raises(BundleDamaged):
        archive.write_archive(bundle, "x", io.BytesIO())
