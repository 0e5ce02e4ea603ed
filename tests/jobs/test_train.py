"""Training scores on rows the model never saw, and refuses what cannot be learned."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets

from dataml.errors import Invalid
from dataml.ml import split
from dataml.ml.bundle import Predictor
from tests.jobs.training import train_on
from tests.ml.samples import CHURN_ROLES, churn


def from_sklearn(bunch: dict[str, np.ndarray], target: pa.Array) -> pa.Table:
    columns = {f"x{i}": bunch["data"][:, i] for i in range(bunch["data"].shape[1])}
    return pa.table(columns | {"target": target})


def numbers(rows: int = 60, **columns: object) -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table({"x": random.normal(size=rows), "z": random.normal(size=rows), **columns})


def test_churn_is_predicted_well_on_held_out_rows(tmp_path: Path) -> None:
    result = train_on(tmp_path, churn(), algorithm="auto", roles=CHURN_ROLES, threads=2)
    assert result.metrics["roc_auc"] >= 0.83
    assert result.accuracy == result.metrics["accuracy"]
    assert result.accuracy > 0.78
    assert result.confusion_matrix is not None
    assert sum(map(sum, result.confusion_matrix)) == result.summary["rows"]["test"] == 1409
    assert result.summary["split"] == "stratified"
    assert set(result.summary["candidates"]) == {"XGBoost", "LightGBM"}


def test_one_seed_makes_one_bundle(tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        result = train_on(tmp_path / name, churn(), algorithm="XGBoost", roles=CHURN_ROLES, seed=5)
        runs.append((result.metrics, (tmp_path / name / result.bundle / "model.ubj").read_bytes()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_several_classes_keep_their_own_type(tmp_path: Path, algorithm: str) -> None:
    wine = datasets.load_wine()
    table = from_sklearn(wine, pa.array(wine["target"] * 10))
    result = train_on(tmp_path, table, algorithm=algorithm)
    assert result.accuracy is not None
    assert result.accuracy > 0.85
    assert result.model == f"{algorithm}Classifier"
    predictor = Predictor.load(tmp_path / result.bundle)
    prediction = predictor.predict([predictor.parse(table.to_pylist()[0])])[0]
    assert prediction.prediction == 0
    assert isinstance(prediction.prediction, int)
    assert prediction.probabilities is not None
    assert list(prediction.probabilities) == ["0", "10", "20"]
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert set(predictor.explain(predictor.parse(table.to_pylist()[0]))) == set(predictor.contract.names)


def test_a_boolean_target_predicts_booleans(tmp_path: Path) -> None:
    table = numbers(200)
    table = table.append_column("late", pa.array(np.asarray(table["x"]) > 0))
    predictor = Predictor.load(tmp_path / train_on(tmp_path, table).bundle)
    low, high = predictor.predict([predictor.parse({"x": x, "z": 0.0}) for x in (-2.0, 2.0)])
    assert (low.prediction, high.prediction) == (False, True)
    assert high.probabilities is not None
    assert list(high.probabilities) == ["false", "true"]


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_a_regression_predicts_floats_even_of_whole_numbers(tmp_path: Path, algorithm: str) -> None:
    diabetes = datasets.load_diabetes()
    table = from_sklearn(diabetes, pa.array(diabetes["target"].astype(np.int64)))
    result = train_on(tmp_path, table, "Regression", algorithm)
    assert result.accuracy is None
    assert result.confusion_matrix is None
    assert result.metrics["r2"] > 0.25
    assert result.model == f"{algorithm}Regressor"
    predictor = Predictor.load(tmp_path / result.bundle)
    prediction = predictor.predict([predictor.parse(table.to_pylist()[0])])[0]
    assert isinstance(prediction.prediction, float)
    assert prediction[1:] == (None, None)
    predicted = predictor.predict_table(table.select(predictor.contract.names))
    assert predicted.column_names == ["prediction"]
    assert predicted["prediction"][0].as_py() == prediction.prediction


def test_with_a_time_column_the_latest_rows_are_held_out(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    hours = random.permutation(500)
    moments = pa.array([start + timedelta(hours=int(h)) for h in hours], pa.timestamp("us", "UTC"))
    table = pa.table({"at": moments, "x": random.normal(size=500), "y": hours % 24 + random.normal(size=500)})
    result = train_on(tmp_path, table, "Regression", roles={"at": "Time"})
    assert result.summary["split"] == "time"
    assert result.summary["rows"]["test"] == 100
    assert result.metrics["r2"] > 0.5  # the hour of the day is a feature
    parts = split.by_time(np.argsort(hours, kind="stable"))
    assert hours[parts.train].max() < hours[parts.validation].min()
    assert hours[parts.validation].max() < hours[parts.test].min() == 400


def test_a_class_with_a_single_row_is_learned_and_not_held_out() -> None:
    codes = np.array([0] * 60 + [1] * 30 + [2])
    for seed in range(10):
        parts = split.by_target(codes, is_regression=False, seed=seed)
        assert 2 in codes[parts.train]
        together = np.concatenate((parts.train, parts.validation, parts.test))
        assert sorted(together.tolist()) == list(range(91))


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    labels = ["a" if i % 3 else "b" for i in range(55)] + [None] * 5
    rows = train_on(tmp_path, numbers(label=labels)).summary["rows"]
    assert (rows["total"], rows["without_target"]) == (60, 5)
    assert rows["train"] + rows["validation"] + rows["test"] == 55


@pytest.mark.parametrize(
    ("target", "problem_type", "code"),
    [
        (["a"] * 60, "Classification", "constant_target"),
        ([3.5] * 60, "Regression", "constant_target"),
        (["a", "b"] * 9 + [None] * 42, "Classification", "too_few_rows"),
        ([f"id{i}" for i in range(60)], "Classification", "too_few_rows"),
        (["a", "b"] * 30, "Regression", "target_not_numeric"),
        ([True, False] * 30, "Regression", "target_not_numeric"),
        (
            [datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)] * 30,
            "Classification",
            "target_not_classes",
        ),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(tmp_path: Path, target: list, problem_type, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        train_on(tmp_path, numbers(target=target), problem_type)
    assert refusal.value.code == code
    assert not (tmp_path / "jobs" / "1" / "bundle").exists()


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refusal:
        train_on(tmp_path, numbers(2_400, target=[f"c{i % 1_001}" for i in range(2_400)]))
    assert refusal.value.code == "too_many_classes"


def test_an_unknown_hyperparameter_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refusal:
        train_on(tmp_path, numbers(target=["a", "b"] * 30), hyperparameters={"depth": 3})
    assert refusal.value.code == "unknown_hyperparameter"
