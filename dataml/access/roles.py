"""Roles of a tenant, the permissions they hold, and the users who have them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import names
from dataml.access.models import Role, RolePermission, Tenant, TenantPermission, User, UserRole
from dataml.access.permissions import BuiltinRole, Permission
from dataml.access.service import Principal
from dataml.audit import service as audit
from dataml.db import every_tenant
from dataml.db.scope import Page, Scope
from dataml.db.upsert import insert
from dataml.errors import Conflict, Forbidden, Invalid, NotFound
from dataml.suggestions import MAX_COMPARED_NAMES, describe_unknown

_PERMISSION_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,99}", re.ASCII)


@dataclass(frozen=True)
class RoleWithPermissions:
    """A role and the names of the permissions it holds."""

    role: Role
    permissions: tuple[str, ...]


async def seed(session: AsyncSession, tenant_id: str) -> None:
    """Give a new tenant the built-in permissions and roles."""
    permissions = {name: TenantPermission(tenant_id=tenant_id, name=name.value) for name in Permission}
    roles = {name: Role(tenant_id=tenant_id, name=name.value, name_key=name.value) for name in BuiltinRole}
    # One at a time: ids in the order of the lists, whatever the database does with a bulk insert.
    for row in (*permissions.values(), *roles.values()):
        session.add(row)
        await session.flush()
    for name, role in roles.items():
        for permission in sorted(name.permissions):
            held = permissions[permission].id
            session.add(RolePermission(tenant_id=tenant_id, role_id=role.id, permission_id=held))
    await session.flush()


async def create(session: AsyncSession, user: Principal, tenant_id: str, name: str) -> Role:
    """Make a role without permissions.

    The name of a built-in role returns that role, since every tenant has it already.

    Raises:
        Invalid: `bad_role_name`.
        Conflict: `role_exists`.
    """
    shown, name_key = names.display(name), names.key(name)
    if not 1 <= len(shown) <= 100 or len(name_key) > 100 or not names.is_printable(shown):
        raise Invalid("A role's name has 1 to 100 characters, none of them invisible.", code="bad_role_name")
    in_tenant = Scope(tenant_id, user.username)
    existing = await in_tenant.find(session, Role, Role.name_key == name_key)
    if existing is not None and is_builtin(existing):
        return existing
    role = Role(tenant_id=tenant_id, name=shown, name_key=name_key)
    session.add(role)
    try:
        await session.flush()
    except IntegrityError as error:
        raise Conflict(f"There is a role named {shown!r} already; choose another name.", code="role_exists") from error
    audit.record(session, user.scope, "role.create", f"role:{role.id}", tenant_id=tenant_id, name=shown)
    return role


async def delete(session: AsyncSession, user: Principal, role_id: int) -> RoleWithPermissions:
    """Delete a role that nobody has, and return what it was.

    Raises:
        NotFound: `role_not_found`.
        Conflict: `builtin_role`, `role_in_use`.
        Forbidden: `permission_not_held`: it holds more than the caller.
    """
    await lock(session, user.tenant_id)
    role = await user.scope.get(session, Role, role_id, "role")
    if is_builtin(role):
        raise Conflict("Every tenant has this role; it cannot be deleted.", code="builtin_role")
    deleted = await with_permissions(session, role)
    user.require_all(deleted.permissions)
    of_role = {"tenant_id": role.tenant_id, "role_id": role.id}
    users = await session.scalar(every_tenant.select(func.count()).select_from(UserRole).filter_by(**of_role))
    if users:
        detail = f"There are users with this role ({users}); take it from them first."
        raise Conflict(detail, code="role_in_use")
    await session.execute(every_tenant.delete(RolePermission).filter_by(**of_role))
    await session.execute(user.scope.delete(Role).where(Role.id == role.id))
    audit.record(session, user.scope, "role.delete", f"role:{role.id}", name=role.name)
    return deleted


async def create_permission(session: AsyncSession, user: Principal, tenant_id: str, name: str) -> TenantPermission:
    """Make a permission of the tenant's own, which its `admin` role holds from now on.

    The name of a built-in permission returns that one, since every tenant has it already.

    Raises:
        Invalid: `bad_permission_name`.
        Conflict: `permission_exists`.
    """
    name = name.strip()
    if not _PERMISSION_NAME.fullmatch(name):
        detail = (
            "A permission's name is like can_read_reports: lower-case letters, digits and underscores, at most 100."
        )
        raise Invalid(detail, code="bad_permission_name")
    in_tenant = Scope(tenant_id, user.username)
    if name in set(Permission):
        return (await session.scalars(in_tenant.select(TenantPermission).where(TenantPermission.name == name))).one()
    permission = TenantPermission(tenant_id=tenant_id, name=name)
    session.add(permission)
    try:
        await session.flush()
    except IntegrityError as error:
        raise Conflict(f"There is a permission named {name!r} already.", code="permission_exists") from error
    admin = (await session.scalars(in_tenant.select(Role).where(Role.name_key == BuiltinRole.ADMIN.value))).one()
    session.add(RolePermission(tenant_id=tenant_id, role_id=admin.id, permission_id=permission.id))
    audit.record(
        session, user.scope, "permission.create", f"permission:{permission.id}", tenant_id=tenant_id, name=name
    )
    return permission


async def list_roles(session: AsyncSession, scope: Scope, page: Page) -> tuple[int, list[RoleWithPermissions]]:
    """List the roles of the tenant, the built-in ones first."""
    total, roles = await scope.list(session, Role, page, newest_first=False)
    return total, await _with_permissions(session, roles)


async def list_permissions(session: AsyncSession, scope: Scope, page: Page) -> tuple[int, list[TenantPermission]]:
    """List the permissions of the tenant, the built-in ones first."""
    return await scope.list(session, TenantPermission, page, newest_first=False)


async def with_permissions(session: AsyncSession, role: Role) -> RoleWithPermissions:
    """Return a role with its permissions."""
    return (await _with_permissions(session, [role]))[0]


async def set_permission(
    session: AsyncSession, user: Principal, role_id: int, permission_id: int, *, granted: bool
) -> RoleWithPermissions:
    """Grant a permission to a role, or revoke it; both can be repeated.

    Raises:
        NotFound: `role_not_found`, `permission_not_found`.
        Conflict: `builtin_role`: `admin` holds everything, always.
        Forbidden: `permission_not_held`.
    """
    await lock(session, user.tenant_id)
    role = await user.scope.get(session, Role, role_id, "role")
    permission = await user.scope.get(session, TenantPermission, permission_id, "permission")
    if role.name_key == BuiltinRole.ADMIN:
        raise Conflict("The role admin holds every permission; make a role of your own.", code="builtin_role")
    user.require_all([permission.name])
    row = {"tenant_id": role.tenant_id, "role_id": role.id, "permission_id": permission.id}
    if await _set_row(session, RolePermission, row, granted):
        action = "role.grant" if granted else "role.revoke"
        audit.record(session, user.scope, action, f"role:{role.id}", permission=permission.name)
    return await with_permissions(session, role)


async def set_role(session: AsyncSession, user: Principal, user_id: int, role_id: int, *, granted: bool) -> User:
    """Give a role to a user of the tenant, or take it away; both can be repeated.

    Raises:
        NotFound: `user_not_found`, `role_not_found`.
        Forbidden: `permission_not_held`: the role holds more than the caller, or the user is a platform admin.
        Conflict: `last_admin`.
    """
    await lock(session, user.tenant_id)
    changed = await user.scope.get(session, User, user_id, "user")
    role = await user.scope.get(session, Role, role_id, "role")
    user.require_all(await permissions_of_roles(session, user.scope, [role.id]))
    require_rank(user, changed)
    row = {"tenant_id": role.tenant_id, "user_id": changed.id, "role_id": role.id}
    if await _set_row(session, UserRole, row, granted):
        if not granted:
            await require_an_admin(session, user.tenant_id)
        action = "user.grant" if granted else "user.revoke"
        audit.record(session, user.scope, action, f"user:{changed.id}", role=role.name)
    return changed


async def assign(session: AsyncSession, user: User, roles: Sequence[Role]) -> None:
    """Give a new user their roles."""
    session.add_all(UserRole(tenant_id=user.tenant_id, user_id=user.id, role_id=role.id) for role in roles)
    await session.flush()


async def give_admin(session: AsyncSession, user: User) -> None:
    """Give a user the role `admin`; a repetition changes nothing."""
    (admin,) = await find_by_names(session, Scope(user.tenant_id, ""), [BuiltinRole.ADMIN.value])
    await _set_row(session, UserRole, {"tenant_id": user.tenant_id, "user_id": user.id, "role_id": admin.id}, True)


async def find_by_names(
    session: AsyncSession, scope: Scope, wanted: Iterable[str], *, may_list: bool = False
) -> list[Role]:
    """Return the roles of these names.

    Args:
        session: the transaction.
        scope: the tenant.
        wanted: the names, in any case.
        may_list: whether the caller may list the tenant's roles; else only built-in ones are suggested.

    Raises:
        NotFound: `role_not_found`, with the name.
    """
    by_key = {names.key(name): name for name in wanted}
    matches = (await session.scalars(scope.select(Role).where(Role.name_key.in_(by_key)))).all()
    missing = sorted(by_key.keys() - {role.name_key for role in matches})
    if missing:
        known: Sequence[str] = [role.value for role in BuiltinRole]
        if may_list:
            known = (await session.scalars(scope.select_columns(Role, Role.name).limit(MAX_COMPARED_NAMES))).all()
        raise NotFound(describe_unknown("role", by_key[missing[0]], known), code="role_not_found")
    return list(matches)


async def permissions_of_roles(session: AsyncSession, scope: Scope, role_ids: Sequence[int]) -> set[str]:
    """Return the names of the permissions that these roles hold together."""
    names_of = scope.select_columns(TenantPermission, TenantPermission.name).join(RolePermission, _held())
    return set((await session.scalars(names_of.where(RolePermission.role_id.in_(role_ids)))).all())


async def permissions_of_user(session: AsyncSession, scope: Scope, user_id: int) -> set[str]:
    """Return the names of the permissions that a user holds."""
    role_ids = scope.select_columns(Role, Role.id).join(UserRole, _has()).where(UserRole.user_id == user_id)
    return await permissions_of_roles(session, scope, list((await session.scalars(role_ids)).all()))


async def role_names(session: AsyncSession, scope: Scope, user_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of each user's roles."""
    rows = scope.select_columns(Role, UserRole.user_id, Role.name).join(UserRole, _has())
    names_by_user: dict[int, list[str]] = {user_id: [] for user_id in user_ids}
    for user_id, name in await session.execute(rows.where(UserRole.user_id.in_(user_ids)).order_by(Role.id)):
        names_by_user[user_id].append(name)
    return names_by_user


async def lock(session: AsyncSession, tenant_id: str) -> None:
    """Lock the tenant's row until the end of the transaction.

    It serialises what is decided for the tenant as a whole: roles and permissions, the next version of a predictor,
    whether a file fits the quota.
    """
    # Rows that refer to the tenant may be added meanwhile: a login should not wait.
    tenant = every_tenant.select(Tenant.id).where(Tenant.id == tenant_id)
    await session.execute(tenant.with_for_update(key_share=True))


def require_rank(user: Principal, other: User) -> None:
    """Refuse to let anybody but a platform admin change a platform admin.

    Raises:
        Forbidden: `permission_not_held`.
    """
    if other.is_platform_admin and not user.is_platform_admin:
        raise Forbidden("This is an administrator of the platform.", code="permission_not_held")


async def require_an_admin(session: AsyncSession, tenant_id: str) -> None:
    """Refuse a change that leaves the tenant without an administrator.

    Raises:
        Conflict: `last_admin`: no active user of the tenant would have the role `admin`.
    """
    admins = (
        Scope(tenant_id, "")
        .select_columns(User, func.count())
        .join(UserRole, and_(UserRole.tenant_id == User.tenant_id, UserRole.user_id == User.id))
        .join(Role, _has())
        .where(User.is_active, Role.name_key == BuiltinRole.ADMIN.value)
    )
    if not await session.scalar(admins):
        detail = "The tenant would be without an administrator; give the role admin to somebody else first."
        raise Conflict(detail, code="last_admin")


def is_builtin(role: Role) -> bool:
    """Return whether a role is one that every tenant begins with."""
    return role.name_key in set(BuiltinRole)


async def _with_permissions(session: AsyncSession, roles: Sequence[Role]) -> list[RoleWithPermissions]:
    names_by_role: dict[int, list[str]] = {role.id: [] for role in roles}
    if roles:
        rows = Scope(roles[0].tenant_id, "").select_columns(
            TenantPermission, RolePermission.role_id, TenantPermission.name
        )
        rows = (
            rows.join(RolePermission, _held())
            .where(RolePermission.role_id.in_(names_by_role))
            .order_by(TenantPermission.id)
        )
        for role_id, name in await session.execute(rows):
            names_by_role[role_id].append(name)
    return [RoleWithPermissions(role, tuple(names_by_role[role.id])) for role in roles]


async def _set_row(
    session: AsyncSession, model: type[RolePermission] | type[UserRole], row: dict[str, Any], present: bool
) -> bool:
    """Insert or delete a row; return whether that changed anything."""
    if present:
        changed = await session.execute(
            insert(session, model).values(row).on_conflict_do_nothing().returning(model.tenant_id)
        )
    else:
        changed = await session.execute(every_tenant.delete(model).filter_by(**row).returning(model.tenant_id))
    return changed.first() is not None


def _held() -> ColumnElement[bool]:
    return and_(
        RolePermission.tenant_id == TenantPermission.tenant_id, RolePermission.permission_id == TenantPermission.id
    )


def _has() -> ColumnElement[bool]:
    return and_(UserRole.tenant_id == Role.tenant_id, UserRole.role_id == Role.id)
