"""Installation: the home folder, the token key, the schema, and on the first start a tenant and an administrator."""

import asyncio
import os
import secrets
from pathlib import Path

from dataml.access import tenants, users
from dataml.access.passwords import hash_password
from dataml.access.permissions import BuiltinRole
from dataml.access.tokens import TokenKeys, write_secret
from dataml.db import schema
from dataml.db.session import Database
from dataml.errors import StartupError, Unavailable
from dataml.settings import Settings
from dataml.storage.storage import Storage

DEFAULT_TENANT = "default"
ADMIN = "admin"
ADMIN_PASSWORD_FILE = "admin-password"


def prepare(settings: Settings) -> None:
    """Bring `home` and database to this version; safe to repeat, and to repeat after a crash at any point.

    Raises:
        StartupError: the home or the object store cannot be written, the database is of a newer version or out of
            reach, or the key of an installation that has users is missing or damaged.
    """
    _make_home(settings)
    with schema.alone(settings):
        schema.migrate(settings)
        asyncio.run(_first_start(settings))
    TokenKeys.load(settings.key_file)


def _make_home(settings: Settings) -> None:
    try:
        Storage.from_settings(settings).prepare()
        settings.root.chmod(0o700)
        probe = settings.root / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        detail = f"DATAML_HOME {settings.root} cannot be written: {error.strerror}{_owner_hint(settings.root)}"
        raise StartupError(detail) from error


def _owner_hint(home: Path) -> str:
    """Return in words to which other user a home belongs; nothing when it is this one's, or cannot be found out."""
    try:
        owner = home.stat().st_uid
    except OSError:
        return ""
    return f"; it belongs to user {owner}, and this is user {os.geteuid()}" if owner != os.geteuid() else ""


async def _first_start(settings: Settings) -> None:
    database = Database(settings)
    try:
        async with database.reading() as session:
            if await users.exist(session):
                return
        _refuse_files_of_another_database(settings)
        if not settings.key_file.exists():
            TokenKeys.create(settings.key_file)
        # The password is on disk before the user is committed: a crash between the two locks nobody out.
        password = _admin_password(settings)
        async with database.transaction() as session:
            if await users.exist(session):
                return
            tenant = await tenants.add(session, DEFAULT_TENANT)
            admin = BuiltinRole.ADMIN
            await users.add_builtin(session, tenant.id, ADMIN, hash_password(password), admin, is_platform_admin=True)
    finally:
        await database.close()


def _refuse_files_of_another_database(settings: Settings) -> None:
    """Refuse an empty database beside files: they would be taken for orphans, and removed a day later.

    Raises:
        StartupError: there are files of uploads or jobs, or the object store cannot be reached.
    """
    try:
        folders = Storage.from_settings(settings).list_folders()
    except Unavailable as error:
        raise StartupError(f"the object store cannot be listed: {error.detail}") from error
    if folders:
        raise StartupError(
            "the database is empty, and storage has files of an installation; restore the database, set "
            "DATAML_DATABASE_URL to it, or use another home"
        )


def _admin_password(settings: Settings) -> str:
    if settings.admin_password is not None:
        return settings.admin_password.get_secret_value()
    path: Path = settings.root / ADMIN_PASSWORD_FILE
    if path.exists():
        return path.read_text().strip()
    password = secrets.token_urlsafe(18)
    write_secret(path, f"{password}\n".encode())
    return password


def renew_admin_password(settings: Settings) -> None:
    """Give the first administrator a new random password, written where the first one was, and end their sessions.

    It is how an operator of the machine gets access again. A deactivated account becomes active.

    Raises:
        StartupError: there is no such user yet.
    """
    password = secrets.token_urlsafe(18)
    asyncio.run(_renew_admin_password(settings, hash_password(password)))
    write_secret(settings.root / ADMIN_PASSWORD_FILE, f"{password}\n".encode(), replace=True)


async def _renew_admin_password(settings: Settings, password_hash: str) -> None:
    schema.check(settings)
    database = Database(settings)
    try:
        with schema.translate_errors():
            async with database.transaction() as session:
                is_found = await users.recover(session, ADMIN, password_hash)
        if not is_found:
            raise StartupError("there is no administrator yet; the first start makes one")
    finally:
        await database.close()


def password_hint(settings: Settings) -> str:
    """Return where the first password of `admin` is; never the password itself."""
    path = settings.root / ADMIN_PASSWORD_FILE
    if path.exists():
        return f"user admin, password in {path}"
    return "user admin, password as DATAML_ADMIN_PASSWORD had it at the first start"
