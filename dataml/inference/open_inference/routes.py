"""The routes of the Open Inference Protocol; `app.OpenInferenceApp` serves those of inference."""

from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request, Response

from dataml.access.dependencies import OPEN, Caller, PredictionUser
from dataml.http.open_inference import PREFIX
from dataml.http.openapi import BINARY
from dataml.http.routing import Router
from dataml.inference.open_inference.http_messages import OCTETS
from dataml.inference.open_inference.schemas import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadata,
    ModelReadiness,
    ServerLiveness,
    ServerMetadata,
    ServerReadiness,
)
from dataml.inference.open_inference.service import SERVER_METADATA, OpenInferenceService
from dataml.inference.routes import NOT_ROUTED, request_body

_WITH_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {OCTETS: BINARY},
        "description": "The outputs; where some are asked for as bytes, these follow the JSON.",
    }
}
router = Router(prefix=PREFIX, tags=["Open inference"])


async def _calls(request: Request) -> OpenInferenceService:
    return request.app.state.open_inference


Calls = Annotated[OpenInferenceService, Depends(_calls)]
PredictorName = Annotated[str, Path(description="A predictor, as its `url_name`.")]
Version = Annotated[str, Path(description="A version of it, such as `3` or `v3`, or an alias.")]


@router.get("")
async def get_server_metadata(user: Caller) -> ServerMetadata:
    """Show the server's name, its version, and the extensions of the protocol that it has."""
    return SERVER_METADATA


@router.get("/health/live", dependencies=[OPEN])
async def check_live() -> ServerLiveness:
    """Answer 200 as soon as the server can answer."""
    return ServerLiveness(live=True)


@router.get("/health/ready", dependencies=[OPEN])
async def check_ready() -> ServerReadiness:
    """Answer 200 as soon as the server takes requests."""
    return ServerReadiness(ready=True)


@router.get("/models/{predictor_name}")
async def get_model_metadata(user: PredictionUser, predictor_name: PredictorName, calls: Calls) -> ModelMetadata:
    """Show the inputs and outputs of a predictor's promoted version."""
    return await calls.describe(user, predictor_name, "")


@router.get("/models/{predictor_name}/versions/{version}")
async def get_model_version_metadata(
    user: PredictionUser, predictor_name: PredictorName, version: Version, calls: Calls
) -> ModelMetadata:
    """Show the inputs and outputs of one version of a predictor."""
    return await calls.describe(user, predictor_name, version)


@router.get("/models/{predictor_name}/ready")
async def check_model_ready(user: PredictionUser, predictor_name: PredictorName, calls: Calls) -> ModelReadiness:
    """Answer 200 when a predictor takes requests."""
    await calls.check_ready(user, predictor_name, "")
    return ModelReadiness(name=predictor_name, ready=True)


@router.get("/models/{predictor_name}/versions/{version}/ready")
async def check_model_version_ready(
    user: PredictionUser, predictor_name: PredictorName, version: Version, calls: Calls
) -> ModelReadiness:
    """Answer 200 when one version of a predictor takes requests."""
    await calls.check_ready(user, predictor_name, version)
    return ModelReadiness(name=predictor_name, ready=True)


@router.post(
    "/models/{predictor_name}/infer",
    response_model=ModelInferResponse,
    responses=_WITH_BYTES,
    openapi_extra=request_body(ModelInferRequest),
)
async def infer(user: PredictionUser, predictor_name: PredictorName) -> Response:
    """Predict rows with a predictor's promoted version.

    The body is JSON, or JSON and bytes as the header `Inference-Header-Content-Length` says.
    """
    raise NOT_ROUTED


@router.post(
    "/models/{predictor_name}/versions/{version}/infer",
    response_model=ModelInferResponse,
    responses=_WITH_BYTES,
    openapi_extra=request_body(ModelInferRequest),
)
async def infer_with_version(user: PredictionUser, predictor_name: PredictorName, version: Version) -> Response:
    """Predict rows with one version of a predictor, as `POST /v2/models/{predictor_name}/infer` does."""
    raise NOT_ROUTED
