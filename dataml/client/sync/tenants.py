# Generated from dataml/client/aio/tenants.py by `make client`: change that file.
"""Tenants: who shares the platform, and sees nothing of the others."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from dataml.client.sync.lookup import find_by_name
from dataml.client.sync.operations import Operations
from dataml.client.sync.paging import fetch_all
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("id", "name", "is_active", "quota_bytes", "created_at")


class Tenant:
    """A tenant; `info` is the last answer of the API about it."""

    def __init__(self, api: Operations, info: schemas.TenantAnswer) -> None:
        self._api = api
        self.info = info

    @property
    def id(self) -> str:
        """Id of the tenant."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """Name of the tenant."""
        return self.info["name"]

    @property
    def is_active(self) -> bool:
        """Whether its users can sign in."""
        return self.info["is_active"]

    @property
    def quota_bytes(self) -> int | None:
        """Largest size of all its files; None: that of the installation."""
        return self.info["quota_bytes"]

    def set_quota(self, quota_bytes: int | None) -> None:
        """Set the largest size of all its files; None: that of the installation."""
        self.info = self._api.update_tenant(self.id, {"quota_bytes": quota_bytes})

    def reopen(self) -> None:
        """Open a closed tenant again: its users can sign in, keys are taken, and predictors answer."""
        self.info = self._api.update_tenant(self.id, {"is_active": True})

    def close(self) -> None:
        """Close the tenant: its sessions end, its jobs are cancelled, its users cannot sign in. Its data stays.

        Raises:
            Conflict: It is the tenant of the caller.
        """
        self.info = self._api.close_tenant(self.id)

    def __repr__(self) -> str:
        return f"Tenant({self.name!r}, id={self.id!r}, is_active={self.is_active})"


class Tenants:
    """All tenants; each call needs an administrator of the platform."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    def list(self, *, is_active: bool | None = None, limit: int | None = None) -> Table:
        """Return the tenants in the order of their creation: all of them, or at most `limit`."""
        return Table(fetch_all(self._api.list_tenants, limit, is_active=is_active), _COLUMNS)

    def get(self, tenant: str) -> Tenant:
        """Return a tenant by its id, a UUID, or by its name.

        Raises:
            NotFound: There is none.
        """
        if not _is_uuid(tenant):
            found = find_by_name(lambda name: self._api.list_tenants(name=name, limit=1), "tenant", tenant)
            return Tenant(self._api, found)
        return Tenant(self._api, self._api.get_tenant(tenant))

    def create(self, name: str) -> Tenant:
        """Create a tenant with the built-in roles and no user; `users.create` makes its first one.

        Raises:
            Conflict: There is a tenant of this name.
        """
        return Tenant(self._api, self._api.create_tenant({"name": name}))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
