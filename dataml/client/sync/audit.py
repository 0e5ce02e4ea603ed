# Generated from dataml/client/aio/audit.py by `make client`: change that file.
"""The audit log: who did what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all
from dataml.client.tables import Table
from dataml.client.times import to_iso

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("at", "username", "action", "subject", "outcome", "address")


class Audit:
    """The audit log of the tenant."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    def list(
        self,
        *,
        username: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        outcome: schemas.Outcome | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = 100,
    ) -> Table:
        """Return the newest entries: at most `limit`, or all with None.

        Args:
            username: Only what this user did.
            action: Only these actions: `user.create`, or `user` for all that was done to users.
            subject: Only what was done to this: `user:7`.
            outcome: success, failure or refused.
            since: Not before this time; as text it is ISO 8601; without a zone it is UTC.
            until: Before this time.
            limit: Entries to return at most.

        Raises:
            Forbidden: The caller may not see the log.
        """
        return Table(
            fetch_all(
                self._api.list_audit_events,
                limit,
                username=username,
                action=action,
                subject=subject,
                outcome=outcome,
                since=to_iso(since),
                until=to_iso(until),
            ),
            _COLUMNS,
        )
