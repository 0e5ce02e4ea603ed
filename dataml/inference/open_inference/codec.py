"""Tensors as the rows of a request to a model, and its response as tensors.

The rows are those that the direct route takes: the contract of the model reads them, and nothing here does.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from dataml.errors import DatamlError, Invalid, InvalidFields
from dataml.http.strict_json import dump_json
from dataml.inference.open_inference.schemas import InferParameters
from dataml.inference.open_inference.tensors import BOOL, BYTES, FP64, INT64, Tensor, count_rows
from dataml.inference.realtime import MAX_EXPLAINED_ROWS
from dataml.inference.schemas import MAX_INSTANCES
from dataml.serving.model_runner import InferenceRequest, ServableModel
from dataml.suggestions import describe_unknown, shorten

PREDICTION: Final = "prediction"
PROBABILITY: Final = "probability"
PROBABILITIES: Final = "probabilities"
EXPLANATION: Final = "explanation"
PREDICTION_ID: Final = "prediction_id"
WARNINGS: Final = "warnings"
OF_EVERY_MODEL: Final = {EXPLANATION: BYTES, PREDICTION_ID: INT64, WARNINGS: BYTES}
"""Outputs that every model has besides its prediction, and their datatypes."""
_OF_CLASSES: Final = (PROBABILITY, PROBABILITIES)
_OF_RESPONSE: Final = ("positive_class", "threshold")
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class InferCall:
    """A request of the protocol, however it came.

    `outputs` are the names of those that were asked for; empty for the usual ones.
    """

    id: str
    inputs: Sequence[Tensor]
    outputs: tuple[str, ...]
    parameters: InferParameters


@dataclass(frozen=True)
class InferResult:
    """The outputs of a model, and what is said of all of them."""

    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, str | bool | int | float]


def build_request(call: InferCall, model: ServableModel, username: str) -> InferenceRequest:
    """Return the request to the model: a row for each element of the inputs.

    Raises:
        Invalid: `duplicate_tensor`, `wrong_shape`, `too_many_rows`, `too_many_to_explain`, `unknown_output`.
    """
    rows = _build_rows(call.inputs)
    is_explained = EXPLANATION in _list_outputs(call, model)
    if is_explained and len(rows) > MAX_EXPLAINED_ROWS:
        raise Invalid(f"At most {MAX_EXPLAINED_ROWS} rows can be explained at a time.", code="too_many_to_explain")
    threshold = call.parameters.threshold
    return InferenceRequest(
        rows,
        username,
        single=False,
        explain=is_explained,
        threshold=threshold if threshold is not None else model.threshold,
    )


def read_response(call: InferCall, model: ServableModel, response: bytes) -> InferResult:
    """Return the outputs that were asked for, from the JSON of the model."""
    rows: list[_Row] = orjson.loads(response)["predictions"]
    outputs = tuple(_WRITERS[name](rows) for name in _list_outputs(call, model))
    return InferResult(outputs, {name: rows[0][name] for name in _OF_RESPONSE if rows[0][name] is not None})


def _build_rows(inputs: Sequence[Tensor]) -> tuple[dict[str, Any], ...]:
    names = [tensor.name for tensor in inputs]
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise Invalid(f"There are several tensors {shorten(twice)!r}; each feature is one.", code="duplicate_tensor")
    counts = {tensor.name: count_rows(tensor.name, tensor.shape) for tensor in inputs}
    rows = counts[names[0]]
    for name, count in counts.items():
        if count != rows:
            detail = f"Tensor {shorten(name)!r} has {count:,} rows, and {shorten(names[0])!r} has {rows:,}."
            raise Invalid(detail, code="wrong_shape")
    if rows > MAX_INSTANCES:
        raise Invalid(f"At most {MAX_INSTANCES:,} rows can be predicted at a time.", code="too_many_rows")
    return tuple(dict(zip(names, row, strict=True)) for row in zip(*(t.elements for t in inputs), strict=True))


def _list_outputs(call: InferCall, model: ServableModel) -> tuple[str, ...]:
    """Return the names of the outputs to answer.

    Raises:
        Invalid: `unknown_output`.
    """
    of_classes = _OF_CLASSES if model.problem_type == "Classification" else ()
    known = (PREDICTION, *of_classes, *OF_EVERY_MODEL)
    for name in call.outputs:
        if name not in known:
            raise Invalid(describe_unknown("output", name, known, is_listed=True), code="unknown_output")
    if call.outputs:
        return tuple(dict.fromkeys(call.outputs))
    added = {PROBABILITIES: call.parameters.probabilities, EXPLANATION: call.parameters.explain}
    return tuple(name for name in known if name in (PREDICTION, PROBABILITY) or added.get(name))


def describe_error(error: DatamlError) -> DatamlError:
    """Return the error of a model in the words of the protocol: the row is named, and not a field of JSON."""
    if not isinstance(error, InvalidFields):
        return error
    index = error.fields[0].location[2] if error.fields[0].location[1:2] == ("instances",) else None
    codes = {field.code for field in error.fields}
    code = codes.pop() if len(codes) == 1 else error.code
    return Invalid(error.detail if index is None else f"Row {index}, counted from 0: {error.detail}", code=code)


def _write_prediction(rows: Sequence[_Row]) -> Tensor:
    elements = [row[PREDICTION] for row in rows]
    return Tensor(PREDICTION, _DATATYPE_OF[type(elements[0])], (len(rows),), elements)


def _write_probabilities(rows: Sequence[_Row]) -> Tensor:
    classes = list(rows[0][PROBABILITIES])
    elements = [probability for row in rows for probability in row[PROBABILITIES].values()]
    names = dump_json(classes).decode()
    return Tensor(PROBABILITIES, FP64, (len(rows), len(classes)), elements, {"classes": names})


def _write(name: str, datatype: str) -> Callable[[Sequence[_Row]], Tensor]:
    def write(rows: Sequence[_Row]) -> Tensor:
        values = [row[name] for row in rows]
        elements = [dump_json(value).decode() for value in values] if datatype == BYTES else values
        return Tensor(name, datatype, (len(rows),), elements)

    return write


_DATATYPE_OF: Final = {bool: BOOL, int: INT64, float: FP64, str: BYTES}
_WRITERS: Final = {
    PREDICTION: _write_prediction,
    PROBABILITY: _write(PROBABILITY, FP64),
    PROBABILITIES: _write_probabilities,
    **{name: _write(name, datatype) for name, datatype in OF_EVERY_MODEL.items()},
}
