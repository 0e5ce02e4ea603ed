# Generated from dataml/client/aio/open_sessions.py by `make client`: change that file.
"""Sessions that are open: logins that have not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("id", "is_current", "network", "created_at", "expires_at")


class OpenSessions:
    """The open sessions of the caller, or of another user for one who may manage users."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    def list(self, *, user_id: int | None = None, limit: int | None = None) -> Table:
        """Return the open sessions, newest first: all of them, or at most `limit`.

        Args:
            user_id: Id of another user, whose sessions only one who may manage users sees.
            limit: Sessions to return at most.
        """
        return Table(fetch_all(self._api.list_sessions, limit, user_id=user_id), _COLUMNS)

    def end(self, session_id: int) -> schemas.SessionAnswer:
        """End a session: its tokens are refused from the next call on.

        Raises:
            NotFound: There is no such session.
        """
        return self._api.end_session(session_id)

    def end_others(self, *, user_id: int | None = None) -> int:
        """End all sessions of the caller but this one, or all of another user; return how many.

        Args:
            user_id: Id of another user, whose sessions only one who may manage users ends.
        """
        return (self._api.end_other_sessions(user_id=user_id))["ended"]
