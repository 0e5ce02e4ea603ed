"""The route that exports a predictor, to be used without the platform."""

import asyncio
import tempfile
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

from fastapi.responses import StreamingResponse

from dataml.access.dependencies import Viewer
from dataml.audit import service as audit
from dataml.http.dependencies import AppSettings, Db
from dataml.http.openapi import BINARY
from dataml.http.routing import Router
from dataml.http.temporary_files import send_temporary_file
from dataml.storage.storage import Storage
from dataml.train import service

router = Router(prefix="/train", tags=["Train"])
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/zip": BINARY}, "description": "The ZIP file."}
}


@router.get("/{train_id}/export", response_class=StreamingResponse, responses=_ANSWER)
async def export_model(train_id: int, user: Viewer, database: Db, settings: AppSettings) -> StreamingResponse:
    """Download a completed training as a ZIP file.

    It contains the bundle, `scorer.py`, which predicts with it and needs only NumPy and the model's own library, and a
    folder that MLflow loads. Both decide by the threshold that is kept with the model.
    """
    async with database.reading() as session:
        training = await service.get_completed(session, user.scope, train_id)
    name = f"{training.url_name}-v{training.version}"
    file = await asyncio.to_thread(
        _build_archive, Storage.from_settings(settings), training.bundle or "", name, training.threshold
    )
    async with database.transaction() as session:
        audit.record(session, user.scope, "training.export", f"training:{train_id}", size_bytes=file.tell())
    return send_temporary_file(file, f"{name}.zip", "application/zip")


def _build_archive(storage: Storage, bundle: str, name: str, threshold: float | None) -> BinaryIO:
    """Return the ZIP file, which has no name. Blocking."""
    # The import takes half a second, so only the first call pays for it.
    from dataml.ml.export import archive

    folder = storage.fetch(bundle)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=storage.root))
        archive.write_archive(folder, name, file, threshold)
        stack.pop_all()  # the response closes the file
        return file
