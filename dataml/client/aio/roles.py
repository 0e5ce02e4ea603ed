"""Roles: which permissions belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dataml.client.aio.lookup import find_by_id, find_by_name
from dataml.client.aio.operations import Operations
from dataml.client.aio.paging import fetch_all
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas

_COLUMNS: Final = ("id", "name", "permissions")
_PERMISSION_COLUMNS: Final = ("id", "name", "is_builtin")


class Role:
    """A role; `info` is the last answer of the API about it."""

    def __init__(self, api: Operations, info: schemas.RoleAnswer) -> None:
        self._api = api
        self.info = info

    @property
    def id(self) -> int:
        """Id of the role."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """Name of the role."""
        return self.info["name"]

    @property
    def permissions(self) -> list[str]:
        """Names of the permissions that the role holds."""
        return self.info.get("permissions", [])

    async def grant(self, permission: int | str) -> None:
        """Give a permission to the role, and so to all who have the role.

        Args:
            permission: Id or name of the permission.

        Raises:
            NotFound: There is no such permission.
            Forbidden: The caller does not have the permission.
        """
        self.info = await self._api.grant_permission(self.id, await self._permission_id(permission))

    async def revoke(self, permission: int | str) -> None:
        """Take a permission from the role.

        Args:
            permission: Id or name of the permission.

        Raises:
            NotFound: There is no such permission, or the role does not hold it.
        """
        self.info = await self._api.revoke_permission(self.id, await self._permission_id(permission))

    async def delete(self) -> None:
        """Delete the role, which nobody may have.

        Raises:
            Conflict: A user has the role, or every tenant has it.
        """
        self.info = await self._api.delete_role(self.id)

    async def _permission_id(self, permission: int | str) -> int:
        if isinstance(permission, int):
            return permission
        found = await find_by_name(
            lambda name: self._api.list_permissions(name=name, limit=1), "permission", permission
        )
        return found["id"]

    def __repr__(self) -> str:
        return f"Role({self.name!r}, id={self.id}, permissions={self.permissions!r})"


class Roles:
    """All roles of the tenant; each call needs the permission to manage roles."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    async def list(self, *, limit: int | None = None) -> Table:
        """Return the roles with their permissions: all of them, or at most `limit`."""
        return Table(await fetch_all(self._api.list_roles, limit), _COLUMNS)

    async def permissions(self, *, limit: int | None = None) -> Table:
        """Return the permissions that roles can hold: all of them, or at most `limit`."""
        return Table(await fetch_all(self._api.list_permissions, limit), _PERMISSION_COLUMNS)

    async def get(self, role: int | str) -> Role:
        """Return a role by its id or its name.

        Raises:
            NotFound: There is none.
        """
        if isinstance(role, str):
            return Role(self._api, await find_by_name(lambda name: self._api.list_roles(name=name), "role", role))
        return Role(self._api, await find_by_id(self._api.list_roles, "role", role))

    async def create(self, name: str, permissions: Sequence[str] = ()) -> Role:
        """Create a role.

        Args:
            name: Name of the role.
            permissions: Names of the permissions that it holds.

        Raises:
            Conflict: There is a role of this name.
            NotFound: There is no such permission; the role is there then, without it.
        """
        tenant_id = (await self._api.test_token())["tenant_id"]
        role = Role(self._api, await self._api.create_role({"name": name, "tenant_id": tenant_id}))
        for permission in permissions:
            await role.grant(permission)
        return role
