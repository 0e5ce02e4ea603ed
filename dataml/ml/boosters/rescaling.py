"""A booster of a regression in another unit: its leaves multiplied by a power of two, which changes no digit of them.

XGBoost has leaves and base score in its JSON schema (doc/model.schema), LightGBM leaves and values of inner nodes, from
which it takes means, in `Tree::ToString`; CatBoost has calls for leaves and bias.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from dataml.ml.boosters.native_model import NativeModel

_MAX_EXPONENT: Final = 64
"""Powers of two up to which leaves stay far from the limits of float32, whose exponents go from -126 to 127."""


def can_rescale(factor: float) -> bool:
    """Return whether float32 holds leaves of the usual size that were multiplied by a power of two."""
    return abs(math.frexp(factor)[1] - 1) <= _MAX_EXPONENT


def rescale(model: NativeModel, factor: float) -> NativeModel:
    """Return the model that predicts `factor` times as much.

    Args:
        model: the model of a regression; it is left as it is.
        factor: a power of two.

    Raises:
        ValueError: `factor` is no power of two, or the model predicts classes.
    """
    if math.frexp(factor)[0] != 0.5 or not model.task.is_regression:
        raise ValueError("only a number can be rescaled, and only by a power of two")
    if factor == 1.0:
        return model
    if model.log_offset is not None:
        return replace(model, log_offset=model.log_offset + math.log(factor))
    functions: dict[str, Callable[[NativeModel, float], NativeModel]] = {
        "XGBoost": _rescale_xgboost,
        "LightGBM": _rescale_lightgbm,
        "CatBoost": _rescale_catboost,
        "Linear": lambda linear, factor: replace(linear, booster=linear.booster.scaled(factor)),
    }
    return functions[model.algorithm](model, factor)


def _rescale_xgboost(model: NativeModel, factor: float) -> NativeModel:
    saved = json.loads(bytes(model.booster.save_raw("json")))
    learner = saved["learner"]
    for tree in learner["gradient_booster"]["model"]["trees"]:
        is_leaf = np.array(tree["left_children"]) < 0
        values = np.array(tree["split_conditions"], np.float32)
        tree["split_conditions"] = _to_numbers(np.where(is_leaf, values * np.float32(factor), values))
        tree["base_weights"] = _to_numbers(np.array(tree["base_weights"], np.float32) * np.float32(factor))
    parameters = learner["learner_model_param"]
    scores = json.loads(parameters["base_score"])
    values = np.array(scores if isinstance(scores, list) else [scores], np.float32) * np.float32(factor)
    numbers = _to_numbers(values)
    parameters["base_score"] = json.dumps(numbers if isinstance(scores, list) else numbers[0])
    content = json.dumps(saved).encode()
    return NativeModel.from_bytes(model.algorithm, model.task, content, model.categorical, model.threads)


def _to_numbers(values: np.ndarray) -> list[float]:
    """Return float32 numbers with the few digits that name each."""
    return [float(str(value)) for value in values]


def _rescale_lightgbm(model: NativeModel, factor: float) -> NativeModel:
    def multiply(match: re.Match[str]) -> str:
        values = np.array(match[2].split(), np.float64) * factor
        return f"{match[1]}=" + " ".join(repr(value) for value in values.tolist())

    # `tree_sizes` counts the bytes of each tree and is optional; the new numbers have other lengths.
    text = re.sub(r"^tree_sizes=.*\n", "", model.booster.model_to_string(), flags=re.MULTILINE)
    text = re.sub(r"^(leaf_value|internal_value)=(.*)$", multiply, text, flags=re.MULTILINE)
    return NativeModel.from_bytes(model.algorithm, model.task, text.encode(), model.categorical, model.threads)


def _rescale_catboost(model: NativeModel, factor: float) -> NativeModel:
    import catboost

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        path.write_bytes(model.to_bytes())
        # One that is loaded from bytes, or copied, cannot be changed.
        booster: Any = catboost.CatBoost().load_model(str(path))
    booster.set_leaf_values(booster.get_leaf_values() * factor)
    # A scale of its own would do, but then the library computes no SHAP values.
    scale, bias = booster.get_scale_and_bias()
    booster.set_scale_and_bias(scale, bias * factor)
    return replace(model, booster=booster)
