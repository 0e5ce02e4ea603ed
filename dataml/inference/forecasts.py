"""Forecasts: the model and the datasets of a request, checked before any compute."""

import asyncio
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.service import Principal
from dataml.contract.adaptation import list_foreign_types
from dataml.contract.contract import Contract
from dataml.dataset import service as datasets
from dataml.dataset import source_rows
from dataml.dataset.models import Dataset
from dataml.db.scope import Scope
from dataml.errors import Conflict, Invalid
from dataml.inference import service
from dataml.inference.forecast_schemas import BatchForecast, DirectForecastRequest, ForecastRequest, FutureDataset
from dataml.inference.models import PredictionLogEntry
from dataml.inference.requests import describe_forecast
from dataml.jobs import service as jobs
from dataml.jobs.models import Job
from dataml.jobs.spec import DatasetInput, DatasetRows, ForecastInputs, ForecastSpec, JobKind
from dataml.jobs.time_limits import check_time_limit
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.serving.model_runner import ForecastInferenceRequest, ServableModel
from dataml.settings import Settings
from dataml.storage.storage import Storage
from dataml.train import service as trainings
from dataml.train.checks.layout import join_differences
from dataml.train.checks.request import ColumnRole
from dataml.train.models import Training

_FUTURE_ROLES: Final = (ColumnRole.TIME, ColumnRole.ID, ColumnRole.EXOGENOUS)


@dataclass(frozen=True)
class _ModelColumns:
    """The columns that a forecast model reads of a dataset."""

    contract: Contract
    roles: dict[str, str]

    @property
    def observed(self) -> Contract:
        """The columns of an observation."""
        return self._select(*(role for role in ColumnRole if role != ColumnRole.IGNORE))

    @property
    def future(self) -> Contract:
        """The columns of a row about the future."""
        return self._select(*_FUTURE_ROLES)

    @property
    def target(self) -> Contract:
        """The target alone."""
        return self._select(ColumnRole.TARGET)

    @property
    def has_exogenous(self) -> bool:
        """Whether the model reads values of the future."""
        return ColumnRole.EXOGENOUS.value in self.roles.values()

    def _select(self, *roles: ColumnRole) -> Contract:
        return self.contract.select(name for name in self.contract.names if self.roles[name] in roles)


@dataclass(frozen=True)
class _FoundDataset:
    """A dataset that a forecast reads, and its rows."""

    dataset: Dataset
    rows: DatasetInput


class _DatasetReader:
    """Finds the datasets of a forecast, and checks that they have the columns of the model."""

    def __init__(self, session: AsyncSession, scope: Scope, settings: Settings, columns: _ModelColumns) -> None:
        self._session = session
        self._scope = scope
        self._storage = Storage.from_settings(settings)
        self._columns = columns

    async def find(self, dataset_id: int) -> _FoundDataset:
        """Return a dataset of observations, of values of the future, or of both.

        Raises:
            NotFound: `dataset_not_found`.
            Conflict: `dataset_not_validated`, `schema_changed`.
            Invalid: `nothing_to_use`: it has no target, and the model reads no exogenous column.
        """
        found = await self._get(dataset_id)
        if not await self._list_missing(found.rows.rows, self._columns.target):
            return await self._check(found, self._columns.observed)
        if not self._columns.has_exogenous:
            target = self._columns.target.names[0]
            detail = (
                f"The dataset has no column {target!r}, so that it holds no observations, and the model reads no "
                "exogenous values; leave dataset_id out."
            )
            raise Invalid(detail, code="nothing_to_use")
        return await self._check(found, self._columns.future)

    async def find_observations(self, dataset_id: int) -> _FoundDataset:
        """Return a dataset of values observed since the training. Raises as `find`."""
        found = await self._get(dataset_id)
        return await self._check(found, self._columns.observed)

    async def find_future(self, dataset_id: int) -> _FoundDataset:
        """Return a dataset of usage `p` with exogenous values of the steps.

        Raises:
            NotFound: `dataset_not_found`.
            Conflict: `wrong_dataset_usage`, `dataset_not_validated`, `schema_changed`.
        """
        dataset = await datasets.get_valid(self._session, self._scope, dataset_id, "p")
        return await self._check(await self._with_rows(dataset), self._columns.future)

    async def _get(self, dataset_id: int) -> _FoundDataset:
        dataset = await datasets.get(self._session, self._scope, dataset_id)
        if dataset.state != "valid":
            raise datasets.not_validated(dataset)
        return await self._with_rows(dataset)

    async def _with_rows(self, dataset: Dataset) -> _FoundDataset:
        rows = await source_rows.get_rows(self._session, self._scope, dataset)
        return _FoundDataset(dataset, DatasetInput(dataset.validated()[1], rows))

    async def _check(self, found: _FoundDataset, needed: Contract) -> _FoundDataset:
        changes = [f"{name!r} is missing" for name in await self._list_missing(found.rows.rows, needed)]
        changes += list_foreign_types(needed, found.rows.rows.contract)
        if changes:
            detail = f"The dataset does not have the model's columns: {join_differences(changes)}."
            raise Conflict(detail, code="schema_changed")
        return found

    async def _list_missing(self, rows: DatasetRows, needed: Contract) -> list[str]:
        return await asyncio.to_thread(source_rows.list_missing, self._storage, rows, needed)


async def prepare_request(
    session: AsyncSession, settings: Settings, user: Principal, request: ForecastRequest
) -> tuple[ServableModel, ForecastInferenceRequest]:
    """Return the model and the request to it, which has the rows of its datasets.

    Raises:
        NotFound: `training_not_found`, `dataset_not_found`.
        Conflict: `model_not_ready`, `wrong_problem_type`, `wrong_dataset_usage`, `dataset_not_validated`,
            `schema_changed`.
        Invalid: `wrong_preprocess_id`, `unknown_frequency`, `one_or_several`, `nothing_to_use`.
    """
    model = await service.get_servable_model(session, user, request.train_id)
    service.check_problem_type(model.problem_type, forecast=True)
    if request.preprocess_id not in (None, model.preprocess_id):
        raise Invalid(f"preprocess_id is {model.preprocess_id} for this model.", code="wrong_preprocess_id")
    return model, await prepare_direct_request(session, settings, user.scope, model, request)


async def prepare_direct_request(
    session: AsyncSession, settings: Settings, scope: Scope, model: ServableModel, request: DirectForecastRequest
) -> ForecastInferenceRequest:
    """Return the request to a forecast model, which has the rows of its datasets.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `wrong_problem_type`, `wrong_dataset_usage`, `dataset_not_validated`, `schema_changed`.
        Invalid: `unknown_frequency`, `one_or_several`, `nothing_to_use`.
    """
    service.check_problem_type(model.problem_type, forecast=True)
    if request.frequency is not None:
        Frequency.parse(request.frequency)
    columns = await _read_columns(session, scope, model.preprocess_id)
    reader = _DatasetReader(session, scope, settings, columns)
    rows, future = None, None
    if isinstance(request.future, FutureDataset):
        future = await reader.find_future(request.future.dataset_id)
    elif request.future is not None:
        rows = tuple(request.future)
    dataset = None if request.dataset_id is None else await reader.find(request.dataset_id)
    unique_ids = _requested_series(request, columns)
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
        inputs=ForecastInputs(_rows_of(dataset), future=_rows_of(future), revised=request.revised),
        record=describe_forecast(
            model.preprocess_id,
            request,
            unique_ids,
            explain=request.explain,
            dataset=_dataset_of(dataset),
            future=rows if future is None else future.dataset,
        ),
    )


async def start_batch(
    session: AsyncSession,
    settings: Settings,
    scope: Scope,
    training: Training,
    dataset_id: int | None,
    options: BatchForecast,
    *,
    explain: bool,
    result_table: service.ResultTable | None = None,
    time_limit_s: int | None = None,
) -> tuple[PredictionLogEntry, Job]:
    """Add a batch forecast and its job in one transaction; `training` is a completed one that is held.

    The result is a file of the dataset of the batch or, without one, of the dataset that the model was trained on.

    Raises:
        NotFound: `dataset_not_found`.
        Conflict: `wrong_problem_type`, `wrong_dataset_usage`, `dataset_not_validated`, `schema_changed`.
        Invalid: `unknown_frequency`, `bad_table_name`, `nothing_to_use`, `missing_future`: the model reads exogenous
            values, and no dataset has any; `time_limit_too_long`.
    """
    service.check_problem_type(training.problem_type, forecast=True)
    check_time_limit(settings, JobKind.FORECAST, time_limit_s)
    if options.frequency is not None:
        Frequency.parse(options.frequency)
    columns = await _read_columns(session, scope, training.preprocess_id)
    reader = _DatasetReader(session, scope, settings, columns)
    _refuse_missing_future(training, dataset_id, options)
    dataset = None if dataset_id is None else await reader.find(dataset_id)
    observations, future = None, None
    if options.observations_id is not None:
        observations = await reader.find_observations(options.observations_id)
    if options.future_id is not None:
        future = await reader.find_future(options.future_id)
    owner = await datasets.get(session, scope, training.dataset_id) if dataset is None else dataset.dataset
    record = describe_forecast(
        training.preprocess_id,
        options,
        options.unique_ids,
        explain=explain,
        dataset=_dataset_of(dataset),
        observations=_dataset_of(observations),
        future=_dataset_of(future),
    )
    prediction = await service.add_batch(session, scope, training, owner, 0, record, result_table)
    inputs = ForecastInputs(_rows_of(dataset), _rows_of(observations), _rows_of(future), options.revised)
    spec = ForecastSpec(
        prediction_id=prediction.id,
        bundle=training.bundle or "",
        steps=options.steps,
        frequency=options.frequency,
        unique_ids=None if options.unique_ids is None else tuple(options.unique_ids),
        level=options.level,
        aggregate=options.aggregate,
        round=options.round,
        inputs=inputs,
        explain=explain,
        request=prediction.request,
        lake=service.lake_target(scope, prediction, result_table),
    )
    return prediction, await jobs.enqueue(
        session, scope, JobKind.FORECAST, prediction.id, spec, time_limit_s=time_limit_s
    )


def _refuse_missing_future(training: Training, dataset_id: int | None, options: BatchForecast) -> None:
    """Refuse a batch without any values of the future for a model that reads them.

    Raises:
        Invalid: `missing_future`.
    """
    is_needed = ((training.summary or {}).get("forecast") or {}).get("needs_future", False)
    if is_needed and dataset_id is None and options.future_id is None:
        detail = "The model reads exogenous values of the steps; send a dataset that has them as dataset_id."
        raise Invalid(detail, code="missing_future")


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


def _rows_of(found: _FoundDataset | None) -> DatasetInput | None:
    return None if found is None else found.rows


def _dataset_of(found: _FoundDataset | None) -> Dataset | None:
    return None if found is None else found.dataset
