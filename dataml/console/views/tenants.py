"""Tenants, for administrators of the platform: the list, and one tenant with its quota and its first user."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from dataml.access.permissions import BuiltinRole
from dataml.console import listing
from dataml.console.api import ApiError
from dataml.console.listing import Filter
from dataml.console.visit import Visit

_FILTERS: Final = (Filter("is_active", "Open", ("true", "false")),)
_GB: Final = 1_000_000_000


async def show_all(visit: Visit) -> Response:
    """Show the tenants, and the form of a new one."""
    return await _show_all(visit)


async def create(visit: Visit) -> Response:
    """Make a tenant, and go on to its first user."""
    form = await visit.request.form()
    name = str(form.get("name", ""))
    try:
        tenant = await visit.api.call("POST", "/tenants", body={"name": name})
    except ApiError as error:
        return await _show_all(visit, name=name, error=error, status=error.status)
    return visit.redirect(f"/admin/tenants/{tenant['id']}", notice="The tenant is made. Give it its first user.")


async def show(visit: Visit) -> Response:
    """Show a tenant."""
    return await _show(visit)


async def set_quota(visit: Visit) -> Response:
    """Set how much a tenant may store."""
    form = await visit.request.form()
    typed = str(form.get("quota_gb", "")).strip()
    try:
        quota_bytes = round(float(typed) * _GB) if typed else None
    except (ValueError, OverflowError):
        return await _show(visit, typed={"quota_gb": typed}, failure="The quota is a number of GB.", status=422)
    try:
        await visit.api.call("PUT", f"/tenants/{_tenant_id(visit)}", body={"quota_bytes": quota_bytes})
    except ApiError as error:
        return await _show(visit, typed={"quota_gb": typed}, error=error, status=error.status)
    return visit.redirect(f"/admin/tenants/{_tenant_id(visit)}", notice="The quota is set.")


async def set_active(visit: Visit) -> Response:
    """Close a tenant, or open it again."""
    form = await visit.request.form()
    is_active = form.get("is_active") == "true"
    try:
        await visit.api.call("PUT", f"/tenants/{_tenant_id(visit)}", body={"is_active": is_active})
    except ApiError as error:
        return await _show(visit, error=error, status=error.status)
    notice = "The tenant is open again." if is_active else "The tenant is closed: its users and keys are refused."
    return visit.redirect(f"/admin/tenants/{_tenant_id(visit)}", notice=notice)


async def add_administrator(visit: Visit) -> Response:
    """Give a tenant a user who administers it."""
    form = await visit.request.form()
    typed = {name: str(form.get(name, "")) for name in ("username", "email")}
    body = {
        "tenant_id": _tenant_id(visit),
        "password": str(form.get("password", "")),
        "roles": [BuiltinRole.ADMIN.value],
    }
    try:
        await visit.api.call("POST", "/users/create-user", body=body | typed, is_secret=True)
    except ApiError as error:
        return await _show(visit, typed=typed, error=error, status=error.status)
    notice = f"{typed['username']} administers the tenant now."
    return visit.redirect(f"/admin/tenants/{_tenant_id(visit)}", notice=notice)


def _tenant_id(visit: Visit) -> str:
    return visit.request.path_params["tenant_id"]


async def _show_all(visit: Visit, *, name: str = "", error: ApiError | None = None, status: int = 200) -> Response:
    names = [field.name for field in _FILTERS]
    rows = await listing.read(visit.request, visit.api, "/tenants/list", names, page="/admin/tenants")
    return visit.render("tenants.html", status, listing=rows, fields=_FILTERS, name=name, error=error)


async def _show(
    visit: Visit,
    *,
    typed: Mapping[str, str] | None = None,
    error: ApiError | None = None,
    failure: str | None = None,
    status: int = 200,
) -> Response:
    tenant: Mapping[str, Any] = await visit.api.get(f"/tenants/{_tenant_id(visit)}")
    quota = tenant["quota_bytes"]
    shown = {"username": "", "email": "", "quota_gb": f"{quota / _GB:.10g}" if quota else ""}
    return visit.render(
        "tenant.html", status, tenant=tenant, typed=shown | dict(typed or {}), error=error, failure=failure
    )
