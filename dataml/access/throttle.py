"""Limits on failed logins, counted in the database and so shared by all replicas.

Failures count against the account and against the address they come from, within windows of a minute. From an address
where the account's owner has logged in before, the account has a count of its own: an attack on the account from
elsewhere does not lock its owner out.
"""

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access.models import LoginFailures, Session
from dataml.db import every_tenant
from dataml.db.base import utc_now
from dataml.db.upsert import insert
from dataml.errors import TooManyRequests
from dataml.settings import Settings

WINDOW: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Subjects:
    """The two counters of an attempt, as digests."""

    account: str
    address: str

    @property
    def both(self) -> tuple[str, str]:
        """Both counters."""
        return self.account, self.address


async def subjects(session: AsyncSession, username_key: str, user_id: int | None, address: str | None) -> Subjects:
    """Return the counters of an attempt; `user_id` is None for an unknown name, which counts like any other."""
    here = network(address)
    account = f"account {username_key}"
    # An unknown user is looked up too: the time of an answer must not reveal who exists.
    if await _has_logged_in(session, user_id or 0, here):
        account += f" at {here}"
    return Subjects(_digest(account), _digest(f"address {here}"))


async def check(session: AsyncSession, settings: Settings, counted: Subjects) -> None:
    """Refuse an attempt when one of its counters has reached its limit.

    Raises:
        TooManyRequests: `too_many_logins`, until the window is over.
    """
    limits = {counted.account: settings.login_failures, counted.address: settings.address_login_failures}
    now = utc_now()
    rows = every_tenant.select(LoginFailures).where(
        LoginFailures.subject.in_(limits), LoginFailures.since > now - WINDOW
    )
    over = [row.since for row in await session.scalars(rows) if row.failures >= limits[row.subject]]
    if over:
        wait_s = max(1, math.ceil((max(over) + WINDOW - now).total_seconds()))
        detail = f"Too many failed logins; try again in {wait_s} s."
        raise TooManyRequests(detail, code="too_many_logins", headers={"Retry-After": str(wait_s)})


async def record_failure(session: AsyncSession, counted: Subjects) -> None:
    """Count a failed login, and remove windows that are over."""
    now = utc_now()
    await session.execute(every_tenant.delete(LoginFailures).where(LoginFailures.since <= now - WINDOW))
    rows = [{"subject": subject, "failures": 1, "since": now} for subject in counted.both]
    one_more = {"failures": LoginFailures.failures + 1}
    statement = insert(session, LoginFailures).on_conflict_do_update(index_elements=["subject"], set_=one_more)
    await session.execute(statement, rows)


async def forget_failures(session: AsyncSession, counted: Subjects) -> None:
    """Reset the account's counter after a successful login; the address may still try other accounts."""
    await session.execute(every_tenant.delete(LoginFailures).where(LoginFailures.subject == counted.account))


async def _has_logged_in(session: AsyncSession, user_id: int, here: str) -> bool:
    known = every_tenant.select(Session.id).where(Session.user_id == user_id, Session.network == here)
    return await session.scalar(known.limit(1)) is not None


def network(address: str | None) -> str:
    """Return the address, or the /64 of an IPv6 one: a client there usually has all of its addresses."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _digest(subject: str) -> str:
    # Unknown names are not stored as they were typed: one may be a password.
    return hashlib.sha256(subject.encode()).hexdigest()
