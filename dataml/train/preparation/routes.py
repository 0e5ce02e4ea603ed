"""Routes that prepare a training: they suggest how to train, and check a request without starting it."""

import asyncio
from typing import Annotated, get_args

from fastapi import Query

from dataml.access.dependencies import Trainer, Viewer
from dataml.contract.warnings import warnings_from_json
from dataml.dataset import service as datasets
from dataml.errors import NotFound
from dataml.http.dependencies import AppSettings, Db
from dataml.http.routing import Router
from dataml.http.warnings import list_warnings
from dataml.jobs.spec import JobKind
from dataml.jobs.time_limits import effective_time_limit_s
from dataml.storage.damage import translate_read_errors
from dataml.storage.storage import Storage
from dataml.train import service
from dataml.train.checks.request import (
    TUNING_METRICS,
    ProblemType,
    list_algorithms,
    list_roles,
)
from dataml.train.preparation.schemas import ProblemTypeOptions, SuggestedColumn, TrainChecked, TrainSuggestion
from dataml.train.preparation.suggestion import Suggestion, suggest
from dataml.train.schemas import TrainRequest

router = Router(prefix="/train", tags=["Train"])


@router.get("/suggestion")
async def suggest_training(
    dataset_id: Annotated[int, Query(description="A valid dataset of usage `t`.")],
    target: Annotated[str, Query(description="The column to predict.", max_length=1000)],
    user: Viewer,
    database: Db,
    settings: AppSettings,
) -> TrainSuggestion:
    """Suggest the problem type and the roles of the columns, by the first rows of a dataset, with the reasons.

    The answer also has what can be chosen instead: roles, algorithms and metrics by problem type.
    """
    async with database.reading() as session:
        dataset = await datasets.get_valid(session, user.scope, dataset_id, "t")
    contract, parquet = dataset.validated()
    storage = Storage.from_settings(settings)

    def look() -> Suggestion:
        with translate_read_errors():
            return suggest(storage.fetch(parquet), contract, target)

    suggestion = await asyncio.to_thread(look)
    return TrainSuggestion(
        dataset_id=dataset_id,
        target=target,
        problem_type=suggestion.problem_type,
        reason=suggestion.reason,
        classes=list(suggestion.classes) if suggestion.classes is not None else None,
        frequency=suggestion.frequency.name if suggestion.frequency is not None else None,
        horizon=suggestion.frequency.default_horizon if suggestion.frequency is not None else None,
        columns=[
            SuggestedColumn(
                column_name=column.name,
                data_type=column.data_type,
                attribute_name=suggestion.roles[column.name].role,
                reason=suggestion.roles[column.name].reason,
            )
            for column in contract.columns
        ],
        options=[_list_options(problem_type) for problem_type in get_args(ProblemType)],
        time_limit_s=effective_time_limit_s(settings, JobKind.TRAIN, None),
    )


@router.post("/check")
async def check_training(request: TrainRequest, user: Trainer, database: Db, settings: AppSettings) -> TrainChecked:
    """Check a training as `POST /train` does, and start nothing.

    What `POST /train` would refuse is refused with the same code. The file with the rows is read, but not compared with
    its hash.
    """
    try:
        plan = await service.check(database, settings, user.scope, request)
    except NotFound as error:
        raise await service.suggest_predictor(database, user, error, request.predictor_name) from None
    spec = plan.spec
    return TrainChecked(
        dataset_id=plan.dataset.id,
        predictor_name=request.predictor_name,
        version=plan.version,
        problem_type=spec.problem_type,
        target=spec.target,
        roles=spec.roles,
        algorithm=spec.algorithm,
        parent_id=plan.parent.training.id if plan.parent is not None else None,
        time_limit_s=effective_time_limit_s(settings, JobKind.TRAIN, request.time_limit_s),
        warnings=list_warnings((*spec.dataset_warnings, *warnings_from_json(plan.dataset.warnings))),
    )


def _list_options(problem_type: ProblemType) -> ProblemTypeOptions:
    return ProblemTypeOptions(
        problem_type=problem_type,
        attributes=[role.value for role in list_roles(problem_type)],
        algorithms=list(list_algorithms(problem_type)),
        tuning_metrics=list(TUNING_METRICS[problem_type]),
    )
