"""A bundle predicts the same by every route, and a changed file is never loaded."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dataml.errors import InvalidFields
from dataml.jobs.spec import SplitConfig, TrainResult
from dataml.ml.bundle.manifest import BundleDamaged
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.training.blending import combine_predictions
from dataml.ml.training.calibration import Calibration
from tests.ml.samples import CHURN_ROLES, churn
from tests.tasks.training import train_on


@pytest.fixture(scope="module", params=["LightGBM", "XGBoost", "CatBoost", "Linear", "auto"])
def algorithm(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, algorithm: str) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def trained(root: Path, algorithm: str) -> TrainResult:
    hyperparameters = {"n_estimators": 100} if algorithm != "Linear" else {}
    options = {"hyperparameters": hyperparameters, "validation": SplitConfig(folds=1)}
    return train_on(root, churn(), algorithm=algorithm, roles=CHURN_ROLES, seed=1, threads=2, **options)


@pytest.fixture(scope="module")
def bundle(root: Path, trained: TrainResult) -> Path:
    return root / trained.bundle


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return Predictor.load(bundle, threads=2)


def test_one_row_many_rows_and_a_table_get_identical_predictions(predictor: Predictor) -> None:
    rows = churn().to_pylist()
    encoded = [predictor.parse(row) for row in rows]
    together = predictor.predict(encoded)
    table = predictor.predict_table(churn().select(predictor.contract.names).cast(predictor.contract.schema))
    assert [p.prediction for p in together] == table["prediction"].to_pylist()
    assert [p.probabilities["Yes"] for p in together if p.probabilities] == table["probability_Yes"].to_pylist()
    assert [predictor.predict([row])[0] for row in encoded[:200]] == together[:200]


def test_onnx_copies_and_native_models_agree(predictor: Predictor, algorithm: str) -> None:
    if algorithm != "auto":
        assert predictor.manifest.onnx["used"] is (algorithm not in ("CatBoost", "Linear"))
    encoded = [predictor.parse(row) for row in churn().to_pylist()]
    matrix = np.array(encoded, dtype=np.float32)
    weights = [weight for _, weight in predictor.members]
    calibration = predictor.manifest.calibration and Calibration.from_json(predictor.manifest.calibration)
    native = combine_predictions(
        [model.predict(matrix) for model, _ in predictor.members], weights, calibration or None
    )
    predicted = [list(p.probabilities.values()) for p in predictor.predict(encoded) if p.probabilities]
    assert predicted == pytest.approx(native, abs=1e-5)


def test_a_predicted_class_has_the_targets_type(predictor: Predictor) -> None:
    prediction = predictor.predict([predictor.parse(churn().to_pylist()[0])])[0]
    assert prediction.prediction in ("Yes", "No")
    assert prediction.probabilities is not None
    assert list(prediction.probabilities) == ["No", "Yes"]
    assert prediction.probability == max(prediction.probabilities.values())


def test_ids_and_the_target_are_ignored_and_bad_features_are_named(predictor: Predictor) -> None:
    assert predictor.ignored_columns == {"customer_id", "churn"}
    row = churn().to_pylist()[0]
    assert predictor.parse(row) == predictor.parse({k: v for k, v in row.items() if k not in predictor.ignored_columns})
    wrong = row | {"tenure": "long", "colour": "red"}
    del wrong["contract"]
    with pytest.raises(InvalidFields) as refusal:
        predictor.parse(wrong)
    assert {field.location[-1] for field in refusal.value.fields} == {"tenure", "colour", "contract"}


def test_an_explanation_covers_every_feature(predictor: Predictor) -> None:
    effects = predictor.explain(predictor.parse(churn().to_pylist()[0]))
    assert set(effects) == set(predictor.contract.names)
    assert any(effects.values())


@pytest.mark.parametrize("pattern", ["contract.json", "preprocess.json", "model*.onnx", "model.[ctu]*[!x]"])
@pytest.mark.parametrize("damage", ["changed", "removed", "cut"])
def test_a_damaged_file_is_refused(bundle: Path, tmp_path: Path, pattern: str, damage: str) -> None:
    copy = tmp_path / "bundle"
    copy.mkdir()
    for path in bundle.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    file = next(copy.glob(pattern), None)
    if file is None:
        pytest.skip("CatBoost has no ONNX copy")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(content if damage == "changed" else content[:-1])
    with pytest.raises(BundleDamaged) as refusal:
        Predictor.load(copy)
    assert (refusal.value.status, refusal.value.code) == (503, "bundle_damaged")
    assert str(tmp_path) not in refusal.value.detail


def test_the_native_model_predicts_the_same_without_its_onnx_copy(bundle: Path, tmp_path: Path) -> None:
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"] = {name: record for name, record in manifest["files"].items() if not name.endswith(".onnx")}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    native, usual = Predictor.load(tmp_path), Predictor.load(bundle)
    table = churn().select(usual.contract.names).cast(usual.contract.schema)
    ours, theirs = native.predict_table(table), usual.predict_table(table)
    assert ours["probability_Yes"].to_pylist() == pytest.approx(theirs["probability_Yes"].to_pylist(), abs=1e-5)
    encoded = [native.parse(row) for row in churn().slice(0, 50).to_pylist()]
    alone = [native.predict([row])[0].probability for row in encoded]
    assert alone == [p.probability for p in native.predict(encoded)]


def test_a_bundle_of_a_single_booster_without_members_is_loaded(bundle: Path, tmp_path: Path) -> None:
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    if len(manifest.pop("members")) > 1:
        pytest.skip("a blend always lists them")
    for name in ("calibration", "warnings", "comparison"):
        del manifest[name]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    old = Predictor.load(tmp_path)
    assert [weight for _, weight in old.members] == [1.0]


def test_a_replica_loads_no_training_library(bundle: Path, algorithm: str) -> None:
    if algorithm in ("CatBoost", "auto"):
        pytest.skip("CatBoost predicts by itself")
    script = (
        "import sys; from pathlib import Path; from dataml.ml.bundle.predictor import Predictor\n"
        "Predictor.preload()\n"
        f"predictor = Predictor.load(Path({str(bundle)!r}))\n"
        "predictor.predict([[0.0] * predictor.preprocessing.width])\n"
        "print(*{'lightgbm', 'xgboost', 'sklearn', 'shap', 'onnx', 'pandas', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
