"""A booster predicts in another unit, to the bit, and can be brought back and continued."""

import numpy as np
import pytest

from dataml.ml.boosters.native_model import NativeModel, Task
from dataml.ml.boosters.onnx_model import OnnxModel, convert_to_onnx
from dataml.ml.boosters.rescaling import can_rescale, rescale
from tests.ml.boosters.fits import ALGORITHMS, fit_small


def reload(model: NativeModel) -> NativeModel:
    return NativeModel.from_bytes(model.algorithm, model.task, model.to_bytes(), model.categorical)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_predictions_and_shap_values_are_multiplied_to_the_bit(algorithm: str) -> None:
    fitted, whole = fit_small(algorithm, Task(0))
    model, x = fitted.model, whole.x[:100]
    before = model.predict(x)
    for factor in (2.0**-50, 2.0**7, 1.0):
        scaled = reload(rescale(model, factor))
        np.testing.assert_array_equal(scaled.predict(x), before * before.dtype.type(factor))
        np.testing.assert_array_equal(scaled.contributions(x), model.contributions(x) * factor)
        np.testing.assert_array_equal(rescale(scaled, 1 / factor).predict(x), before)
    np.testing.assert_array_equal(model.predict(x), before)


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_the_onnx_copy_is_in_the_new_unit(algorithm: str) -> None:
    fitted, whole = fit_small(algorithm, Task(0))
    for factor in (2.0**-60, 2.0**40):
        scaled = rescale(fitted.model, factor)
        copy = convert_to_onnx(scaled, whole.x)
        assert copy.content is not None
        assert OnnxModel(copy.content).predict(whole.x) == pytest.approx(scaled.predict(whole.x), rel=1e-5, abs=0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_that_was_brought_back_is_continued_as_if_it_had_stayed(algorithm: str) -> None:
    fitted, whole = fit_small(algorithm, Task(0))
    stayed = reload(fitted.model)
    again = reload(rescale(rescale(stayed, 2.0**-30), 2.0**30))
    continued = [fit_small(algorithm, Task(0), start=start)[0] for start in (stayed, again)]
    assert continued[0].best_iteration == continued[1].best_iteration
    np.testing.assert_array_equal(continued[0].predict(whole.x), continued[1].predict(whole.x))


def test_other_factors_and_classes_are_refused() -> None:
    number, classes = fit_small("LightGBM", Task(0))[0].model, fit_small("LightGBM", Task(2))[0].model
    for model, factor in [(number, 3.0), (number, -2.0), (number, 0.0), (classes, 2.0)]:
        with pytest.raises(ValueError, match="power of two"):
            rescale(model, factor)


def test_float32_limits_the_factor() -> None:
    assert can_rescale(2.0**64)
    assert can_rescale(2.0**-64)
    assert not can_rescale(2.0**65)
    assert not can_rescale(2.0**-900)
