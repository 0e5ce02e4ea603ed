"""Users: who may use the platform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dataml.client.aio.lookup import find_by_name
from dataml.client.aio.operations import Operations
from dataml.client.aio.paging import fetch_all
from dataml.client.tables import Table

if TYPE_CHECKING:
    from dataml.client import schemas
    from dataml.client.aio.roles import Role

_COLUMNS: Final = ("id", "username", "email", "roles", "is_active")


class User:
    """A user; `info` is the last answer of the API about it."""

    def __init__(self, api: Operations, info: schemas.UserAnswer) -> None:
        self._api = api
        self.info = info

    @property
    def id(self) -> int:
        """Id of the user."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """The name that the user signs in with."""
        return self.info["username"]

    @property
    def roles(self) -> list[str]:
        """Names of the user's roles."""
        return self.info.get("roles", [])

    @property
    def is_active(self) -> bool:
        """Whether the user can sign in."""
        return self.info["is_active"]

    async def refresh(self) -> User:
        """Ask for the user again, and return this object."""
        self.info = await self._api.get_user(self.id)
        return self

    async def grant(self, role: Role | int | str) -> None:
        """Give a role to the user.

        Args:
            role: The role, its id or its name.

        Raises:
            NotFound: There is no such role.
            Forbidden: The role holds more than the caller may give.
        """
        self.info = await self._api.grant_role(self.id, await self._role_id(role))

    async def revoke(self, role: Role | int | str) -> None:
        """Take a role from the user.

        Args:
            role: The role, its id or its name.

        Raises:
            NotFound: There is no such role, or the user does not have it.
        """
        self.info = await self._api.revoke_role(self.id, await self._role_id(role))

    async def activate(self) -> None:
        """Let the user sign in again."""
        self.info = await self._api.update_user(self.id, {"is_active": True})

    async def deactivate(self) -> None:
        """End the sessions of the user, who cannot sign in any more."""
        self.info = await self._api.update_user(self.id, {"is_active": False})

    async def _role_id(self, role: Role | int | str) -> int:
        if isinstance(role, str):
            return (await find_by_name(lambda name: self._api.list_roles(name=name, limit=1), "role", role))["id"]
        return role if isinstance(role, int) else role.id

    def __repr__(self) -> str:
        return f"User({self.name!r}, id={self.id}, roles={self.roles!r}, is_active={self.is_active})"


class Users:
    """All users of the tenant; each call needs the permission to manage users."""

    def __init__(self, api: Operations) -> None:
        self._api = api

    async def list(self, *, is_active: bool | None = None, limit: int | None = None) -> Table:
        """Return the users in the order of their creation: all of them, or at most `limit`."""
        return Table(await fetch_all(self._api.list_users, limit, is_active=is_active), _COLUMNS)

    async def get(self, user: int | str) -> User:
        """Return a user by id or by name.

        Raises:
            NotFound: There is none.
        """
        if isinstance(user, int):
            return User(self._api, await self._api.get_user(user))
        return User(self._api, await find_by_name(lambda name: self._api.list_users(name=name, limit=1), "user", user))

    async def create(
        self,
        username: str,
        password: str,
        email: str,
        *,
        roles: Sequence[str] = (),
        first_name: str | None = None,
        last_name: str | None = None,
        tenant_id: str | None = None,
    ) -> User:
        """Create a user.

        Args:
            username: The name that the user signs in with.
            password: The password of the user.
            email: Address of the user.
            roles: Names of roles, by default `analyst`.
            first_name: First name of the user.
            last_name: Last name of the user.
            tenant_id: Id of another tenant, by an administrator of the platform.

        Raises:
            Conflict: There is a user of this name.
            Forbidden: A role holds more than the caller may give.
            Invalid: The password is too weak, or a value is wrong.
        """
        tenant_id = tenant_id or (await self._api.test_token())["tenant_id"]
        body: schemas.CreateUser = {
            "tenant_id": tenant_id,
            "username": username,
            "password": password,
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
        }
        if roles:
            body["roles"] = list(roles)
        return User(self._api, await self._api.create_user(body))

    async def reset_password(self, username: str, new_password: str, *, current_password: str | None = None) -> None:
        """Set the password of a user, which ends all sessions of that user.

        Args:
            username: Name of the user.
            new_password: The new password.
            current_password: The caller's current one, to set the own password.

        Raises:
            NotFound: There is no such user.
            Invalid: The new password is too weak.
        """
        body: schemas.ResetPassword = {"user_name": username, "new_password": new_password}
        if current_password is not None:
            body["current_password"] = current_password
        await self._api.reset_password(body)
