"""The lease that lets one supervisor write at a time.

A lease ends by the clock, which decides only when another supervisor may take over: clocks can be set. Who may write is
decided by the term, a number that grows with each takeover. Each transaction of a supervisor locks the lease row and
checks that the term is still its own, so nothing that an earlier holder does later is written.
"""

from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db import every_tenant
from dataml.db.base import UtcDateTime, utc_now
from dataml.jobs.models import SupervisorLease

_LEASE_ID = 1


async def take(session: AsyncSession, holder: str, lifetime_s: float, *, is_successor: bool = False) -> int | None:
    """Take over a lease that has ended; return its new term, None while another supervisor holds it.

    A successor is a process that was started in place of an earlier one with the same name: it need not wait.
    """
    now = await _now(session)
    lease = await session.scalar(
        every_tenant.select(SupervisorLease).where(SupervisorLease.id == _LEASE_ID).with_for_update()
    )
    expires_at = now + timedelta(seconds=lifetime_s)
    if lease is None:
        session.add(SupervisorLease(id=_LEASE_ID, holder=holder, term=1, expires_at=expires_at))
        return 1
    # An end that is further away than a lifetime was written before the clock was set back.
    is_held = now < lease.expires_at <= expires_at
    if is_held and not (is_successor and lease.holder == holder):
        return None
    lease.holder, lease.term, lease.expires_at = holder, lease.term + 1, expires_at
    return lease.term


async def renew(session: AsyncSession, term: int, lifetime_s: float) -> bool:
    """Postpone the end of the lease; False when another supervisor has taken it over.

    A lease that has ended and that nobody has taken over is still its last holder's.
    """
    lease = await _hold(session, term)
    if lease is not None:
        lease.expires_at = await _now(session) + timedelta(seconds=lifetime_s)
    return lease is not None


async def is_held(session: AsyncSession, term: int) -> bool:
    """Return whether the lease has this term, and keep others from taking it over until the end of the transaction."""
    return await _hold(session, term) is not None


async def release(session: AsyncSession, term: int) -> None:
    """Give up the lease, so that the next supervisor need not wait for its end."""
    lease = await _hold(session, term)
    if lease is not None:
        lease.expires_at = await _now(session)


async def find_holder(session: AsyncSession) -> str | None:
    """Return the name of the supervisor that holds the lease, or held it last."""
    return await session.scalar(every_tenant.select(SupervisorLease.holder).where(SupervisorLease.id == _LEASE_ID))


async def _hold(session: AsyncSession, term: int) -> SupervisorLease | None:
    # Transactions that write are exclusive on SQLite, which has no locks of rows.
    row = every_tenant.select(SupervisorLease).where(SupervisorLease.id == _LEASE_ID, SupervisorLease.term == term)
    return await session.scalar(row.with_for_update())


async def _now(session: AsyncSession) -> datetime:
    """Return the time by the database's clock: supervisors on two nodes may have clocks that differ.

    SQLite is on one node and has the clock of its process.
    """
    if session.get_bind().dialect.name != postgresql.dialect.name:
        return utc_now()
    now = await session.scalar(every_tenant.select(func.clock_timestamp(type_=UtcDateTime())))
    assert now is not None
    return now
