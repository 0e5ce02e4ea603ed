"""Calls for roles, permissions, and who has them."""

from typing import Annotated

from fastapi import Depends

from dataml.access import roles, tenants, users
from dataml.access.dependencies import RoleManager
from dataml.access.models import Role, TenantPermission
from dataml.access.roles import RoleWithPermissions
from dataml.access.schemas import (
    NamedInTenant,
    PermissionAnswer,
    PermissionList,
    RoleAnswer,
    RoleList,
    UserAnswer,
)
from dataml.access.service import Principal
from dataml.db.scope import Page
from dataml.db.session import Database
from dataml.http.dependencies import Db
from dataml.http.lists import Filter, ListQuery
from dataml.http.routing import Router

router = Router(prefix="/rbac", tags=["RBAC"])
PermissionPage = Annotated[
    Page,
    Depends(
        ListQuery(
            TenantPermission,
            search=("name",),
            filters={"name": Filter("name")},
            sort=("id", "name"),
        )
    ),
]
RolePage = Annotated[
    Page,
    Depends(
        ListQuery(
            Role,
            search=("name",),
            filters={"name": Filter("name")},
            sort=("id", "name"),
        )
    ),
]


@router.post("/roles", status_code=201)
async def create_role(request: NamedInTenant, user: RoleManager, database: Db) -> RoleAnswer:
    """Make a role without permissions. The name of a built-in role answers that role."""
    async with database.transaction() as session:
        tenant_id = await tenants.named_in_body(session, user, request.tenant_id)
        role = await roles.create(session, user, tenant_id, request.name)
        return _answer(await roles.with_permissions(session, role))


@router.get("/roles")
async def list_roles(user: RoleManager, database: Db, page: RolePage) -> RoleList:
    """List the roles of the tenant with their permissions, the built-in ones first."""
    async with database.reading() as session:
        total, rows = await roles.list_roles(session, user.scope, page)
    return RoleList(total=total, data=[_answer(row) for row in rows])


@router.delete("/roles/{role_id}")
async def delete_role(role_id: int, user: RoleManager, database: Db) -> RoleAnswer:
    """Delete a role that no user has, and that holds no more than you do. Built-in roles stay."""
    async with database.transaction() as session:
        return _answer(await roles.delete(session, user, role_id))


@router.post("/permissions", status_code=201)
async def create_permission(request: NamedInTenant, user: RoleManager, database: Db) -> PermissionAnswer:
    """Make a permission of the tenant's own, for applications that read the answer of `/login/test-token`.

    Calls of the platform check the built-in permissions only. The name of a built-in permission answers that one.
    """
    async with database.transaction() as session:
        tenant_id = await tenants.named_in_body(session, user, request.tenant_id)
        permission = await roles.create_permission(session, user, tenant_id, request.name)
    return PermissionAnswer.of(permission)


@router.get("/permissions")
async def list_permissions(user: RoleManager, database: Db, page: PermissionPage) -> PermissionList:
    """List the permissions of the tenant, the built-in ones first."""
    async with database.reading() as session:
        total, permissions = await roles.list_permissions(session, user.scope, page)
    return PermissionList(total=total, data=[PermissionAnswer.of(row) for row in permissions])


@router.put("/roles/{role_id}/permissions/{permission_id}")
async def grant_permission(role_id: int, permission_id: int, user: RoleManager, database: Db) -> RoleAnswer:
    """Grant a role a permission that you hold."""
    return await _set_permission(database, user, role_id, permission_id, granted=True)


@router.delete("/roles/{role_id}/permissions/{permission_id}")
async def revoke_permission(role_id: int, permission_id: int, user: RoleManager, database: Db) -> RoleAnswer:
    """Revoke a permission that you hold from a role; its users lose it with their next request."""
    return await _set_permission(database, user, role_id, permission_id, granted=False)


@router.put("/users/{user_id}/roles/{role_id}")
async def grant_role(user_id: int, role_id: int, user: RoleManager, database: Db) -> UserAnswer:
    """Give a user a role that holds no more than you do."""
    return await _set_role(database, user, user_id, role_id, granted=True)


@router.delete("/users/{user_id}/roles/{role_id}")
async def revoke_role(user_id: int, role_id: int, user: RoleManager, database: Db) -> UserAnswer:
    """Revoke a role that holds no more than you do from a user, with effect from their next request."""
    return await _set_role(database, user, user_id, role_id, granted=False)


async def _set_permission(
    database: Database, user: Principal, role_id: int, permission_id: int, *, granted: bool
) -> RoleAnswer:
    async with database.transaction() as session:
        return _answer(await roles.set_permission(session, user, role_id, permission_id, granted=granted))


async def _set_role(database: Database, user: Principal, user_id: int, role_id: int, *, granted: bool) -> UserAnswer:
    async with database.transaction() as session:
        changed = await roles.set_role(session, user, user_id, role_id, granted=granted)
        with_roles = await users.with_roles(session, changed)
    return UserAnswer.of(with_roles.user, with_roles.roles)


def _answer(row: RoleWithPermissions) -> RoleAnswer:
    role: Role = row.role
    return RoleAnswer(id=role.id, tenant_id=role.tenant_id, name=role.name, permissions=list(row.permissions))
