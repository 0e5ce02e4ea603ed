"""Users of the tenant, for those who manage them: the list, a new user, and one user."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import BuiltinRole, Permission
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Filter
from dataml.console.visit import Visit

_FILTERS: Final = (Filter("is_active", "Active", ("true", "false")),)
_FIELDS: Final = ("username", "email", "first_name", "last_name")
_MAX_ROLES: Final = 1000
_MAX_ROWS: Final = 100


async def show_all(visit: Visit) -> Response:
    """Show the users, in the order they were made."""
    rows = await listing.read(visit.request, visit.api, "/users/read-users", [field.name for field in _FILTERS])
    return visit.render("users.html", listing=rows, fields=_FILTERS)


async def show_form(visit: Visit) -> Response:
    """Show the form of a new user."""
    visit.principal.require(Permission.MANAGE_USERS)
    return await _show_form(visit)


async def create(visit: Visit) -> Response:
    """Make a user."""
    form = await visit.request.form()
    typed: dict[str, Any] = {name: str(form.get(name, "")) for name in _FIELDS}
    typed["roles"] = [str(role) for role in form.getlist("roles")]
    body = {
        "tenant_id": visit.principal.tenant_id,
        "username": typed["username"],
        "password": str(form.get("password", "")),
        "email": typed["email"],
        "first_name": typed["first_name"] or None,
        "last_name": typed["last_name"] or None,
        "roles": typed["roles"],
    }
    try:
        user = await visit.api.call("POST", "/users/create-user", body=body, is_secret=True)
    except ApiError as error:
        return await _show_form(visit, typed=typed, error=error, status=error.status)
    return visit.redirect(f"/admin/users/{user['id']}", notice="The user is made.")


async def show(visit: Visit) -> Response:
    """Show a user with their roles and API keys."""
    return await _show(visit)


async def update(visit: Visit) -> Response:
    """Change the names and the address of a user."""
    form = await visit.request.form()
    typed = {name: str(form.get(name, "")) for name in _FIELDS if name != "username"}
    body = {name: value or None for name, value in typed.items()}
    try:
        await visit.api.call("PUT", f"/users/{_user_id(visit)}", body=body)
    except ApiError as error:
        return await _show(visit, typed=typed, error=error, status=error.status)
    return visit.redirect(f"/admin/users/{_user_id(visit)}", notice="The user is changed.")


async def set_roles(visit: Visit) -> Response:
    """Grant and revoke the roles whose boxes were ticked or cleared."""
    form = await visit.request.form()
    user_id = _user_id(visit)
    before, after = (set(map(str, form.getlist(name))) for name in ("held", "roles"))
    try:
        # Granted first: a user who would be without an administrator in between is refused.
        for role_id in sorted(after - before):
            await visit.api.call("PUT", f"/rbac/users/{user_id}/roles/{role_id}")
        for role_id in sorted(before - after):
            await visit.api.call("DELETE", f"/rbac/users/{user_id}/roles/{role_id}")
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    return visit.redirect(f"/admin/users/{user_id}", notice="The roles are changed, from the next request on.")


async def set_active(visit: Visit) -> Response:
    """Deactivate a user, or let them in again."""
    form = await visit.request.form()
    is_active = form.get("is_active") == "true"
    try:
        await visit.api.call("PUT", f"/users/{_user_id(visit)}", body={"is_active": is_active})
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    notice = "The user can sign in again." if is_active else "The user is kept out, and their sessions have ended."
    return visit.redirect(f"/admin/users/{_user_id(visit)}", notice=notice)


async def reset_password(visit: Visit) -> Response:
    """Give a user a new password: the one that was typed, or else a random one, which is shown this once."""
    form = await visit.request.form()
    typed = str(form.get("new_password", ""))
    new_password = typed or secrets.token_urlsafe(15)
    user = await visit.api.get(f"/users/{_user_id(visit)}")
    sent = {"user_name": user["username"], "new_password": new_password}
    try:
        await visit.api.call("POST", "/reset-password", form=sent)
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    if typed:
        notice = "The password is set, and the sessions of the user have ended."
        return visit.redirect(f"/admin/users/{_user_id(visit)}", notice=notice)
    return await _show(visit, new_password=new_password)


async def revoke_key(visit: Visit) -> Response:
    """Revoke an API key of a user."""
    await visit.api.call("DELETE", f"/api-keys/{visit.request.path_params['key_id']}")
    return visit.redirect(f"/admin/users/{_user_id(visit)}", notice="The key is revoked.")


async def end_sessions(visit: Visit) -> Response:
    """End all sessions of a user."""
    answer = await visit.api.call("DELETE", "/sessions", query={"user_id": _user_id(visit)})
    notice = f"Sessions that have ended: {answer['ended']}."
    return visit.redirect(f"/admin/users/{_user_id(visit)}", notice=notice)


def _user_id(visit: Visit) -> int:
    return visit.request.path_params["user_id"]


async def _roles(visit: Visit) -> list[dict[str, Any]]:
    """Return the roles of the tenant as far as the user may know them: names without ids for others than managers."""
    if visit.may(Permission.MANAGE_ROLES):
        return (await visit.api.get("/rbac/roles", limit=_MAX_ROLES))["data"]
    return [{"id": None, "name": role.value} for role in BuiltinRole]


async def _show_form(
    visit: Visit, *, typed: Mapping[str, Any] | None = None, error: ApiError | None = None, status: int = 200
) -> Response:
    if typed is None:
        typed = dict.fromkeys(_FIELDS, "") | {"roles": [BuiltinRole.ANALYST.value]}
    roles = await _roles(visit)
    return visit.render("user_new.html", status, typed=typed, error=error, roles=roles)


async def _show(
    visit: Visit,
    *,
    typed: Mapping[str, str] | None = None,
    error: ApiError | None = None,
    new_password: str | None = None,
    status: int = 200,
) -> Response:
    user_id = _user_id(visit)
    user, keys, sessions, roles = await asyncio.gather(
        visit.api.get(f"/users/{user_id}"),
        visit.api.get("/api-keys/list", user_id=user_id, limit=_MAX_ROWS),
        visit.api.get("/sessions/list", user_id=user_id, limit=_MAX_ROWS),
        _roles(visit),
    )
    return visit.render(
        "user.html",
        status,
        user=user,
        typed=typed or {name: user[name] or "" for name in _FIELDS},
        roles=roles,
        keys=[key for key in keys["data"] if key["revoked_at"] is None],
        sessions=sessions["data"],
        error=error,
        new_password=new_password,
    )
