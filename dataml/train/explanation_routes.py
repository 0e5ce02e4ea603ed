"""Routes of the explanation of a predictor."""

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import Path as InPath
from fastapi import Response

from dataml.access.dependencies import Viewer
from dataml.access.service import Principal
from dataml.db.session import Database
from dataml.errors import NotFound
from dataml.http.dependencies import AppSettings, Db
from dataml.http.openapi import BINARY
from dataml.http.routing import Router
from dataml.ml.explanation import artifacts
from dataml.settings import Settings
from dataml.storage.damage import translate_read_errors
from dataml.storage.storage import Storage
from dataml.train import service
from dataml.train.explanation_schemas import ExplanationAnswer

router = Router(prefix="/train", tags=["Train"])


@router.get("/{train_id}/explanation", response_model=ExplanationAnswer)
async def get_explanation(train_id: int, user: Viewer, database: Db, settings: AppSettings) -> Response:
    """Show the newest finished explanation of a training: feature importance, charts with their data, example rows."""
    folder = await _folder(train_id, user, database, settings)
    with translate_read_errors():
        content = await asyncio.to_thread(artifacts.read_explanation, folder)
    return Response(content, media_type="application/json")


@router.get(
    "/{train_id}/explanation/{chart_name}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": BINARY}, "description": "The picture."}},
)
async def get_explanation_chart(
    train_id: int,
    chart_name: Annotated[str, InPath(description="`beeswarm`, or `dependence-1` and so on.")],
    user: Viewer,
    database: Db,
    settings: AppSettings,
) -> Response:
    """Download a chart of the explanation as a picture."""
    folder = await _folder(train_id, user, database, settings)
    with translate_read_errors():
        content = await asyncio.to_thread(artifacts.read_chart_image, folder, chart_name)
    return Response(content, media_type="image/png")


async def _folder(train_id: int, user: Principal, database: Database, settings: Settings) -> Path:
    async with database.reading() as session:
        training = await service.get(session, user.scope, train_id)
    if training.explanation is None:
        detail = "There is no explanation yet; start one with generate-feature-importance."
        raise NotFound(detail, code="explanation_not_found")
    return await asyncio.to_thread(Storage.from_settings(settings).fetch, training.explanation)
