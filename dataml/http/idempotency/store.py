"""The rows of idempotency keys.

    no row ──claim──> in progress ──answer──> answered ──24 h──> no row
                       │    │ └──lease ends, something was committed──> outcome unknown
                       │    └────lease ends, nothing was──claim──> in progress
                       └──release: the request was refused──> no row

The row says that a request is committed in the transaction that commits it, and so does its last transaction with the
answer. A process that dies leaves either both or neither.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.constraints import read_violation
from dataml.db.scope import Scope
from dataml.db.session import Database
from dataml.errors import Conflict, Invalid
from dataml.http.idempotency.models import IdempotencyKey

RETENTION: Final = timedelta(hours=24)
LEASE: Final = timedelta(seconds=60)
"""How long a request holds its key after it has renewed the lease: the longest wait after its process has died."""


@dataclass(frozen=True)
class Claim:
    """A key that a request holds."""

    scope: Scope
    row_id: int
    holder: str


async def claim(database: Database, scope: Scope, key: str, fingerprints: Sequence[str]) -> Claim | IdempotencyKey:
    """Take a key for a request, or return the row with the answer of the first request.

    `fingerprints` are those of the request under each key of the platform, the current one first.

    Raises:
        Invalid: `idempotency_key_reused`.
        Conflict: `request_in_progress`, `idempotency_outcome_unknown`.
    """
    try:
        async with database.transaction() as session:
            return await _claim(session, scope, key, fingerprints)
    except IntegrityError as error:
        if not read_violation(error).is_duplicate("key"):
            raise
        raise _in_progress() from error


async def _claim(session: AsyncSession, scope: Scope, key: str, fingerprints: Sequence[str]) -> Claim | IdempotencyKey:
    now = utc_now()
    same_key = (IdempotencyKey.user_id == scope.user_id, IdempotencyKey.key == key)
    await session.execute(scope.delete(IdempotencyKey).where(*same_key, IdempotencyKey.created_at <= now - RETENTION))
    row = await scope.find(session, IdempotencyKey, *same_key, lock=True)
    if row is None:
        row = IdempotencyKey(
            tenant_id=scope.tenant_id, user_id=scope.user_id, key=key, fingerprint=fingerprints[0], created_at=now
        )
        session.add(row)
    elif row.fingerprint not in fingerprints:
        raise key_reused()
    elif row.status is not None:
        return row
    elif row.lease_expires_at > now:
        raise _in_progress()
    elif row.is_committed:
        raise _outcome_unknown()
    row.holder, row.lease_expires_at = secrets.token_hex(16), now + LEASE
    await session.flush()
    return Claim(scope, row.id, row.holder)


async def update(session: AsyncSession, held: Claim, **values: Any) -> None:
    """Change the row of a key that a request holds.

    Raises:
        Conflict: `request_in_progress`: its lease had ended, and another request has taken the key.
    """
    statement = held.scope.update(IdempotencyKey).where(
        IdempotencyKey.id == held.row_id, IdempotencyKey.holder == held.holder
    )
    result = await session.execute(statement.values(**values).execution_options(synchronize_session=False))
    if not (isinstance(result, CursorResult) and result.rowcount == 1):
        raise _in_progress()


async def renew(database: Database, held: Claim) -> None:
    """Postpone the end of a lease. Raises as `update`."""
    async with database.transaction() as session:
        await update(session, held, lease_expires_at=utc_now() + LEASE)


async def release(session: AsyncSession, held: Claim) -> None:
    """Give up a key whose request has left nothing behind, so that it can be sent again."""
    row = (IdempotencyKey.id == held.row_id, IdempotencyKey.holder == held.holder)
    await session.execute(held.scope.delete(IdempotencyKey).where(*row))


async def delete_expired(database: Database) -> None:
    """Delete the keys of every tenant that are older than `RETENTION`."""
    expired = IdempotencyKey.created_at <= utc_now() - RETENTION
    async with database.reading() as session:
        if await session.scalar(every_tenant.select(IdempotencyKey.id).where(expired).limit(1)) is None:
            return
    async with database.transaction() as session:
        await session.execute(every_tenant.delete(IdempotencyKey).where(expired))


def key_reused() -> Invalid:
    """Return the answer of a request whose key was sent with another one."""
    detail = "This Idempotency-Key was sent with another request; send a new key with a new request."
    return Invalid(detail, code="idempotency_key_reused")


def _in_progress() -> Conflict:
    detail = "A request with this Idempotency-Key is under way; try again in a moment."
    return Conflict(detail, code="request_in_progress", headers={"Retry-After": "1"})


def _outcome_unknown() -> Conflict:
    detail = (
        "The first request with this Idempotency-Key has changed something and ended without an answer; look at what "
        "is there, and send a new key if it is to be repeated."
    )
    return Conflict(detail, code="idempotency_outcome_unknown")
