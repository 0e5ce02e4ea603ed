"""Roles and the permissions they hold, as a matrix."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import BuiltinRole
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.visit import Visit

_MAX_ROLES: Final = 20
_MAX_PERMISSIONS: Final = 100
# Each cell of the matrix is sent in two fields at most.
_MAX_FIELDS: Final = 2 * _MAX_ROLES * _MAX_PERMISSIONS


async def show(visit: Visit) -> Response:
    """Show which role holds which permission."""
    return await _show(visit)


async def change(visit: Visit) -> Response:
    """Grant and revoke what was ticked or cleared; what was left as it was shown is not touched."""
    form = await visit.request.form(max_fields=_MAX_FIELDS)
    before, after = (set(map(str, form.getlist(name))) for name in ("held", "holds"))
    try:
        for method, cells in (("PUT", after - before), ("DELETE", before - after)):
            for cell in sorted(cells):
                role_id, _, permission_id = cell.partition(":")
                await visit.api.call(method, f"/rbac/roles/{int(role_id)}/permissions/{int(permission_id)}")
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    except ValueError:
        return visit.redirect("/admin/roles")
    return visit.redirect("/admin/roles", notice="The permissions are changed, from the next request on.")


async def create_role(visit: Visit) -> Response:
    """Make a role."""
    return await _create(visit, "/rbac/roles", "The role is made. Give it permissions below.")


async def delete_role(visit: Visit) -> Response:
    """Delete a role that nobody has."""
    try:
        await visit.api.call("DELETE", f"/rbac/roles/{visit.request.path_params['role_id']}")
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    return visit.redirect("/admin/roles", notice="The role is deleted.")


async def create_permission(visit: Visit) -> Response:
    """Make a permission of the tenant's own."""
    return await _create(visit, "/rbac/permissions", "The permission is made.")


async def _create(visit: Visit, path: str, notice: str) -> Response:
    form = await visit.request.form()
    name = str(form.get("name", ""))
    try:
        await visit.api.call("POST", path, body={"name": name, "tenant_id": visit.principal.tenant_id})
    except ApiError as error:
        return await _show(visit, typed={path: name}, error=error, status=error.status)
    return visit.redirect("/admin/roles", notice=notice)


async def _show(
    visit: Visit, *, typed: Mapping[str, str] | None = None, error: ApiError | None = None, status: int = 200
) -> Response:
    rows = await listing.read(visit.request, visit.api, "/rbac/roles", (), page="/admin/roles", limit=_MAX_ROLES)
    permissions = await visit.api.get("/rbac/permissions", limit=_MAX_PERMISSIONS)
    context: dict[str, Any] = {
        "listing": rows,
        "permissions": permissions["data"],
        "hidden_permissions": permissions["total"] - len(permissions["data"]),
        "typed": typed or {},
    }
    return visit.render("roles.html", status, error=error, builtin=[role.value for role in BuiltinRole], **context)
