"""The Open Inference Protocol on the models of the platform, for HTTP and for gRPC."""

import re
from collections.abc import Awaitable, Hashable
from typing import Any, Final, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from dataml import __version__
from dataml.access.service import Principal
from dataml.contract.types import DataType
from dataml.db.session import Database
from dataml.errors import DatamlError, NotFound
from dataml.inference import service
from dataml.inference.open_inference import codec
from dataml.inference.open_inference.schemas import ModelMetadata, ServerMetadata, TensorMetadata
from dataml.inference.open_inference.tensors import FP64, datatype_of_column
from dataml.inference.realtime import LookUp
from dataml.serving.model_runner import InferenceClient, ServableModel
from dataml.train import service as trainings
from dataml.train.models import Training

SERVER_METADATA: Final = ServerMetadata(name="dataml", version=__version__, extensions=["binary_tensor_data"])
PLATFORM: Final = "dataml"
_VERSION: Final = re.compile(r"v?([1-9][0-9]{0,8})", re.ASCII)


class ModelCache(Protocol):
    """The cached callers and models of the real-time routes; `RealTimeApp` is it."""

    def authenticate(self, authorization: str | None) -> Awaitable[Principal]:
        """Return the caller, who may predict."""
        ...

    def get_model(self, key: Hashable, look_up: LookUp) -> Awaitable[ServableModel]:
        """Return a model, by a key that says whose it is."""
        ...


class OpenInferenceService:
    """The calls of the protocol. `version` is empty for the promoted version of a predictor."""

    def __init__(self, database: Database, models: ModelCache, inference_client: InferenceClient) -> None:
        self._database = database
        self._models = models
        self._inference_client = inference_client

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller, by the text of an `Authorization` header.

        Raises:
            Unauthorized: there is no valid token.
            Forbidden: `missing_permission`.
        """
        return await self._models.authenticate(authorization)

    async def infer(
        self, principal: Principal, predictor: str, version: str, call: codec.InferCall
    ) -> tuple[ServableModel, codec.InferResult]:
        """Return the model that predicted, and its outputs.

        Raises:
            NotFound: `predictor_not_found`, `version_not_found`.
            Conflict: `model_not_ready`, or `wrong_problem_type` for a Forecast.
            DatamlError: whatever is wrong with the rows, or the model is away.
        """
        model = await self._get_model(principal, predictor, version)
        service.check_problem_type(model.problem_type, forecast=False)
        request = codec.build_request(call, model, principal.username)
        response = await self._inference_client.predict(model, request)
        if isinstance(response, DatamlError):
            raise codec.describe_error(response)
        return model, codec.read_response(call, model, response)

    async def check_ready(self, principal: Principal, predictor: str, version: str) -> None:
        """Return when a model takes requests.

        Raises:
            NotFound: `predictor_not_found`, `version_not_found`.
            Conflict: `model_not_ready`.
        """
        await self._get_model(principal, predictor, version)

    async def describe(self, principal: Principal, predictor: str, version: str) -> ModelMetadata:
        """Return the inputs and outputs of a model.

        Raises:
            NotFound: `predictor_not_found`, `version_not_found`.
            Conflict: `model_not_ready`.
        """
        model = await self._get_model(principal, predictor, version)
        async with self._database.reading() as session:
            training, columns = await service.get_form(session, principal.scope, model.train_id)
            preprocessing = await trainings.get_preprocessing(session, principal.scope, training.preprocess_id)
            versions = await trainings.list_completed_versions(session, principal.scope, training.predictor_name)
        target = preprocessing.parse_contract().column(training.target).data_type
        return ModelMetadata(
            name=model.url_name,
            versions=[str(number) for number in versions],
            platform=PLATFORM,
            inputs=[_describe(column.name, datatype_of_column(column.data_type)) for column in columns],
            outputs=_describe_outputs(training, target),
        )

    async def _get_model(self, principal: Principal, predictor: str, version: str) -> ServableModel:
        async def look_up(session: AsyncSession) -> ServableModel:
            return await find_model(session, principal, predictor, version)

        try:
            return await self._models.get_model((principal.tenant_id, PLATFORM, predictor, version), look_up)
        except NotFound as error:
            raise await trainings.suggest_predictor(self._database, principal, error, predictor, in_url=True) from None


async def find_model(session: AsyncSession, principal: Principal, predictor: str, version: str) -> ServableModel:
    """Return the model of a predictor of the caller's tenant: its promoted version, or the one that is named.

    Args:
        session: a session of the database.
        principal: the caller.
        predictor: its name, or the one that it has in URLs.
        version: `3` or `v3`; empty for the promoted version.

    Raises:
        NotFound: `predictor_not_found`, `version_not_found`.
        Conflict: `model_not_ready`.
    """
    if not version:
        return await service.get_servable_model_by_name(session, principal, principal.tenant_name, predictor)
    match = _VERSION.fullmatch(version)
    if match is None or "\0" in predictor:
        raise NotFound("There is no such version of a predictor of this name.", code="version_not_found")
    training = await trainings.get_version(session, principal.scope, predictor, int(match[1]))
    return service.to_servable_model(training, principal.tenant_name)


def _describe(name: str, datatype: str, *more: int) -> TensorMetadata:
    return TensorMetadata(name=name, datatype=datatype, shape=[-1, *more])


def _describe_outputs(training: Training, target: DataType) -> list[TensorMetadata]:
    if training.problem_type == "Forecast":
        return []
    summary: dict[str, Any] = training.summary or {}
    of_model = {name: _describe(name, datatype) for name, datatype in codec.OF_EVERY_MODEL.items()}
    if training.problem_type != "Classification":
        return [_describe(codec.PREDICTION, FP64), *of_model.values()]
    return [
        _describe(codec.PREDICTION, datatype_of_column(target)),
        _describe(codec.PROBABILITY, FP64),
        _describe(codec.PROBABILITIES, FP64, len(summary.get("classes") or ()) or -1),
        *of_model.values(),
    ]
