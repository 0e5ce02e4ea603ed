"""The JSON of the Open Inference Protocol."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dataml.http.requests import request_config
from dataml.inference.schemas import THRESHOLD_OF_REQUEST
from dataml.train.threshold.schemas import Threshold

_IGNORED = "Taken, and not used."


class InferParameters(BaseModel):
    """Parameters of a whole request."""

    model_config = ConfigDict(extra="forbid")

    content_type: Literal["pd"] | None = Field(
        None, description="`pd`: the inputs are the columns of a table, which they are in any case."
    )
    probabilities: bool = Field(False, description="Add the output `probabilities`.")
    explain: bool = Field(False, description="Add the output `explanation`; for 100 rows at most.")
    threshold: Threshold | None = Field(None, description=THRESHOLD_OF_REQUEST)
    binary_data_output: bool = Field(False, description="Answer all outputs as bytes, where they say nothing else.")
    priority: int | None = Field(None, description=_IGNORED)
    timeout: int | None = Field(None, description=_IGNORED)


class InputParameters(BaseModel):
    """Parameters of an input."""

    model_config = ConfigDict(extra="forbid")

    content_type: Literal["str", "np", "datetime"] | None = Field(
        None, description="Need not be sent: the column of the model decides how its values are read."
    )
    binary_data_size: int | None = Field(
        None, ge=0, description="Number of bytes of this input after the JSON, in place of `data`."
    )


class OutputParameters(BaseModel):
    """Parameters of a requested output."""

    model_config = ConfigDict(extra="forbid")

    content_type: str | None = Field(None, description=_IGNORED)
    binary_data: bool | None = Field(None, description="Answer this output as bytes after the JSON.")


class InputTensor(BaseModel):
    """A column of the rows to predict."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Name of a feature.")
    shape: list[int] = Field(description="`[n]` or `[n, 1]`, for n rows.")
    datatype: str = Field(description="`BYTES` for texts, dates and timestamps, `INT64`, `FP64`, `BOOL`, or another.")
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="The values; null is a missing one.")


class RequestedOutput(BaseModel):
    """An output that is asked for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="`prediction`, `probability`, `probabilities`, `explanation`, ...")
    parameters: OutputParameters | None = None


class ModelInferRequest(BaseModel):
    """Rows to predict, as one tensor a column."""

    model_config = request_config(
        {
            "inputs": [
                {"name": "tenure", "shape": [2], "datatype": "INT64", "data": [12, None]},
                {"name": "plan", "shape": [2], "datatype": "BYTES", "data": ["basic", "premium"]},
            ]
        }
    )

    id: str | None = Field(None, max_length=1000, description="Comes back in the answer.")
    parameters: InferParameters | None = None
    inputs: list[InputTensor] = Field(min_length=1, description="A tensor for each feature.")
    outputs: list[RequestedOutput] | None = Field(
        None, description="Those that are answered; by default `prediction`, and `probability` of classes."
    )
    model_name: str | None = Field(None, description="Need not be sent: the path names the model.")
    model_version: str | None = Field(None, description="Need not be sent: the path names the version.")


class OutputTensor(BaseModel):
    """An output of a model."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, str | bool | int | float] | None = Field(
        None, description="`classes` of `probabilities`: a JSON list of the classes, in order."
    )
    data: list[Any] | None = Field(None, description="The elements, flat and by rows; none where they are bytes.")


class ModelInferResponse(BaseModel):
    """The predictions of rows."""

    model_name: str
    model_version: str
    id: str | None = Field(None, description="That of the request, if it had one.")
    parameters: dict[str, str | bool | int | float] | None = Field(
        None, description="Of two classes `positive_class` and `threshold`, as the direct route answers them."
    )
    outputs: list[OutputTensor]


class TensorMetadata(BaseModel):
    """An input or an output of a model."""

    name: str
    datatype: str
    shape: list[int] = Field(description="-1 stands for the number of rows.")


class ModelMetadata(BaseModel):
    """What a model takes and answers."""

    name: str
    versions: list[str] = Field(description="The completed versions of the predictor.")
    platform: Literal["dataml"]
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReadiness(BaseModel):
    """A model that takes requests."""

    name: str
    ready: Literal[True]


class ServerMetadata(BaseModel):
    """The server."""

    name: Literal["dataml"]
    version: str
    extensions: list[str]


class ServerLiveness(BaseModel):
    """A server that answers."""

    live: Literal[True]


class ServerReadiness(BaseModel):
    """A server that takes requests."""

    ready: Literal[True]
