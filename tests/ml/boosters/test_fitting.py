"""All libraries fit the same tasks, repeat themselves, and refuse what they do not know."""

import lightgbm
import numpy as np
import pytest

from dataml.errors import Invalid
from dataml.ml.boosters.fitting import FitConfig, FittedModel, fit, float32_thresholds
from dataml.ml.boosters.hyperparameters import canonical_names, check_hyperparameters
from dataml.ml.boosters.native_model import LabeledRows, NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxModel, convert_to_onnx

ALGORITHMS = ["XGBoost", "LightGBM", "CatBoost"]
TASKS = [Task(0), Task(2), Task(4)]
CATEGORICAL = (0, 1)


def data(task: Task, rows: int = 900) -> LabeledRows:
    """Two category columns (150 and 5 values), three numbers, a tenth missing, and a target that depends on them."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 5)).astype(np.float32)
    x[:, 0] = random.integers(0, 150, rows)
    x[:, 1] = random.integers(0, 5, rows)
    signal = np.sin(x[:, 0]) + (x[:, 1] == 2) + x[:, 2] + 0.2 * random.normal(size=rows)
    x[random.random(x.shape) < 0.1] = np.nan
    if task.is_regression:
        return LabeledRows(x, 1_000_000 + 1_000 * signal)
    return LabeledRows(x, np.digitize(signal, np.quantile(signal, np.arange(1, task.classes) / task.classes)))


def fitted(
    algorithm: str, task: Task, start: NativeModel | None = None, **options: object
) -> tuple[FittedModel, LabeledRows]:
    whole = data(task)
    train, validation = LabeledRows(whole.x[:700], whole.y[:700]), LabeledRows(whole.x[700:], whole.y[700:])
    config = FitConfig(algorithm, task, CATEGORICAL, {"n_estimators": 60} | options, seed=3, start=start)
    return fit(config, train, validation), whole


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_learns_and_survives_its_file(algorithm: str, task: Task) -> None:
    model, whole = fitted(algorithm, task)
    predicted = model.predict(whole.x)
    if task.is_regression:
        assert np.sqrt(np.square(predicted - whole.y).mean()) < 0.8 * whole.y.std()
    else:
        assert predicted.shape == (len(whole.y), task.classes)
        assert predicted.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert (predicted.argmax(axis=1) == whole.y).mean() > 1.5 / task.classes
    again = NativeModel.from_bytes(model.algorithm, task, model.model.to_bytes(), CATEGORICAL)
    assert (again.predict(whole.x) == predicted).all()
    alone = np.concatenate([again.predict(whole.x[i : i + 1]) for i in range(20)])
    assert alone == pytest.approx(predicted[:20], abs=1e-12)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_a_model_has_an_equal_onnx_copy(algorithm: str, task: Task) -> None:
    model, whole = fitted(algorithm, task)
    copy = convert_to_onnx(model.model, whole.x)
    assert copy.content is not None, copy.reason
    onnx = OnnxModel(copy.content)
    together = onnx.predict(whole.x)
    alone = np.concatenate([onnx.predict(whole.x[i : i + 1]) for i in range(100)])
    assert (alone == together[:100]).all()


def test_catboost_has_no_onnx_copy_and_says_why() -> None:
    model, whole = fitted("CatBoost", Task(2))
    copy = convert_to_onnx(model.model, whole.x)
    assert copy.content is None
    assert "CatBoost" in (copy.reason or "")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_validation_rows_it_takes_the_rounds_it_is_told(algorithm: str) -> None:
    whole = data(Task(2))
    model = fit(FitConfig(algorithm, Task(2), CATEGORICAL), whole, None, rounds=7)
    assert model.best_iteration == 7


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_that_is_continued_keeps_its_trees(algorithm: str, task: Task) -> None:
    first, whole = fitted(algorithm, task, n_estimators=10)
    again = NativeModel.from_bytes(algorithm, task, first.model.to_bytes(), CATEGORICAL)
    second, _ = fitted(algorithm, task, start=again, n_estimators=20)
    assert first.best_iteration < second.best_iteration <= first.best_iteration + 20
    assert not np.allclose(second.predict(whole.x), first.predict(whole.x))
    if task.is_regression:
        errors = [np.square(model.predict(whole.x) - whole.y).mean() for model in (first, second)]
        assert errors[1] < errors[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_seed_makes_one_model(algorithm: str) -> None:
    first, whole = fitted(algorithm, Task(2))
    second, _ = fitted(algorithm, Task(2))
    assert (first.predict(whole.x) == second.predict(whole.x)).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_contributions_add_up_to_the_prediction(algorithm: str) -> None:
    model, whole = fitted(algorithm, Task(0))
    values = model.model.contributions(whole.x[:50])
    assert values.shape == (50, 1, 5)
    constant = model.predict(whole.x[:50]) - values[:, 0].sum(axis=1)
    assert constant == pytest.approx(constant[0], abs=1)


def test_a_value_on_a_threshold_goes_the_same_way_in_float32() -> None:
    # The midpoint of two neighbouring float32 numbers rounds to the upper one, which the split sends right.
    low = np.float32(78.299995)
    high = np.nextafter(low, np.float32(np.inf))
    x = np.repeat(np.array([low, high], dtype=np.float32), 50)[:, None]
    y = np.repeat([0.0, 1.0], 50)
    options = {"objective": "regression", "min_data_in_leaf": 1, "min_data_in_bin": 1, "verbosity": -1}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), num_boost_round=3)
    exact = lightgbm.Booster(model_str=float32_thresholds(booster.model_to_string()))
    assert (exact.predict(x) == booster.predict(x)).all()
    copy = convert_to_onnx(NativeModel("LightGBM", Task(0), exact, ()), x)
    assert copy.content is not None
    assert OnnxModel(copy.content).predict(x) == pytest.approx(booster.predict(x), abs=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "settings", "code"),
    [
        ("auto", {"depth": 3}, "unknown_hyperparameter"),
        ("XGBoost", {"num_leaves": 31}, "unknown_hyperparameter"),
        ("auto", {"learning_rate": 0}, "invalid_hyperparameter"),
        ("auto", {"learning_rate": "fast"}, "invalid_hyperparameter"),
        ("auto", {"learning_rate": float("nan")}, "invalid_hyperparameter"),
        ("auto", {"max_depth": 2.5}, "invalid_hyperparameter"),
        ("auto", {"max_depth": True}, "invalid_hyperparameter"),
        ("auto", {"n_estimators": 1e9}, "invalid_hyperparameter"),
        ("CatBoost", {"learning_rate": -1}, "invalid_hyperparameter"),
        ("CatBoost", {"num_leaves": 31}, "unknown_hyperparameter"),
        ("LightGBM", {"lambda_l1": 1, "reg_alpha": 1}, "unknown_hyperparameter"),
    ],
)
def test_unknown_names_and_values_are_refused(algorithm: str, settings: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_hyperparameters(algorithm, settings)
    assert refusal.value.code == code


def test_known_hyperparameters_reach_the_library() -> None:
    model, _ = fitted("LightGBM", Task(2), num_leaves=4, reg_lambda=2, early_stopping_rounds=60)
    assert model.params["num_leaves"] == 4
    assert model.params["lambda_l2"] == 2.0
    assert max(tree["num_leaves"] for tree in model.model.booster.dump_model()["tree_info"]) <= 4


def test_a_library_knows_its_own_names() -> None:
    assert canonical_names("XGBoost", {"eta": 0.1, "gamma": 1}) == {"learning_rate": 0.1, "min_split_gain": 1}
    assert canonical_names("LightGBM", {"min_data_in_leaf": 5}) == {"min_child_samples": 5}
    assert canonical_names("CatBoost", {"depth": 4, "l2_leaf_reg": 3}) == {"max_depth": 4, "reg_lambda": 3}
    check_hyperparameters("CatBoost", {"depth": 4, "iterations": 100})
