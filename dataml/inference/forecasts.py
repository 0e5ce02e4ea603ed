"""Forecasts: the model and the datasets of a request, checked before any compute."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Principal
from dataml.contract.contract import Contract
from dataml.dataset import service as datasets
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.errors import Conflict, Invalid
from dataml.inference import service
from dataml.inference.forecast_schemas import BatchForecast, DirectForecastRequest, ForecastRequest, FutureDataset
from dataml.inference.models import PredictionLogEntry
from dataml.inference.requests import describe_forecast
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import ForecastSpec, JobKind
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.serving.model_runner import ForecastInferenceRequest, ServableModel
from dataml.train import service as trainings
from dataml.train.checks.layout import find_series_time, join_differences, list_schema_changes
from dataml.train.checks.request import ColumnRole
from dataml.train.models import Training

_FUTURE_ROLES: Final = (ColumnRole.TIME, ColumnRole.ID, ColumnRole.EXOGENOUS)


@dataclass(frozen=True)
class _ModelColumns:
    """The columns that a forecast model reads of a dataset."""

    contract: Contract
    roles: dict[str, str]

    @property
    def time(self) -> str:
        """The Time column."""
        return find_series_time(self.roles)

    def select(self, *roles: ColumnRole) -> Contract:
        """Return the columns of these roles."""
        return self.contract.select(name for name in self.contract.names if self.roles[name] in roles)


async def prepare_request(
    session: AsyncSession, user: Principal, request: ForecastRequest
) -> tuple[ServableModel, ForecastInferenceRequest]:
    """Return the model and the request to it, which has the storage names of its datasets.

    Raises:
        NotFound: `training_not_found`, `dataset_not_found`.
        Conflict: `model_not_ready`, `wrong_problem_type`, `wrong_dataset_usage`, `dataset_not_validated`,
            `schema_changed`.
        Invalid: `wrong_preprocess_id`, `unknown_frequency`, `one_or_several`.
    """
    model = await service.get_servable_model(session, user, request.train_id)
    service.check_problem_type(model.problem_type, forecast=True)
    if request.preprocess_id != model.preprocess_id:
        raise Invalid(f"preprocess_id is {model.preprocess_id} for this model.", code="wrong_preprocess_id")
    return model, await prepare_direct_request(session, user.scope, model, request)


async def prepare_direct_request(
    session: AsyncSession, scope: Scope, model: ServableModel, request: DirectForecastRequest
) -> ForecastInferenceRequest:
    """Return the request to a forecast model, which has the storage names of its datasets.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `wrong_problem_type`, `wrong_dataset_usage`, `dataset_not_validated`, `schema_changed`.
        Invalid: `unknown_frequency`, `one_or_several`.
    """
    service.check_problem_type(model.problem_type, forecast=True)
    if request.frequency is not None:
        Frequency.parse(request.frequency)
    columns = await _read_columns(session, scope, model.preprocess_id)
    rows, future = None, None
    if isinstance(request.future, FutureDataset):
        future = await _find_future(session, scope, columns, request.future.dataset_id)
    elif request.future is not None:
        rows = tuple(request.future)
    unique_ids = _requested_series(request, columns)
    observations = await _find_observations(session, scope, columns, request.dataset_id)
    return ForecastInferenceRequest(
        steps=request.steps,
        frequency=request.frequency,
        unique_ids=unique_ids,
        level=request.level,
        aggregate=request.aggregate,
        explain=request.explain,
        round=request.round,
        username=scope.username,
        future_rows=rows,
        future=future.parquet if future is not None else None,
        observations=observations.parquet if observations is not None else None,
        record=describe_forecast(
            model.preprocess_id,
            request,
            unique_ids,
            explain=request.explain,
            observations=observations,
            future=rows if future is None else future,
        ),
    )


async def start_batch(
    session: AsyncSession,
    scope: Scope,
    training: Training,
    dataset_id: int | None,
    options: BatchForecast,
    *,
    explain: bool,
    result_table: service.ResultTable | None = None,
) -> tuple[PredictionLogEntry, Job]:
    """Add a batch forecast and its job in one transaction; `training` is a completed one that is held.

    The result is a file of the dataset with the exogenous values or, without one, of the dataset that the model was
    trained on.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `wrong_problem_type`, `wrong_dataset_usage`, `dataset_not_validated`, `schema_changed`.
        Invalid: `unknown_frequency`, `bad_table_name`.
    """
    service.check_problem_type(training.problem_type, forecast=True)
    if options.frequency is not None:
        Frequency.parse(options.frequency)
    columns = await _read_columns(session, scope, training.preprocess_id)
    dataset = await _find_future(session, scope, columns, dataset_id) if dataset_id is not None else None
    observations = await _find_observations(session, scope, columns, options.observations_id)
    owner = dataset or await datasets.get(session, scope, training.dataset_id)
    record = describe_forecast(
        training.preprocess_id,
        options,
        options.unique_ids,
        explain=explain,
        observations=observations,
        future=dataset,
    )
    prediction = await service.add_batch(session, scope, training, owner, 0, record, result_table)
    spec = ForecastSpec(
        prediction_id=prediction.id,
        bundle=training.bundle or "",
        steps=options.steps,
        frequency=options.frequency,
        unique_ids=None if options.unique_ids is None else tuple(options.unique_ids),
        level=options.level,
        aggregate=options.aggregate,
        round=options.round,
        future=dataset.parquet if dataset is not None else None,
        observations=observations.parquet if observations is not None else None,
        explain=explain,
        request=prediction.request,
        lake=service.lake_target(scope, prediction, result_table),
    )
    return prediction, await jobs.enqueue(session, scope, JobKind.FORECAST, prediction.id, spec)


def _requested_series(request: DirectForecastRequest, columns: _ModelColumns) -> tuple[str, ...] | None:
    """Return the ids of the series to forecast, None for all of them.

    A model without an Id column has one series.

    Raises:
        Invalid: `one_or_several`.
    """
    several = request.unique_ids
    if several is not None and request.unique_id is not None:
        raise Invalid("Send either unique_id or unique_ids.", code="one_or_several")
    if ColumnRole.ID.value not in columns.roles.values() or several == "all":
        return None
    if several is not None:
        return tuple(dict.fromkeys(several))
    if request.unique_id is None:
        raise Invalid("unique_id names the series, unique_ids several, or all.", code="one_or_several")
    return (request.unique_id,)


async def _read_columns(session: AsyncSession, scope: Scope, preprocess_id: int) -> _ModelColumns:
    preprocessing = await trainings.get_preprocessing(session, scope, preprocess_id)
    return _ModelColumns(preprocessing.parse_contract(), dict(preprocessing.roles))


async def _find_future(session: AsyncSession, scope: Scope, columns: _ModelColumns, dataset_id: int) -> Dataset:
    """Return the dataset with the exogenous values of the steps."""
    dataset = await datasets.get_valid(session, scope, dataset_id, "p")
    _check_columns(dataset, columns.select(*_FUTURE_ROLES), columns.time)
    return dataset


async def _find_observations(
    session: AsyncSession, scope: Scope, columns: _ModelColumns, dataset_id: int | None
) -> Dataset | None:
    """Return the dataset, of either usage, with the values observed since the training."""
    if dataset_id is None:
        return None
    dataset = await datasets.get(session, scope, dataset_id)
    if dataset.state != "valid":
        raise datasets.not_validated(dataset)
    needed = columns.select(*(role for role in ColumnRole if role != ColumnRole.IGNORE))
    _check_columns(dataset, needed, columns.time)
    return dataset


def _check_columns(dataset: Dataset, needed: Contract, time: str) -> None:
    """Check that the rows of a valid dataset have these columns.

    Raises:
        Conflict: `schema_changed`.
    """
    contract, _ = dataset.validated()
    if changes := list_schema_changes(needed, contract, time):
        raise Conflict(
            f"The dataset does not have the model's columns: {join_differences(changes)}.", code="schema_changed"
        )
