"""Users of a tenant: make, change and deactivate them, and set their passwords."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.access import names, roles, sessions, tenants, throttle
from dataml.access.models import Role, User
from dataml.access.passwords import hash_new, hashing, verify_password
from dataml.access.permissions import BuiltinRole, Permission
from dataml.access.schemas import CreateUser, UpdateUser
from dataml.access.service import Authenticator, Principal
from dataml.audit import service as audit
from dataml.audit.service import Outcome
from dataml.db import every_tenant
from dataml.db.constraints import read_violation
from dataml.db.scope import Page, Scope
from dataml.db.session import Database
from dataml.errors import Conflict, Forbidden, Invalid, NotFound
from dataml.settings import Settings
from dataml.suggestions import MAX_COMPARED_NAMES, add_suggestion


@dataclass(frozen=True)
class UserWithRoles:
    """A user and the names of their roles."""

    user: User
    roles: list[str]


async def add(
    session: AsyncSession,
    tenant_id: str,
    username: str,
    password_hash: str,
    of_roles: Sequence[Role],
    *,
    email: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    is_platform_admin: bool = False,
) -> User:
    """Add a user with roles.

    Raises:
        Conflict: `username_taken` in any tenant, or `email_taken` in this one.
    """
    user = User(
        tenant_id=tenant_id,
        username=names.display(username),
        username_key=names.key(username),
        email=email,
        email_key=names.key(email) if email is not None else None,
        first_name=first_name,
        last_name=last_name,
        password_hash=password_hash,
        is_platform_admin=is_platform_admin,
    )
    if await session.scalar(every_tenant.select(User.id).where(User.username_key == user.username_key)) is not None:
        raise _username_taken(user.username)
    await _check_email(session, user)
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        # Another request took the name or the address first.
        raise _taken(user, error) from error
    await roles.assign(session, user, of_roles)
    return user


async def add_builtin(
    session: AsyncSession,
    tenant_id: str,
    username: str,
    password_hash: str,
    role: BuiltinRole,
    *,
    is_platform_admin: bool = False,
) -> User:
    """Add a user with one of the built-in roles, on behalf of the platform itself."""
    matches = await roles.find_by_names(session, Scope(tenant_id, ""), [role.value])
    return await add(session, tenant_id, username, password_hash, matches, is_platform_admin=is_platform_admin)


async def recover(session: AsyncSession, username: str, password_hash: str) -> bool:
    """Give an administrator of the platform access again, on request of the machine's operator; False without one."""
    user = await session.scalar(
        every_tenant.select(User).where(User.username_key == names.key(username), User.is_platform_admin)
    )
    if user is None:
        return False
    scope = Scope(user.tenant_id, "")
    user.password_hash, user.is_active = password_hash, True
    await roles.give_admin(session, user)
    await sessions.end_all(session, scope, user.id)
    audit.record(session, scope, "password.reset", f"user:{user.id}", console=True)
    return True


async def exist(session: AsyncSession) -> bool:
    """Return whether any tenant has a user."""
    return await session.scalar(every_tenant.select(User.id).limit(1)) is not None


async def create(
    database: Database, authenticator: Authenticator, user: Principal, request: CreateUser
) -> UserWithRoles:
    """Make a user on behalf of the caller.

    Raises:
        Invalid: `bad_password`.
        NotFound: `tenant_not_found`, `role_not_found`.
        Forbidden: `permission_not_held`: a role holds more than the caller.
        Conflict: `username_taken`, `email_taken`, `tenant_closed`.
    """
    # Checks come before the hash, which keeps a core busy.
    async with database.reading() as session:
        await _grantable_roles(session, user, request)
    password_hash = await hash_new(request.password.get_secret_value())
    # The hash may have waited: the permissions of the caller are read again.
    user = await authenticator.renew(user)
    user.require(Permission.MANAGE_USERS)
    async with database.transaction() as session:
        await roles.lock(session, user.tenant_id)
        tenant_id, given = await _grantable_roles(session, user, request)
        created = await add(
            session,
            tenant_id,
            request.username,
            password_hash,
            given,
            email=request.email,
            first_name=request.first_name,
            last_name=request.last_name,
        )
        given_names = [role.name for role in given]
        detail = {"username": created.username, "roles": given_names}
        audit.record(session, user.scope, "user.create", f"user:{created.id}", tenant_id=tenant_id, **detail)
    return UserWithRoles(created, given_names)


async def list_users(session: AsyncSession, scope: Scope, page: Page) -> tuple[int, list[UserWithRoles]]:
    """List the users of the tenant, in the order they were made."""
    total, users = await scope.list(session, User, page, newest_first=False)
    of_user = await roles.role_names(session, scope, [user.id for user in users])
    return total, [UserWithRoles(user, of_user[user.id]) for user in users]


async def get(session: AsyncSession, scope: Scope, user_id: int) -> UserWithRoles:
    """Return a user of the tenant.

    Raises:
        NotFound: `user_not_found`.
    """
    return await with_roles(session, await scope.get(session, User, user_id, "user"))


async def with_roles(session: AsyncSession, user: User) -> UserWithRoles:
    """Return a user with the names of their roles."""
    of_user = await roles.role_names(session, Scope(user.tenant_id, ""), [user.id])
    return UserWithRoles(user, of_user[user.id])


async def update(session: AsyncSession, user: Principal, user_id: int, request: UpdateUser) -> UserWithRoles:
    """Change the fields that the request names.

    A deactivated user has no access from the commit on: sessions end, and API keys are not accepted.

    Raises:
        NotFound: `user_not_found`.
        Forbidden: `permission_not_held`: that user holds more than the caller.
        Conflict: `email_taken`, `last_admin`.
    """
    await roles.lock(session, user.tenant_id)
    changed = await user.scope.get(session, User, user_id, "user")
    await require_authority_over(session, user, changed)
    fields = request.model_dump(exclude_unset=True)
    active = fields.pop("is_active", changed.is_active)
    if "email" in fields:
        fields["email_key"] = names.key(request.email) if request.email is not None else None
    for name, value in fields.items():
        setattr(changed, name, value)
    if "email" in fields:
        await _check_email(session, changed)
        try:
            await session.flush()
        except IntegrityError as error:
            raise _taken(changed, error) from error
    if active is not changed.is_active:
        changed.is_active = active
        await session.flush()
        if not active:
            await sessions.end_all(session, user.scope, changed.id)
            await roles.require_an_admin(session, user.tenant_id)
        action = "user.activate" if active else "user.deactivate"
        audit.record(session, user.scope, action, f"user:{changed.id}")
    if fields:
        named = sorted(fields.keys() - {"email_key"})
        audit.record(session, user.scope, "user.update", f"user:{changed.id}", fields=named)
    return await with_roles(session, changed)


async def reset_password(
    database: Database,
    settings: Settings,
    authenticator: Authenticator,
    user: Principal,
    username: str,
    new_password: str,
    current_password: str | None,
) -> None:
    """Set a password, and end all sessions of that user.

    The own password needs the current one. Another user's needs `can_manage_users`, and every permission that user has.

    Raises:
        Invalid: `bad_password`, `current_password_needed`.
        Forbidden: `missing_permission`, `wrong_current_password`, `permission_not_held`.
        NotFound: `user_not_found`.
        TooManyRequests: `too_many_logins`.
    """
    async with database.reading() as session:
        owner = await _find_password_owner(session, user, username)
    if owner.id == user.user_id:
        if current_password is None:
            raise Invalid("Send current_password too.", code="current_password_needed")
        await _check_current_password(database, settings, user, owner, current_password)
    replaced = owner.password_hash
    password_hash = await hash_new(new_password)
    # The hash may have waited: the permissions of the caller are read again.
    user = await authenticator.renew(user)
    async with database.transaction() as session:
        await roles.lock(session, user.tenant_id)
        owner = await _find_password_owner(session, user, username)
        owner = await user.scope.hold(session, User, owner.id, "user")
        if owner.id == user.user_id and owner.password_hash != replaced:
            # The password was changed meanwhile: the current one is not the one that was checked.
            raise _wrong_current_password()
        owner.password_hash = password_hash
        await sessions.end_all(session, user.scope, owner.id)
        audit.record(session, user.scope, "password.reset", f"user:{owner.id}")


async def _grantable_roles(session: AsyncSession, user: Principal, request: CreateUser) -> tuple[str, list[Role]]:
    """Return the tenant of a new user and the roles, after checking that the caller may give them."""
    tenant_id = await tenants.named_in_body(session, user, request.tenant_id)
    in_tenant = Scope(tenant_id, user.username)
    may_list = tenant_id == user.tenant_id and Permission.MANAGE_ROLES in user.permissions
    matches = await roles.find_by_names(session, in_tenant, request.roles, may_list=may_list)
    if tenant_id == user.tenant_id:
        user.require_all(await roles.permissions_of_roles(session, in_tenant, [role.id for role in matches]))
    return tenant_id, matches


async def _find_password_owner(session: AsyncSession, user: Principal, username: str) -> User:
    username_key = names.key(username)
    owner = await user.scope.find(session, User, User.username_key == username_key)
    if owner is not None and owner.id == user.user_id:
        return owner
    user.require(Permission.MANAGE_USERS)
    if owner is None:
        known = user.scope.select_columns(User, User.username).limit(MAX_COMPARED_NAMES)
        detail = add_suggestion("There is no user of this name.", username, (await session.scalars(known)).all())
        raise NotFound(detail, code="user_not_found")
    await require_authority_over(session, user, owner)
    return owner


async def resolve_owner(session: AsyncSession, user: Principal, user_id: int | None) -> int:
    """Return whose keys or sessions are to be listed: the caller's, or those of `user_id` for who may manage users.

    Raises:
        Forbidden: `missing_permission`.
        NotFound: `user_not_found`.
    """
    if user_id is None or user_id == user.user_id:
        return user.user_id
    user.require(Permission.MANAGE_USERS)
    return (await user.scope.get(session, User, user_id, "user")).id


async def require_authority_over_owner(session: AsyncSession, user: Principal, user_id: int) -> None:
    """Refuse to end a key or a session of another user, unless the caller may change that user.

    Raises:
        NotFound: `user_not_found`.
        Forbidden: `missing_permission`, `permission_not_held`.
    """
    if user_id != user.user_id:
        user.require(Permission.MANAGE_USERS)
        await require_authority_over(session, user, await user.scope.get(session, User, user_id, "user"))


async def require_authority_over(session: AsyncSession, user: Principal, owner: User) -> None:
    """Refuse a change of a user who holds more than the caller, and of the own user by an API key.

    Otherwise a user manager could become any user, and an API key its owner.

    Raises:
        Forbidden: `permission_not_held`.
    """
    if owner.id == user.user_id and user.session_id is not None:
        return
    roles.require_rank(user, owner)
    user.require_all(await roles.permissions_of_user(session, user.scope, owner.id))


async def _check_current_password(
    database: Database, settings: Settings, user: Principal, owner: User, current_password: str
) -> None:
    """Check the current password; failures count as failed logins, so that a stolen session cannot guess it."""
    async with hashing():
        async with database.reading() as session:
            counted = await throttle.subjects(session, owner.username_key, owner.id, user.origin.address)
            await throttle.check(session, settings, counted)
        check = await verify_password(current_password, owner.password_hash)
        if check.is_match:
            return
        async with database.transaction() as session:
            await throttle.record_failure(session, counted)
            audit.record(session, user.scope, "password.reset", f"user:{owner.id}", Outcome.FAILURE)
    raise _wrong_current_password()


def _wrong_current_password() -> Forbidden:
    return Forbidden("The current password is not right.", code="wrong_current_password")


async def _check_email(session: AsyncSession, user: User) -> None:
    if user.email_key is None:
        return
    same = Scope(user.tenant_id, "").select_columns(User, func.count()).where(User.email_key == user.email_key)
    with session.no_autoflush:
        if await session.scalar(same.where(User.id != user.id) if user.id is not None else same):
            raise _email_taken()


def _taken(user: User, error: IntegrityError) -> Conflict:
    """Return the error for the constraint that was violated."""
    return _email_taken() if read_violation(error).is_duplicate("email_key") else _username_taken(user.username)


def _email_taken() -> Conflict:
    return Conflict("Another user of the tenant has this e-mail address.", code="email_taken")


def _username_taken(username: str) -> Conflict:
    return Conflict(f"The username {username!r} is taken; choose another.", code="username_taken")
