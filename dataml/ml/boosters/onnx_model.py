"""The ONNX copy of a booster: the same numbers in a tenth of the time for one row, used only where verified."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dataml.ml.boosters.native_model import NativeModel, undo_logarithm
from dataml.ml.boosters.onnx_trees import build_onnx

TOLERANCE = 1e-5
"""Largest difference from the native model: of a probability, or of a number relative to the largest one (float32 holds
seven digits, and both sum hundreds of trees)."""


@dataclass(frozen=True)
class OnnxConversion:
    """The result of a conversion.

    `content` is None when the copy is not good enough, and `reason` says why. `difference` is the largest one from the
    native model that was measured.
    """

    content: bytes | None
    difference: float | None
    reason: str | None


class OnnxModel:
    """An ONNX session on one thread.

    With one thread the sum over the trees has one order: a row alone and the same row among many get the same
    prediction to the bit. Run it from several threads to use several cores.
    """

    def __init__(self, content: bytes, log_offset: float | None = None) -> None:
        """Load a copy; `log_offset` is that of its model."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in self._session.get_outputs()]
        # A classifier also has its labels; ours come from the predictor's own classes.
        self._outputs = names[-1:]
        self._log_offset = log_offset
        self._input = self._session.get_inputs()[0].name

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Return numbers (rows,) for a regression, else probabilities (rows, classes).

        They are float32, but numbers of which the model predicts the logarithm float64.
        """
        scores: Any = self._session.run(self._outputs, {self._input: matrix})[0]
        return undo_logarithm(scores if scores.shape[1] > 1 else scores[:, 0], self._log_offset)


def convert_to_onnx(model: NativeModel, matrix: np.ndarray, seed: int = 0) -> OnnxConversion:
    """Convert `model` and verify the copy on real rows.

    The copy must predict `matrix` as the model does, and also the same rows with a tenth of the cells missing.
    """
    if model.algorithm == "Linear":
        return OnnxConversion(None, None, "a linear model is as fast without one")
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, NotImplemented

    sparse = matrix.copy()
    sparse[np.random.default_rng(seed).random(matrix.shape) < 0.1] = np.nan
    rows = np.concatenate((matrix, sparse))
    try:
        content = build_onnx(model, matrix.shape[1])
        predicted = OnnxModel(content, model.log_offset).predict(rows)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        return OnnxConversion(None, None, f"the converter refused the model: {error}")
    except (Fail, InvalidArgument, InvalidGraph, NotImplemented) as error:
        return OnnxConversion(None, None, f"the runtime refused the copy: {error}")
    native = model.predict(rows)
    scale = float(np.abs(native).max()) or 1.0 if model.task.is_regression else 1.0
    difference = float(np.abs(predicted - native).max()) / scale
    if not difference <= TOLERANCE:
        return OnnxConversion(None, difference, f"the copy differs from the model by {difference:.2g}")
    return OnnxConversion(content, difference, None)
