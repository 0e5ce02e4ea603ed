"""Routes of the decision threshold that is kept with a model."""

import asyncio

from dataml.access.dependencies import Trainer
from dataml.access.service import Principal
from dataml.db.session import Database
from dataml.errors import Invalid
from dataml.http.answers import build_answer
from dataml.http.dependencies import AppSettings, Db
from dataml.http.routing import Router
from dataml.storage.storage import Storage
from dataml.train import reports
from dataml.train.dependencies import CachedModels, ModelLookupCache
from dataml.train.models import Training
from dataml.train.schemas import positive_label
from dataml.train.threshold import service
from dataml.train.threshold.schemas import ThresholdAnswer, ThresholdRequest

router = Router(prefix="/train", tags=["Train"])


@router.put("/{train_id}/threshold")
async def set_threshold(
    train_id: int,
    request: ThresholdRequest,
    user: Trainer,
    database: Db,
    settings: AppSettings,
    models: CachedModels,
) -> ThresholdAnswer:
    """Keep a decision threshold with a model of two classes.

    From then on it decides predictions that bring no threshold of their own, after a second at most. Batches that
    have started keep theirs. Other versions of the predictor have their own threshold.
    """
    if len(request.model_fields_set) != 1:
        raise Invalid("Send either threshold or criterion.", code="threshold_or_criterion")
    threshold, criterion = request.threshold, request.criterion
    if criterion is None or criterion == service.DEFAULT:
        return await _keep(database, user, models, train_id, threshold, None)
    async with database.reading() as session:
        training = await service.get_two_class_training(session, user.scope, train_id)
    report = await asyncio.to_thread(reports.read_report, Storage.from_settings(settings), training)
    best = service.find_best_threshold(report.report, criterion)
    return await _keep(database, user, models, train_id, best, criterion)


@router.delete("/{train_id}/threshold")
async def reset_threshold(train_id: int, user: Trainer, database: Db, models: CachedModels) -> ThresholdAnswer:
    """Put the default threshold of a model back: it predicts the more probable class."""
    return await _keep(database, user, models, train_id, None, None)


async def _keep(
    database: Database,
    user: Principal,
    models: ModelLookupCache,
    train_id: int,
    threshold: float | None,
    criterion: service.BestBy | None,
) -> ThresholdAnswer:
    async with database.transaction() as session:
        training = await service.set_threshold(session, user.scope, train_id, threshold, criterion)
    models.clear_models()
    return _build_answer(training)


def _build_answer(training: Training) -> ThresholdAnswer:
    threshold = service.choose_threshold(training)
    assert threshold is not None
    return build_answer(
        ThresholdAnswer,
        training,
        train_id=training.id,
        threshold=threshold.value,
        threshold_source=threshold.source,
        positive_class=positive_label(training),
    )
