"""The training task: scores on rows that the model has never seen, and targets that cannot be learned."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import datasets

from dataml.errors import Conflict, Invalid
from dataml.jobs.spec import JobContext, SplitConfig, TrainSpec
from dataml.ml.boosters.native_model import Task
from dataml.ml.bundle.predictor import Predictor
from dataml.ml.training.candidates import list_candidates
from dataml.storage.storage import Storage
from dataml.tasks import train
from tests.ml.samples import CHURN_ROLES, churn, contract_of
from tests.tasks.training import train_on


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
    assert sum(map(sum, result.confusion_matrix)) == result.summary["rows"]["test"] == pytest.approx(1409, abs=1)
    assert result.summary["split"] == "stratified"
    tried = result.summary["candidates"].keys() | result.summary["limited_candidates"].keys()
    assert tried - {"Blend"} == {model.name for model in list_candidates(Task(2))}
    assert result.summary["rows"]["folds"] == 5


def test_no_whole_table_is_in_memory_while_models_are_fitted(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    table = pa.table({f"x{n}": chance.normal(size=20_000) for n in range(20)} | {"y": np.arange(20_000) % 2})
    size = table.nbytes
    pq.write_table(table, tmp_path / "rows.parquet")
    names = [*table.column_names]
    contract = contract_of(table)
    del table
    before, held = pa.total_allocated_bytes(), []

    def look(share: float, message: str) -> None:
        if message.startswith("Fitting"):
            held.append(pa.total_allocated_bytes() - before)

    roles = dict.fromkeys(names, "Feature") | {"y": "Target"}
    few = {"n_estimators": 11}
    spec = TrainSpec(1, "rows.parquet", contract, "Classification", "auto", roles, hyperparameters=few)
    train.run(spec, JobContext(Storage(tmp_path), "jobs/1", look))
    assert held
    assert max(held) < size / 10


def test_a_seed_reproduces_the_bundle(tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        result = train_on(tmp_path / name, churn(), algorithm="XGBoost", roles=CHURN_ROLES, seed=5)
        runs.append((result.metrics, (tmp_path / name / result.bundle / "model.ubj").read_bytes()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM", "CatBoost", "Linear"])
def test_classes_keep_the_type_of_the_target(tmp_path: Path, algorithm: str) -> None:
    wine = datasets.load_wine()
    table = from_sklearn(wine, pa.array(wine["target"] * 10))
    hyperparameters = {"n_estimators": 100} if algorithm != "Linear" else {}
    result = train_on(tmp_path, table, algorithm=algorithm, hyperparameters=hyperparameters)
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


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM", "CatBoost", "Linear"])
def test_a_regression_predicts_floats_for_an_integer_target(tmp_path: Path, algorithm: str) -> None:
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


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    labels = ["a" if i % 3 else "b" for i in range(55)] + [None] * 5
    rows = train_on(tmp_path, numbers(label=labels)).summary["rows"]
    assert (rows["total"], rows["without_target"]) == (60, 5)
    assert rows["train"] + rows["test"] == 55


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
            "target_not_a_class",
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


def test_an_unknown_hyperparameter_is_refused_before_the_dataset_is_read(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refusal:
        train_on(tmp_path, numbers(target=["a", "b"] * 30), hyperparameters={"depth": 3})
    assert refusal.value.code == "unknown_hyperparameter"


# ---- incremental ----------------------------------------------------------------------------------------------------


def drifted(rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    x, z = random.normal(size=rows), random.normal(size=rows)
    code = random.integers(0, 3, rows)
    label = np.array(["high", "low"])[((x + shift * z + code + 0.5 * random.normal(size=rows)) < 1).astype(int)]
    return pa.table({"x": x, "z": z, "kind": np.array(["a", "b", "c"])[code], "label": label})


@pytest.mark.parametrize("algorithm", ["LightGBM", "XGBoost", "CatBoost", "Linear", "auto"])
def test_a_continued_model_keeps_its_preprocessing(tmp_path: Path, algorithm: str) -> None:
    hyperparameters = {"n_estimators": 100} if algorithm != "Linear" else {}
    first = train_on(tmp_path, drifted(1_000, 0), algorithm=algorithm, hyperparameters=hyperparameters)
    (tmp_path / first.bundle).rename(tmp_path / "parent")
    second = train_on(tmp_path, drifted(2_000, 1, shift=1), algorithm=algorithm, parent="parent")
    comparison = second.summary["comparison"]
    assert comparison["metric"] == "log_loss"
    assert comparison["after"] < comparison["before"]
    assert second.is_promoted
    assert second.metrics["log_loss"] == comparison["after"]
    parent, child = Predictor.load(tmp_path / "parent"), Predictor.load(tmp_path / second.bundle)
    assert child.preprocessing == parent.preprocessing
    assert parent.manifest.feature_ranges is not None
    assert child.manifest.feature_ranges is not None
    for name, (low, high) in parent.manifest.feature_ranges.items():
        numbers = np.concatenate([np.asarray(drifted(1_000, 0)[name]), np.asarray(drifted(2_000, 1, shift=1)[name])])
        assert (low, high) == (min(np.asarray(drifted(1_000, 0)[name])), max(np.asarray(drifted(1_000, 0)[name])))
        assert child.manifest.feature_ranges[name] == (numbers.min(), numbers.max())
    started = {member.algorithm: member.best_iteration for member in parent.manifest.members}
    for member in child.manifest.members:
        assert member.algorithm == "Linear" or member.best_iteration > started[member.algorithm]


def test_a_worse_continuation_is_not_promoted(tmp_path: Path) -> None:
    first = train_on(tmp_path, drifted(3_000, 0))
    (tmp_path / first.bundle).rename(tmp_path / "parent")
    # One tree that follows every one of a few rows to the letter spoils what three thousand have taught.
    rough = {"learning_rate": 1.0, "n_estimators": 1, "min_child_samples": 1}
    second = train_on(tmp_path, drifted(100, 51), parent="parent", hyperparameters=rough)
    comparison = second.summary["comparison"]
    assert comparison["after"] > comparison["before"]
    assert not second.is_promoted
    assert (tmp_path / second.bundle).exists()


def test_a_class_that_the_parent_does_not_know_is_refused(tmp_path: Path) -> None:
    first = train_on(tmp_path, drifted(300, 0))
    (tmp_path / first.bundle).rename(tmp_path / "parent")
    table = drifted(300, 1)
    labels = ["medium", *table["label"].to_pylist()[1:]]
    with pytest.raises(Conflict) as refusal:
        train_on(tmp_path, table.set_column(3, "label", pa.array(labels)), parent="parent")
    assert refusal.value.code == "new_class"
    assert "medium" in refusal.value.detail


# ---- columns --------------------------------------------------------------------------------------------------------


def test_numeric_columns_can_be_categories(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    place = random.integers(1, 200, 3_000)
    odd = random.normal(size=200)[place] > 0
    table = pa.table({"place": place, "x": random.normal(size=3_000), "y": odd})
    result = train_on(tmp_path, table, categories=("place",))
    predictor = Predictor.load(tmp_path / result.bundle)
    (column,) = [column for column in predictor.preprocessing.layout if column.source == "place"]
    assert column.is_categorical
    rows = table.slice(0, 300).to_pylist()
    alone = [predictor.predict([predictor.parse(row)])[0].prediction for row in rows]
    assert alone == predictor.predict_table(table.slice(0, 300).select(["place", "x"]))["prediction"].to_pylist()
    assert predictor.parse({"place": 10**6, "x": 0.0}) == pytest.approx([np.nan, 0.0], nan_ok=True)
    assert result.accuracy is not None
    assert result.accuracy > 0.95


def test_uninformative_columns_are_dropped_and_named(tmp_path: Path) -> None:
    table = (
        drifted(300, 0).append_column("same", pa.array(["x"] * 300)).append_column("none", pa.nulls(300, pa.int64()))
    )
    table = table.append_column("key", pa.array([f"k{i}" for i in range(300)]))
    table = table.select(["same", "none", "key", "x", "z", "kind", "label"])
    result = train_on(tmp_path, table, algorithm="auto", hyperparameters={"n_estimators": 20})
    assert set(result.summary["dropped_features"]) == {"same", "none", "key"}


def test_rows_without_a_target_have_a_warning(tmp_path: Path) -> None:
    table = numbers(400, target=np.array(["no", "yes"] * 200))
    labels = pa.array([None if row % 8 == 0 else label for row, label in enumerate(table["target"].to_pylist())])
    position = table.column_names.index("target")
    result = train_on(tmp_path, table.set_column(position, "target", labels))
    (warning,) = [each for each in result.summary["warnings"] if each["code"] == "rows_without_target"]
    assert (warning["column"], warning["count"]) == ("target", 50)
    assert "50 of 400" in warning["message"]
    whole = train_on(tmp_path, table)
    assert "rows_without_target" not in {each["code"] for each in whole.summary["warnings"]}


def test_a_rare_class_has_a_warning(tmp_path: Path) -> None:
    rare = np.array(["no"] * 970 + ["yes"] * 30)
    result = train_on(tmp_path, numbers(1_000, target=rare))
    (warning,) = result.summary["warnings"]
    assert (warning["code"], warning["column"], warning["count"]) == ("rare_class", "target", 30)
    assert "3.0%" in warning["message"]
    few = train_on(tmp_path, numbers(300, target=np.array(["a"] * 150 + ["b"] * 145 + ["c"] * 5)))
    (warning,) = few.summary["warnings"]
    assert (warning["code"], warning["count"], warning["examples"]) == ("few_rows_per_class", 1, ["c"])
    assert "'c' (5)" in warning["message"]


def test_rows_of_a_group_are_never_split(tmp_path: Path) -> None:
    # Each customer has one label: whoever saw the customer knows it, and others cannot.
    random = np.random.default_rng(0)
    customer = random.integers(0, 60, 3_000)
    label = random.permutation(60)[customer] % 2 == 0
    table = pa.table({"customer": customer, "x": random.normal(size=3_000), "y": label})
    roles = {"customer": "Feature"}
    together = train_on(tmp_path, table, roles=roles, categories=("customer",))
    apart = train_on(tmp_path, table, roles=roles, categories=("customer",), validation=SplitConfig(group="customer"))
    assert together.metrics["roc_auc"] > 0.99
    assert apart.metrics["roc_auc"] < 0.7
    assert apart.summary["split"] == "group"


def test_a_candidate_whose_time_is_limited_is_named(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 280))
    table = pa.table({f"x{n}": x[:, n] for n in range(280)} | {"y": x[:, 3] + 0.1 * random.normal(size=80)})
    result = train_on(tmp_path, table, "Regression", "auto", hyperparameters={"n_estimators": 12})
    sentence = "fitted on the 256 of 280 columns most associated with the target"
    assert all(result.summary["limited_candidates"][name].startswith(sentence) for name in ("CatBoost", "Linear"))
    messages = [each["message"] for each in result.summary["warnings"] if each["code"] == "candidate_limited"]
    for name, message in zip(("CatBoost", "Linear"), sorted(messages), strict=True):
        assert message.startswith(f"{name} was {sentence}.")
