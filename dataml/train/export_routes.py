"""The route that exports a predictor, to be used without the platform."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

from fastapi.responses import StreamingResponse

from dataml.access.dependencies import Viewer
from dataml.audit import service as audit
from dataml.http.dependencies import AppSettings, Db
from dataml.http.openapi import BINARY
from dataml.http.routing import Router
from dataml.storage.storage import Storage
from dataml.train import service

router = Router(prefix="/train", tags=["Train"])
_CHUNK_BYTES: Final = 1 << 20
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
    file, size_bytes = await asyncio.to_thread(
        _build_archive, Storage.from_settings(settings), training.bundle or "", name, training.threshold
    )
    async with database.transaction() as session:
        audit.record(session, user.scope, "training.export", f"training:{train_id}", size_bytes=size_bytes)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"', "Content-Length": str(size_bytes)}
    return StreamingResponse(_read_chunks(file), headers=headers, media_type="application/zip")


def _build_archive(storage: Storage, bundle: str, name: str, threshold: float | None) -> tuple[BinaryIO, int]:
    """Return the ZIP file and its size in bytes. Blocking.

    The file has no name, so it is gone once it is closed, or when this process dies.
    """
    # The import takes half a second, so only the first call pays for it.
    from dataml.ml.export import archive

    folder = storage.fetch(bundle)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=storage.root))
        archive.write_archive(folder, name, file, threshold)
        size_bytes = file.tell()
        file.seek(0)
        stack.pop_all()  # the response closes the file
        return file, size_bytes


def _read_chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
