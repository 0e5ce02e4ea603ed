"""What the Open Inference Protocol has of its own on the wire: the paths, and the body of an error."""

from typing import Final

from pydantic import BaseModel, Field

from dataml.errors import DatamlError
from dataml.http.strict_json import dump_json

PREFIX: Final = "/v2"
"""The start of its paths, which no version of the API changes."""


class OpenInferenceError(BaseModel):
    """A refused call of the Open Inference Protocol."""

    error: str = Field(description="What is wrong and what to do, as a sentence.")
    code: str = Field(description="Stable code of the error, for programs.", examples=["predictor_not_found"])
    request_id: str = Field(description="The id of the request, as in the header `X-Request-ID` and in the logs.")


def is_open_inference(path: str) -> bool:
    """Return whether a path is one of the protocol."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def open_inference_error_body(error: DatamlError, request_id: str) -> bytes:
    """Return an error as the protocol has it, with a code and the id of the request."""
    return dump_json({"error": error.detail, "code": error.code, "request_id": request_id})
