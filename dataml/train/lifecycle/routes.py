"""Routes of an existing training: show all of it, bind it to another preprocessing, delete it."""

import asyncio
from typing import Annotated

from fastapi import Path

from dataml.access.dependencies import ModelDeleter, Trainer, Viewer
from dataml.http.dependencies import AppSettings, Db, RowDependents
from dataml.http.routing import Router
from dataml.jobs.dependencies import Jobs
from dataml.storage.storage import Storage
from dataml.train import service as trainings
from dataml.train.dependencies import CachedModels
from dataml.train.lifecycle import service
from dataml.train.lifecycle.schemas import (
    TrainDetail,
    TrainingDeleted,
    UpdateAnswer,
    UpdateRequest,
    build_deleted,
    build_detail,
    build_record,
)
from dataml.train.models import Training

router = Router(prefix="/train", tags=["Train"])


@router.get("/{train_id}")
async def get_training(train_id: int, user: Viewer, database: Db) -> TrainDetail:
    """Show all about one training: the request, the metrics, and the lineage.

    The lineage has the dataset, the preprocessing, the version that it continues, the versions that continue it, the
    job, and the versions of code and libraries. Of a deleted training it is as it was then, with `deleted_at`.
    """
    async with database.reading() as session:
        deleted = await trainings.find_deleted(session, user.scope, train_id)
        if deleted is not None:
            return build_deleted(deleted)
        detail = await service.get_detail(session, user.scope, train_id)
    return build_detail(detail, user.tenant_name)


@router.post("/update")
async def update_model(request: UpdateRequest, user: Trainer, database: Db, models: CachedModels) -> UpdateAnswer:
    """Bind a model to the preprocessing of another training.

    That must have the identical feature layout: columns, types, roles, and all else that decides how a value is read.
    """
    async with database.transaction() as session:
        await service.bind(session, user.scope, request.train_id, request.preprocess_id)
    models.clear_models()
    return UpdateAnswer(data="Model updated successfully", message="Success")


@router.delete("/delete/{id}")
async def delete_training(
    train_id: Annotated[int, Path(alias="id", description="Id of the training.")],
    user: ModelDeleter,
    database: Db,
    settings: AppSettings,
    jobs: Jobs,
    dependents: RowDependents,
    models: CachedModels,
) -> TrainingDeleted:
    """Delete a version of a predictor: its model, its deployment, its feature importance and the training.

    From then on the previous version serves; without one the name is free again. Its predictions stay: the rows of the
    prediction log, and the result files of batches. So does the record of the training, with its metrics and lineage:
    `GET /train/{train_id}` shows it, and no list. Its version number is not given again.
    """
    storage = Storage.from_settings(settings)
    async with database.reading() as session:
        unhashed = await trainings.get(session, user.scope, train_id)
    sha256 = await asyncio.to_thread(service.find_bundle_hash, storage, unhashed)
    async with database.transaction() as session:
        training = await service.hold_deletable(session, user.scope, train_id)
        training.bundle_sha256 = sha256
        await dependents.release(session, user.scope, Training, train_id)
        detail = build_detail(await service.get_detail(session, user.scope, train_id), user.tenant_name)
        folders = await service.delete(session, user.scope, training, build_record(detail))
    # The files are deleted last: from the commit on no request finds the row, so none reads them.
    models.clear_models()
    await jobs.notify()
    for folder in folders:
        await storage.delete(folder)
    return TrainingDeleted(message="Training job deleted successfully")


@router.delete("/delete-feature-importance/{train_id}")
async def delete_feature_importance(
    train_id: int, user: Trainer, database: Db, settings: AppSettings
) -> TrainingDeleted:
    """Delete the feature importance of a training, unless it is being computed."""
    async with database.transaction() as session:
        folders = await service.delete_importance(session, user.scope, train_id)
    for folder in folders:
        await Storage.from_settings(settings).delete(folder)
    return TrainingDeleted(message="Feature importance results deleted successfully")
