"""API keys, with which programs sign in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from dataml.client.aio.operations import Operations
from dataml.client.aio.paging import fetch_all
from dataml.client.tables import Table
from dataml.client.times import to_iso

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("id", "name", "prefix", "permissions", "created_at", "expires_at", "revoked_at")


class Keys:
    """The API keys of the caller."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    async def list(self, *, user_id: int | None = None, limit: int | None = None) -> Table:
        """Return the keys without their secrets: all of them, or at most `limit`.

        Args:
            user_id: Id of another user, whose keys only one who may manage users sees.
            limit: Keys to return at most.
        """
        return Table(await fetch_all(self._api.list_api_keys, limit, user_id=user_id), _COLUMNS)

    async def create(
        self, name: str, permissions: Sequence[str] = (), *, expires_at: datetime | str | None = None
    ) -> schemas.ApiKeyCreated:
        """Create a key, and return it: `key` is the secret, which is answered this once.

        Args:
            name: What the key is for.
            permissions: What it may do, by default `can_predict`; no more than the caller may.
            expires_at: When it ends, by default in 90 days; without a zone it is UTC.

        Raises:
            Forbidden: The caller does not have one of the permissions.
            Invalid: The time is past or too far away.
        """
        body: schemas.CreateApiKey = {"name": name}
        if permissions:
            body["permissions"] = list(permissions)
        if expires_at is not None:
            body["expires_at"] = to_iso(expires_at)
        return await self._api.create_api_key(body)

    async def revoke(self, key_id: int) -> schemas.ApiKeyAnswer:
        """Revoke a key: the next call with it is refused.

        Raises:
            NotFound: There is no such key.
        """
        return await self._api.revoke_api_key(key_id)
