"""A bundle is written with everything that its model came from."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataml.jobs.spec import TrainResult
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.training.calibration import Calibration
from tests.ml.export.exports import assert_same, run_isolated, to_json_rows, unpack_export
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on

FILES = {
    "LightGBM": {"model.txt", "model.onnx"},
    "XGBoost": {"model.ubj", "model.onnx"},
    "CatBoost": {"model.cbm", "model.onnx"},
}


@pytest.fixture(scope="module", params=FILES)
def algorithm(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, algorithm: str) -> Path:
    return tmp_path_factory.mktemp(algorithm)


@pytest.fixture(scope="module")
def trained(root: Path, algorithm: str) -> TrainResult:
    rows = churn().slice(0, 500)
    return train_on(root, rows, algorithm=algorithm, roles=CHURN_ROLES, seed=1, hyperparameters={"n_estimators": 20})


def test_the_manifest_describes_the_model_and_its_training(root: Path, trained: TrainResult, algorithm: str) -> None:
    bundle = root / trained.bundle
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["model"] == f"{algorithm}Classifier" == trained.model
    assert manifest["classes"] == ["No", "Yes"]
    assert manifest["created_at"].endswith("Z")
    assert manifest["seed"] == 1
    rows = manifest["rows"]
    assert rows["train"] + rows["test"] == rows["total"] == 500
    assert sum(member["weight"] for member in manifest["members"]) == pytest.approx(1)
    assert json.loads((bundle / "report.json").read_text()) is not None
    assert "files" not in trained.summary
    assert trained.summary["metrics"] == manifest["metrics"]
    assert ("catboost" in manifest["versions"]) == (algorithm == "CatBoost")


def test_the_bundle_has_the_native_model_and_a_verified_copy(root: Path, trained: TrainResult, algorithm: str) -> None:
    bundle = root / trained.bundle
    manifest = Predictor.load(bundle).manifest
    assert {name for name in manifest.files if name.startswith("model.")} == FILES[algorithm]
    assert set(manifest.files) == {path.name for path in bundle.iterdir()} - {"manifest.json"}
    assert manifest.onnx["used"] is True
    assert 0 <= manifest.onnx["largest_difference"] <= 1e-5


def test_nothing_but_the_bundle_is_left_behind(root: Path, trained: TrainResult) -> None:
    assert [path.name for path in (root / trained.bundle).parent.iterdir()] == ["bundle"]


def test_a_bundle_has_the_vocabulary_of_its_training(root: Path, trained: TrainResult) -> None:
    predictor = Predictor.load(root / trained.bundle)
    rows = churn().slice(0, 50).to_pylist()
    encoded = np.array([predictor.parse(row) for row in rows], np.float32)
    table = churn().slice(0, 50).select(predictor.contract.names).cast(predictor.contract.schema)
    assert encoded.tobytes() == predictor.preprocessing.transform(table).tobytes()


def test_members_of_one_algorithm_have_files_of_their_own(tmp_path: Path) -> None:
    rows = churn().slice(0, 900)
    result = train_on(tmp_path, rows, algorithm="auto", roles=CHURN_ROLES, hyperparameters={"n_estimators": 40})
    predictor = Predictor.load(tmp_path / result.bundle)
    members = predictor.manifest.members
    assert len({member.file for member in members}) == len(members) == len({member.name for member in members})
    assert max(member.number for member in members) > 1
    assert {member.file for member in members} <= predictor.manifest.files.keys()
    encoded = np.array([predictor.parse(row) for row in rows.slice(0, 50).to_pylist()], np.float32)
    natives = sum(model.predict(encoded).astype(float) * weight for model, weight in predictor.members)
    calibration = predictor.manifest.calibration
    expected = Calibration.from_json(calibration).apply(np.asarray(natives)) if calibration else natives
    assert predictor.predict_matrix(encoded) == pytest.approx(expected, abs=1e-5)
    assert [each["name"] for each in result.summary["members"]] == [member.name for member in members]
    exported = unpack_export(tmp_path / result.bundle, tmp_path / "export")
    script = "import json; from scorer import Scorer; json.dump(Scorer().predict(json.load(sys.stdin)), sys.stdout)"
    sample = to_json_rows(predictor, rows.slice(0, 20))
    assert_same(run_isolated(exported, script, sample), predictor, sample)


def test_a_skewed_number_is_predicted_alike_everywhere(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 3))
    price = 1_000 * np.exp(x[:, 0] + np.sin(2 * x[:, 1]) + 0.1 * random.normal(size=600))
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "price": price})
    result = train_on(tmp_path, table, "Regression", "auto", hyperparameters={"n_estimators": 150})
    predictor = Predictor.load(tmp_path / result.bundle)
    (member,) = [each for each in predictor.manifest.members if each.log_offset is not None]
    assert member.name == "XGBoost small trees of the logarithm"
    assert result.metrics["r2"] > 0.7
    rows = table.slice(0, 50).select(["a", "b", "c"])
    together = predictor.predict_table(rows)["prediction"].to_numpy()
    alone = [predictor.predict([predictor.parse(row)])[0].prediction for row in rows.to_pylist()]
    assert alone == together.tolist()
    encoded = predictor.preprocessing.transform(rows)
    natives = sum(model.predict(encoded) * weight for model, weight in predictor.members)
    assert together == pytest.approx(np.asarray(natives), rel=1e-5)
    assert set(predictor.explain(encoded[0].tolist())) == {"a", "b", "c"}
    exported = unpack_export(tmp_path / result.bundle, tmp_path / "export")
    script = "import json; from scorer import Scorer; json.dump(Scorer().predict(json.load(sys.stdin)), sys.stdout)"
    sample = to_json_rows(predictor, rows)
    assert_same(run_isolated(exported, script, sample), predictor, sample)
