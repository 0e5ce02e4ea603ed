"""Requests and answers of login, user, role, tenant and API key calls."""

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from dataml.access import names
from dataml.access.models import ApiKey, Tenant, TenantPermission, User
from dataml.access.permissions import Permission
from dataml.http.requests import request_config


def _username(value: str) -> str:
    display_name = names.display(value)
    if not 1 <= len(display_name) <= 150 or len(names.key(value)) > 150:
        raise ValueError("a username has 1 to 150 characters")
    if not names.is_username(display_name):
        raise ValueError("a username has letters, digits and . _ @ + - only")
    return display_name


def _person_name(value: str) -> str:
    value = value.strip()
    if not names.is_printable(value):
        raise ValueError("a name has no invisible characters")
    return value


# The HTML standard's valid e-mail address, which browsers check. Any domain: companies have internal ones.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")


def _email(value: str) -> str:
    value = value.strip()
    if not _EMAIL.fullmatch(value):
        raise ValueError("this is no e-mail address")
    return value


Username = Annotated[str, Field(max_length=1000), AfterValidator(_username)]
PersonName = Annotated[str, Field(max_length=150), AfterValidator(_person_name)]
Email = Annotated[str, Field(max_length=320), AfterValidator(_email)]
TenantName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Request(BaseModel):
    # Unknown fields are refused: `is_superuser` must not look as if it had an effect.
    model_config = ConfigDict(extra="forbid")


class RefreshRequest(_Request):
    """A refresh token to use or to end."""

    model_config = request_config({"refresh_token": "the newest refresh token of the session"})

    refresh_token: SecretStr = Field(description="The newest refresh token of the session.")


class ResetPassword(_Request):
    """A new password for a user."""

    model_config = request_config(
        {
            "user_name": "ada",
            "new_password": "a new password of 12 bytes or more",
            "current_password": "the password of today",
        }
    )

    user_name: str = Field(max_length=1000, description="Whose password.")
    new_password: SecretStr = Field(description="12 to 1,024 bytes.")
    current_password: SecretStr | None = Field(None, description="Needed for the own password.")


class CreateUser(_Request):
    """A new user."""

    model_config = request_config(
        {
            "tenant_id": "4f9c2a1e-7d30-4b58-9c61-2f0a8e5d7b13",
            "username": "ada",
            "password": "a password of 12 bytes or more",
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "roles": ["analyst"],
        }
    )

    tenant_id: str = Field(description="The own tenant's id; any tenant's for an administrator of the platform.")
    username: Username = Field(description="Unique in the installation, in whatever case; logs in.")
    password: SecretStr = Field(description="12 to 1,024 bytes.")
    email: Email = Field(description="Unique in the tenant.")
    first_name: PersonName | None = None
    last_name: PersonName | None = None
    roles: list[str] = Field(["analyst"], max_length=100, description="Names of roles; none beyond what you hold.")


class UpdateUser(_Request):
    """Fields that are not sent stay as they are."""

    model_config = request_config({"first_name": "Ada", "email": "ada@example.com"})

    first_name: PersonName | None = None
    last_name: PersonName | None = None
    email: Email | None = None
    is_active: bool = Field(True, description="False ends all sessions and keeps the user out.")


class NamedInTenant(_Request):
    """The name of a new role or permission, and its tenant."""

    model_config = request_config({"name": "can_approve", "tenant_id": "4f9c2a1e-7d30-4b58-9c61-2f0a8e5d7b13"})

    name: str = Field(max_length=1000)
    tenant_id: str = Field(description="The own tenant's id; any tenant's for an administrator of the platform.")


class CreateTenant(_Request):
    """A new tenant."""

    model_config = request_config({"name": "acme"})

    name: TenantName = Field(description="Part of URLs: letters, digits, dot, hyphen and underscore; unique.")


class UpdateTenant(_Request):
    """Fields that are not sent stay as they are."""

    model_config = request_config({"quota_bytes": 50_000_000_000})

    quota_bytes: int | None = Field(
        None, ge=1, lt=2**63, description="Largest size of all its files; null: that of the installation."
    )
    is_active: bool = Field(True, description="False closes the tenant, true opens it again.")


class CreateApiKey(_Request):
    """A new API key."""

    model_config = request_config({"name": "the scoring service", "permissions": ["can_predict"]})

    name: Annotated[PersonName, Field(min_length=1, max_length=100)] = Field(description="What it is for.")
    permissions: list[Annotated[str, Field(max_length=100)]] = Field(
        [Permission.PREDICT.value], min_length=1, max_length=100, description="None beyond what you hold."
    )
    expires_at: datetime | None = Field(None, description="With time zone; in 90 days when not given.")


class TokenAnswer(BaseModel):
    """The tokens of a session."""

    access_token: str = Field(description="JWT to send as `Authorization: Bearer <access_token>`.")
    refresh_token: str = Field(description="Opaque secret that stands for the whole session; good once.")
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds until the access token expires.")
    scope: str = Field(
        description="The permissions that the session has at the moment, with a space between: those of the user, or "
        "of these the ones that `scope` of the login has named."
    )


class UserAnswer(BaseModel):
    """A user, without secrets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    tenant_id: str
    first_name: str | None
    last_name: str | None
    email: str | None
    username: str
    is_active: bool
    roles: list[str] = Field([], description="Names of the user's roles.")

    @classmethod
    def of(cls, user: User, roles: list[str]) -> Self:
        """Return the answer for a user with these roles."""
        return cls.model_validate(user).model_copy(update={"roles": roles})


class CallerAnswer(UserAnswer):
    """The caller."""

    permissions: list[str] = Field([], description="What the token allows.")


class UserList(BaseModel):
    """A page of users."""

    data: list[UserAnswer]
    count: int = Field(description="All users of the tenant.")


class StatusAnswer(BaseModel):
    """The outcome of a call, in words."""

    status: str = Field(examples=["success"])
    message: str


class DoneAnswer(BaseModel):
    """The confirmation of a call."""

    status: int = 200
    message: str


class RoleAnswer(BaseModel):
    """A role and the permissions it holds."""

    id: int
    tenant_id: str
    name: str
    permissions: list[str] = Field([], description="Names of the permissions it holds.")


class RoleList(BaseModel):
    """A page of roles."""

    total: int
    data: list[RoleAnswer]


class PermissionAnswer(BaseModel):
    """A permission of a tenant."""

    id: int
    tenant_id: str
    name: str
    is_builtin: bool = Field(description="Whether calls of the platform ask for it.")

    @classmethod
    def of(cls, permission: TenantPermission) -> Self:
        """Return the answer for a permission."""
        is_builtin = permission.name in set(Permission)
        return cls(id=permission.id, tenant_id=permission.tenant_id, name=permission.name, is_builtin=is_builtin)


class PermissionList(BaseModel):
    """A page of permissions."""

    total: int
    data: list[PermissionAnswer]


class TenantAnswer(BaseModel):
    """A tenant."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    is_active: bool
    quota_bytes: int | None = Field(description="Largest size of all its files; null: that of the installation.")
    created_at: datetime
    modified_at: datetime

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Return the answer for a tenant."""
        return cls.model_validate(tenant)


class TenantList(BaseModel):
    """A page of tenants."""

    total: int
    data: list[TenantAnswer]


class ApiKeyAnswer(BaseModel):
    """An API key, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    user_id: int
    name: str
    prefix: str = Field(description="How the key begins, to know it by.")
    permissions: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Return the answer for a key."""
        return cls.model_validate(key)


class ApiKeyCreated(ApiKeyAnswer):
    """A new API key with its secret."""

    key: str = Field(description="The secret, shown this once; send it as a bearer token.")


class ApiKeyList(BaseModel):
    """A page of API keys."""

    total: int
    data: list[ApiKeyAnswer]
