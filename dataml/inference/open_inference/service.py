"""The Open Inference Protocol on the models of the platform, for HTTP and for gRPC."""

from typing import Any, Final

from dataml import __version__
from dataml.access.service import Principal
from dataml.contract.types import DataType
from dataml.db.session import Database
from dataml.errors import DatamlError
from dataml.inference import service
from dataml.inference.addresses import Address, Target
from dataml.inference.open_inference import codec
from dataml.inference.open_inference.schemas import ModelMetadata, ServerMetadata, TensorMetadata
from dataml.inference.open_inference.tensors import FP64, datatype_of_column
from dataml.inference.realtime import RealTimeApp
from dataml.serving.model_runner import ServableModel
from dataml.train import service as trainings
from dataml.train.models import Training

SERVER_METADATA: Final = ServerMetadata(name="dataml", version=__version__, extensions=["binary_tensor_data"])
PLATFORM: Final = "dataml"


class OpenInferenceService:
    """The calls of the protocol.

    `version` is the number of a version or an alias; empty for what answers by default. Callers, models and traffic are
    those of the direct routes.
    """

    def __init__(self, database: Database, realtime: RealTimeApp) -> None:
        self._database = database
        self._realtime = realtime

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller, by the text of an `Authorization` header.

        Raises:
            Unauthorized: there is no valid token.
            Forbidden: `missing_permission`.
        """
        return await self._realtime.authenticate(authorization)

    async def infer(
        self,
        principal: Principal,
        predictor: str,
        version: str,
        call: codec.InferCall,
        routing_key: str | None = None,
    ) -> tuple[ServableModel, codec.InferResult]:
        """Return the model that predicted, and its outputs.

        Raises:
            NotFound: `predictor_not_found`, `version_not_found`, `alias_not_found`.
            Conflict: `model_not_ready`, or `wrong_problem_type` for a Forecast.
            DatamlError: whatever is wrong with the rows, or the model is away.
        """
        target = await self._resolve(principal, predictor, version)
        model = target.choose(routing_key)
        service.check_problem_type(model.problem_type, forecast=False)
        request = codec.build_request(call, model, principal.username)
        response = await self._realtime.predict(target, model, request)
        if isinstance(response, DatamlError):
            raise codec.describe_error(response)
        return model, codec.read_response(call, model, response)

    async def check_ready(self, principal: Principal, predictor: str, version: str) -> None:
        """Return when a model takes requests.

        Raises:
            NotFound: `predictor_not_found`, `version_not_found`, `alias_not_found`.
            Conflict: `model_not_ready`.
        """
        await self._resolve(principal, predictor, version)

    async def describe(self, principal: Principal, predictor: str, version: str) -> ModelMetadata:
        """Return the inputs and outputs of a model.

        Raises:
            NotFound: `predictor_not_found`, `version_not_found`, `alias_not_found`.
            Conflict: `model_not_ready`.
        """
        model = (await self._resolve(principal, predictor, version)).choose(None)
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

    async def _resolve(self, principal: Principal, predictor: str, version: str) -> Target:
        return await self._realtime.resolve(principal, Address(principal.tenant_name, predictor, version or None))


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
