"""What an unmodified tritonclient does, in a Python of its own: reads a request as JSON, prints what came as JSON.

The request has `protocol` (http or grpc), `url`, `token` (null for none), and `calls`: each a list of the name of a
function below and its arguments. Printed is a list with the result of each call, or the message of its error.
"""

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

TYPES = {"INT64": np.int64, "INT32": np.int32, "FP64": np.float64, "FP32": np.float32, "BOOL": np.bool_}


class Caller:
    """A client of one of the two protocols."""

    def __init__(self, protocol: str, url: str, token: str | None) -> None:
        self._module = tritonclient.http if protocol == "http" else tritonclient.grpc
        self._client = self._module.InferenceServerClient(url)
        name = "Authorization" if protocol == "http" else "authorization"
        self._headers = {} if token is None else {name: f"Bearer {token}"}
        self._is_http = protocol == "http"

    def is_live(self) -> bool:
        return self._client.is_server_live()

    def is_ready(self) -> bool:
        return self._client.is_server_ready()

    def server(self) -> Any:
        return self._metadata(self._client.get_server_metadata(headers=self._headers, **self._as_json()))

    def is_model_ready(self, model: str, version: str = "") -> bool:
        return self._client.is_model_ready(model, version, headers=self._headers)

    def model(self, model: str, version: str = "") -> Any:
        answer = self._client.get_model_metadata(model, version, headers=self._headers, **self._as_json())
        return self._metadata(answer)

    def infer(
        self,
        model: str,
        columns: dict[str, list[Any]],
        version: str = "",
        outputs: list[str] | None = None,
        parameters: dict[str, Any] | None = None,
        is_binary: bool = True,
        compression: str | None = None,
        request_id: str = "",
    ) -> Any:
        """`columns` are a datatype and the values; a missing number is null, a missing text is empty."""
        binary = {"binary_data": is_binary} if self._is_http else {}
        inputs = []
        for name, (datatype, values) in columns.items():
            array = np.array(values, np.object_ if datatype == "BYTES" else TYPES[datatype])
            assert np_to_triton_dtype(array.dtype) == datatype
            tensor = self._module.InferInput(name, list(array.shape), datatype)
            inputs.append(tensor.set_data_from_numpy(array, **binary))
        result = self._client.infer(
            model,
            inputs,
            model_version=version,
            outputs=None if outputs is None else [self._module.InferRequestedOutput(o, **binary) for o in outputs],
            headers=dict(self._headers),  # the client adds headers of its own to it
            request_id=request_id,
            parameters=parameters,
            **({"request_compression_algorithm": compression} if self._is_http and compression else {}),
            **({"compression_algorithm": compression} if not self._is_http and compression else {}),
        )
        response = result.get_response()
        if not self._is_http:
            names = [output.name for output in response.outputs]
            head = {"model_name": response.model_name, "model_version": response.model_version, "id": response.id}
        else:
            names = [output["name"] for output in response["outputs"]]
            head = {"model_name": response["model_name"], "model_version": response["model_version"]}
            head["id"] = response.get("id", "")
        arrays = {name: result.as_numpy(name) for name in names}
        return head | {"outputs": {name: _texts(array.tolist()) for name, array in arrays.items()}}

    def _as_json(self) -> dict[str, Any]:
        return {} if self._is_http else {"as_json": True}

    def _metadata(self, answer: Any) -> Any:
        # The JSON of gRPC writes 64-bit numbers as text.
        for side in ("inputs", "outputs"):
            for tensor in answer.get(side, ()):
                tensor["shape"] = [int(length) for length in tensor["shape"]]
        return answer


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def main() -> None:
    request = json.load(sys.stdin)
    caller = Caller(request["protocol"], request["url"], request["token"])
    results = []
    for name, *arguments in request["calls"]:
        # Only the third argument of `infer` has names.
        options = arguments.pop() if name == "infer" and len(arguments) > 2 else {}
        try:
            results.append({"result": getattr(caller, name)(*arguments, **options)})
        except InferenceServerException as error:
            results.append({"error": error.message(), "status": error.status()})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
