"""An ONNX copy is used only where it predicts as the model does."""

import numpy as np
import onnx
import pytest
from catboost import CatBoost, Pool

from dataml.ml.boosters import onnx_model
from dataml.ml.boosters.native_model import NativeModel, Task, catboost_rows
from dataml.ml.boosters.onnx_model import OnnxModel, convert_to_onnx
from tests.ml.boosters.fits import TASKS, fit_small


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_a_model_has_an_equal_onnx_copy(algorithm: str, task: Task) -> None:
    model, whole = fit_small(algorithm, task)
    copy = convert_to_onnx(model.model, whole.x)
    assert copy.content is not None, copy.reason
    session = OnnxModel(copy.content)
    together = session.predict(whole.x)
    assert together.shape == model.predict(whole.x).shape
    alone = np.concatenate([session.predict(whole.x[i : i + 1]) for i in range(100)])
    assert (alone == together[:100]).all()


def fit_catboost(task: Task, nan_mode: str, width: int = 6, **options: object) -> tuple[NativeModel, np.ndarray]:
    """Return a CatBoost model of numbers alone, some of which are missing, and its rows."""
    dice = np.random.default_rng(11)
    x = dice.normal(size=(800, width)).astype(np.float32)
    x[dice.random(x.shape) < 0.1] = np.nan
    signal = np.nan_to_num(x[:, 0], nan=2) + np.nan_to_num(x[:, 1]) ** 2
    y = 1000 + 50 * signal if task.is_regression else np.digitize(signal, np.linspace(0, 3, task.classes - 1))
    loss = "RMSE" if task.is_regression else "Logloss" if task.is_binary else "MultiClass"
    settings = {
        "iterations": 40,
        "loss_function": loss,
        "nan_mode": nan_mode,
        "verbose": 0,
        "allow_writing_files": False,
    }
    booster = CatBoost({**settings, **options}).fit(Pool(catboost_rows(x, ()), label=y))
    return NativeModel("CatBoost", task, booster, ()), x


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.classes} classes")
def test_catboost_of_numbers_has_an_equal_onnx_copy(task: Task, nan_mode: str) -> None:
    model, x = fit_catboost(task, nan_mode)
    copy = convert_to_onnx(model, x)
    assert copy.content is not None, copy.reason
    session = OnnxModel(copy.content)
    together = session.predict(x)
    assert together.shape == model.predict(x).shape
    alone = np.concatenate([session.predict(x[i : i + 1]) for i in range(100)])
    assert (alone == together[:100]).all()


def test_catboost_trees_of_any_depth_have_an_equal_onnx_copy() -> None:
    for depth in (1, 2, 9):
        model, x = fit_catboost(Task(2), "Min", depth=depth, iterations=5)
        assert convert_to_onnx(model, x).content is not None
    # Trees whose nodes of a level ask different questions are saved otherwise.
    model, x = fit_catboost(Task(), "Min", iterations=3, grow_policy="Lossguide")
    assert convert_to_onnx(model, x).content is None


def test_catboost_with_unused_categories_reads_the_right_columns() -> None:
    """CatBoost has the numbers before the categories, whatever their places in the matrix."""
    dice = np.random.default_rng(5)
    x = dice.normal(size=(600, 4)).astype(np.float32)
    x[:, 1] = 0
    y = (x[:, 2] - x[:, 3] > 0).astype(int)
    booster = CatBoost({"iterations": 20, "loss_function": "Logloss", "verbose": 0, "allow_writing_files": False})
    booster.fit(Pool(catboost_rows(x, (1,)), label=y))
    copy = convert_to_onnx(NativeModel("CatBoost", Task(2), booster, (1,)), x)
    assert copy.content is not None, copy.reason


def test_catboost_with_statistics_of_categories_has_no_onnx_copy_and_says_why() -> None:
    model, whole = fit_small("CatBoost", Task(2))
    copy = convert_to_onnx(model.model, whole.x)
    assert copy.content is None
    assert "statistics of categories" in (copy.reason or "")


def test_a_copy_that_predicts_otherwise_is_refused_with_its_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    model, whole = fit_small("LightGBM", Task(2))
    other, _ = fit_small("LightGBM", Task(2), n_estimators=3)
    content = onnx_model.build_onnx(other.model, whole.x.shape[1])
    monkeypatch.setattr(onnx_model, "build_onnx", lambda model, width: content)
    copy = convert_to_onnx(model.model, whole.x)
    assert copy.content is None
    assert copy.difference is not None
    assert copy.difference > onnx_model.TOLERANCE
    assert "differs from the model" in (copy.reason or "")


def test_a_copy_that_the_runtime_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, whole = fit_small("LightGBM", Task(2))
    unknown = onnx.load_from_string(onnx_model.build_onnx(model.model, whole.x.shape[1]))
    unknown.graph.node[0].op_type = "NoSuchOperator"
    monkeypatch.setattr(onnx_model, "build_onnx", lambda model, width: unknown.SerializeToString())
    copy = convert_to_onnx(model.model, whole.x)
    assert (copy.content, copy.difference) == (None, None)
    assert "the runtime refused the copy" in (copy.reason or "")
