"""Calls on a training that is there already: look at all of it, bind it to another preprocessing, delete it."""

from typing import Annotated

from fastapi import Path

from dataml.access.dependencies import ModelDeleter, Trainer, Viewer
from dataml.http.dependencies import AppSettings, Db, RowDependents
from dataml.http.routing import Router
from dataml.jobs.dependencies import Jobs
from dataml.storage.storage import Storage
from dataml.train.dependencies import RememberedModels
from dataml.train.lifecycle import service
from dataml.train.lifecycle.schemas import TrainDetail, TrainingDeleted, UpdateAnswer, UpdateRequest, build_detail
from dataml.train.models import Training

router = Router(prefix="/train", tags=["Train"])


@router.get("/{train_id}")
async def get_training(train_id: int, user: Viewer, database: Db) -> TrainDetail:
    """All about one training: what was asked for, how it scored, and its lineage: dataset, preprocessing, the version
    it continues and those that continue it, job, and versions of code and libraries."""
    async with database.reading() as session:
        detail = await service.get_detail(session, user.scope, train_id)
    return build_detail(detail, user.tenant_name)


@router.post("/update")
async def update_model(request: UpdateRequest, user: Trainer, database: Db, models: RememberedModels) -> UpdateAnswer:
    """Bind a model to the preprocessing of another training, which has to have the identical feature layout: columns,
    types, roles, and what else decides how a value is read."""
    async with database.transaction() as session:
        await service.bind(session, user.scope, request.train_id, request.preprocess_id)
    models.forget()
    return UpdateAnswer(data="Model updated successfully", message="Success")


@router.delete("/delete/{id}")
async def delete_training(
    train_id: Annotated[int, Path(alias="id", description="Id of the training.")],
    user: ModelDeleter,
    database: Db,
    settings: AppSettings,
    jobs: Jobs,
    dependents: RowDependents,
    models: RememberedModels,
) -> TrainingDeleted:
    """Delete a version of a predictor: its model, its deployment, its feature importance and the training. The version
    before it answers from then on, and without one the name is free again. What it has predicted stays: the rows of
    the prediction log, and the result files of batches."""
    async with database.transaction() as session:
        training = await service.hold_deletable(session, user.scope, train_id)
        await dependents.release(session, user.scope, Training, train_id)
        folders = await service.delete(session, user.scope, training)
    # In this order: whoever asks for the model from here on finds no row, so nobody misses the files.
    models.forget()
    await jobs.notify()
    for folder in folders:
        await Storage.from_settings(settings).delete(folder)
    return TrainingDeleted(message="Training job deleted successfully")


@router.delete("/delete-feature-importance/{train_id}")
async def delete_feature_importance(
    train_id: int, user: Trainer, database: Db, settings: AppSettings
) -> TrainingDeleted:
    """Delete the feature importance of a training; not while it is being computed."""
    async with database.transaction() as session:
        folders = await service.delete_importance(session, user.scope, train_id)
    for folder in folders:
        await Storage.from_settings(settings).delete(folder)
    return TrainingDeleted(message="Feature importance results deleted successfully")
