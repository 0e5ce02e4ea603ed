"""Answers a request with an `Idempotency-Key` once: the first answer is stored with what the request has made.

The transactions of the request are deferred (`db.deferred`). The last one is committed when the answer is known, and
has both. A refused request leaves no key: it may be sent again, and is judged again.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Header, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from dataml.db.deferred import DeferringDatabase
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import DatamlError, Invalid
from dataml.http.idempotency import store
from dataml.http.idempotency.models import IdempotencyKey
from dataml.http.multipart import received_files
from dataml.http.request_hooks import hooks_of

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
PATTERN: Final = r"^[\x20-\x7e]{1,200}$"
# What does not change what a request makes.
_IGNORED_PARAMETERS: Final = frozenset({"wait"})
_CHUNK_BYTES: Final = 1 << 20
Handler = Callable[[Request], Awaitable[Response]]
log = logging.getLogger(__name__)


class Replay(Exception):
    """Ends a request that was answered before, with the first answer."""

    def __init__(self, row: IdempotencyKey) -> None:
        super().__init__(row.key)
        self.response = Response(row.body, row.status or 200, {REPLAYED: "true"}, "application/json")


async def document_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            pattern=PATTERN,
            description="A new random text for each new request, e.g. a UUID. The same request with the same key, "
            "within 24 hours, makes no second thing: it gets the first answer, and `Idempotency-Replayed: true`.",
        ),
    ] = None,
) -> None:
    """Mark a route that takes a key; see `answer_once`."""


async def begin(request: Request, scope: Scope, digests: Callable[[bytes], list[str]]) -> None:
    """Take the key of a request for its caller, once the caller may make it; without a key, do nothing.

    `digests` returns keyed digests of what may be a secret, under each key of the platform.

    Raises:
        Replay: the request was answered before.
        Invalid: `invalid_idempotency_key`, `idempotency_key_reused`.
        Conflict: `request_in_progress`, `idempotency_outcome_unknown`.
    """
    call: IdempotentCall | None = request.scope["state"].get("idempotent_call")
    if call is not None:
        await call.begin(scope, digests)


async def answer_once(request: Request, handle: Handler) -> Response:
    """Answer a request with a key by `handle`, or with the first answer.

    The request is carried out to its end, also when its client has gone: it may come back for the answer.
    """
    call = IdempotentCall(request, request.app.state.database)
    request.scope["state"]["idempotent_call"] = call
    task = asyncio.create_task(call.run(handle))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_log_failure)
        raise


def _log_failure(task: "asyncio.Task[Response]") -> None:
    if not task.cancelled() and isinstance(error := task.exception(), Exception) and not isinstance(error, DatamlError):
        log.error("a request whose client has gone failed", exc_info=error)


class IdempotentCall:
    """One request with a key."""

    def __init__(self, request: Request, database: Database) -> None:
        self._request = request
        self._database = database
        self._deferring = DeferringDatabase(database, self._mark_committed)
        self._claim: store.Claim | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._files_digest: str | None = None
        self._answer: dict[str, Any] = {}
        self._is_committed = False
        hooks = hooks_of(request)
        hooks.database, hooks.after_commit = self._deferring, self._deferring.after_commit
        hooks.on_files.append(self._take_files)

    async def begin(self, scope: Scope, digests: Callable[[bytes], list[str]]) -> None:
        """Take the key; see the function `begin`."""
        key = self._request.headers[HEADER]
        if not re.fullmatch(PATTERN, key):
            detail = f"{HEADER} has 1 to 200 printable ASCII characters."
            raise Invalid(detail, code="invalid_idempotency_key")
        fingerprints = digests(await self._describe_request())
        claimed = await store.claim(self._database, scope, key, fingerprints)
        if isinstance(claimed, IdempotencyKey):
            await self._check_files(claimed)
            raise Replay(claimed)
        self._claim = claimed
        self._renewal = asyncio.create_task(self._renew(claimed))

    async def run(self, handle: Handler) -> Response:
        """Return the response of `handle`, stored, or the first one."""
        try:
            response = await handle(self._request)
            await self._store(response)
            return response
        except Replay as replay:
            return replay.response
        except Exception as error:
            await self._end(error)
            raise
        finally:
            if self._renewal is not None:
                self._renewal.cancel()

    async def _store(self, response: Response) -> None:
        """Commit the last transaction of the request with its answer."""
        self._answer = {"status": response.status_code, "body": bytes(response.body).decode()}
        if self._claim is not None and not self._deferring.is_pending:
            async with self._deferring.transaction():
                pass
        await self._deferring.commit()

    async def _end(self, error: Exception) -> None:
        """Commit what the request has written before it failed, and release the key if it has left nothing."""
        with contextlib.suppress(SQLAlchemyError, DatamlError):
            await self._deferring.commit()
            # An error that a user gets says that nothing was made, or that it is undone.
            if self._claim is not None and (isinstance(error, DatamlError) or not self._is_committed):
                async with self._database.transaction() as session:
                    await store.release(session, self._claim)

    async def _mark_committed(self, session: AsyncSession) -> None:
        if self._claim is not None:
            values = {"is_committed": True, "files_digest": self._files_digest} | self._answer
            await store.update(session, self._claim, **values)
        self._is_committed = True

    async def _renew(self, held: store.Claim) -> None:
        while True:
            await asyncio.sleep(store.LEASE.total_seconds() / 3)
            with contextlib.suppress(SQLAlchemyError, DatamlError):
                await store.renew(self._database, held)

    async def _describe_request(self) -> bytes:
        """Return what makes two requests the same, but for their files."""
        query = parse_qsl(self._request.url.query, keep_blank_values=True)
        relevant = sorted((name, value) for name, value in query if name not in _IGNORED_PARAMETERS)
        body = b"" if self._has_files else await self._request.body()
        head = (self._request.method, self._request.scope["path"], urlencode(relevant))
        return "\n".join(head).encode(errors="replace") + b"\n" + body

    @property
    def _has_files(self) -> bool:
        return self._request.headers.get("content-type", "").startswith("multipart/")

    async def _check_files(self, row: IdempotencyKey) -> None:
        if not self._has_files:
            return
        max_bytes = self._request.app.state.settings.max_upload_bytes
        async with received_files(self._request, max_bytes, may_be_none=True):
            if self._files_digest != row.files_digest:
                raise store.key_reused()

    async def _take_files(self, files: Sequence[UploadFile]) -> None:
        self._files_digest = await asyncio.to_thread(_digest_files, files)


def _digest_files(files: Sequence[UploadFile]) -> str:
    """Return a digest of the names and contents of files, which are then at their beginnings again. Blocking."""
    digest = hashlib.sha256()
    for upload in files:
        content = hashlib.sha256()
        while chunk := upload.file.read(_CHUNK_BYTES):
            content.update(chunk)
        upload.file.seek(0)
        digest.update(hashlib.sha256((upload.filename or "").encode(errors="replace")).digest() + content.digest())
    return digest.hexdigest()
