"""An ONNX copy is used only where it predicts as the model does."""

import numpy as np
import onnx
import pytest

from dataml.ml.boosters import onnx_model
from dataml.ml.boosters.native_model import Task
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


def test_catboost_has_no_onnx_copy_and_says_why() -> None:
    model, whole = fit_small("CatBoost", Task(2))
    copy = convert_to_onnx(model.model, whole.x)
    assert copy.content is None
    assert "CatBoost" in (copy.reason or "")


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
