"""An export holds the bundle, a scorer and an MLflow model, and the same bundle gives the same bytes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.export import archive
from tests.ml.export.exports import ALGORITHMS, assert_same, export_model, make_table, to_json_rows, with_classes
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on

MLFLOW = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas as pd
frame = pd.DataFrame(json.loads(sys.stdin.read()))
for name in sys.argv[2:]:
    frame[name] = pd.to_datetime(frame[name])
model = mlflow.pyfunc.load_model(sys.argv[1])
predictions = model.predict(frame)
assert type(predictions) is pd.DataFrame and not any(name.split(".")[0] == "dataml" for name in sys.modules)
print(json.dumps({"rows": predictions.to_dict("records"), "inputs": model.metadata.signature.inputs.to_dict(),
                  "outputs": model.metadata.signature.outputs.to_dict()}))
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Path]:
    root = tmp_path_factory.mktemp("small")
    return export_model(root, with_classes(make_table(), 2), "LightGBM")


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_mlflow_predicts_as_the_platform_does(tmp_path: Path, algorithm: str, classes: int) -> None:
    table = with_classes(make_table(120), classes) if classes else make_table(120)
    problem = "Classification" if classes else "Regression"
    predictor, folder = export_model(tmp_path, table, algorithm, problem_type=problem)
    rows = to_json_rows(predictor, table)
    command = [sys.executable, "-I", "-c", MLFLOW, str(folder / "mlflow"), "moment"]
    completed = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    output = json.loads(completed.stdout.splitlines()[-1])
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
