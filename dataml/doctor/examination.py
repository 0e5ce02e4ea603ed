"""The examination of an installation: all checks, in an order in which each can rely on those before it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dataml.access import users
from dataml.db import inspection, schema
from dataml.doctor.files import check_files, describe_orphans
from dataml.doctor.findings import Check, Finding, Severity, error, warning
from dataml.doctor.home import check_home, check_keys, check_space
from dataml.doctor.lake import check_lake
from dataml.doctor.platform import check_platform
from dataml.doctor.references import find_waiting_rows, list_references
from dataml.errors import Unavailable
from dataml.runner.orphans import find_orphans
from dataml.settings import Settings
from dataml.storage.storage import Storage
from dataml.tables import METADATA


def examine(settings: Settings, *, hashes: bool = False) -> list[Finding]:
    """Return everything that is not as it should be, of an installation that runs or is stopped; nothing is changed.

    With `hashes`, the content of files is compared with the hashes that rows and bundles have.
    """
    if not settings.root.exists():
        return [warning(Check.HOME, f"there is no {settings.root} yet", "dataml up makes it")]
    findings = [*check_home(settings), *check_space(settings), *check_platform(settings)]
    if not settings.root.is_dir():
        return findings
    return findings + asyncio.run(_examine_database(settings, hashes=hashes)) + list(check_lake(settings))


async def _examine_database(settings: Settings, *, hashes: bool) -> list[Finding]:
    if settings.is_sqlite and not (file := inspection.sqlite_file(settings)).exists():
        advice = "dataml up makes it; if this home was in use, restore it from a backup first"
        return [warning(Check.DATABASE, f"there is no {file} yet", advice), *check_keys(settings, has_users=False)]
    engine = inspection.open_read_only(settings)
    try:
        async with engine.connect() as connection:
            findings = await _check_schema(connection)
            if any(each.severity is Severity.ERROR for each in findings):
                return [*findings, *check_keys(settings, has_users=False)]
            async with AsyncSession(connection) as session:
                findings += check_keys(settings, has_users=await users.exist(session))
                return findings + await _examine_files(session, settings, hashes=hashes)
    except (SQLAlchemyError, OSError) as failure:
        reason = " ".join(str(getattr(failure, "orig", failure)).split())
        advice = "restore it from a backup" if settings.is_sqlite else "look at DATAML_DATABASE_URL and at the server"
        return [
            error(Check.DATABASE, f"the database cannot be read: {reason}", advice),
            *check_keys(settings, has_users=False),
        ]
    finally:
        await engine.dispose()


async def _check_schema(connection: AsyncConnection) -> list[Finding]:
    damage = await connection.run_sync(inspection.find_damage)
    findings = [error(Check.DATABASE, each, "stop the platform and restore the database") for each in damage]
    version = await connection.run_sync(schema.read_version)
    if version is None:
        return [
            *findings,
            error(Check.DATABASE, "the database has no schema of dataml", "restore it"),
        ]
    if version > schema.VERSION:
        message = f"the database is of a newer version (schema {version}, this version knows {schema.VERSION})"
        return [*findings, error(Check.DATABASE, message, "install that version of dataml")]
    if version < schema.VERSION:
        message = f"the database is of an older version (schema {version}, this version has {schema.VERSION})"
        return [*findings, error(Check.DATABASE, message, "dataml migrate, after a backup")]
    missing = await connection.run_sync(inspection.find_missing_tables, METADATA)
    if missing:
        findings.append(error(Check.DATABASE, f"the database lacks tables: {', '.join(missing)}", "restore it"))
    return findings


async def _examine_files(session: AsyncSession, settings: Settings, *, hashes: bool) -> list[Finding]:
    storage = Storage.from_settings(settings)
    try:
        # Before the rows: an attempt's row exists before its folder.
        folders = await asyncio.to_thread(storage.list_folders)
        references = await list_references(session)
        problems = await asyncio.to_thread(check_files, storage, references, hashes=hashes)
    except Unavailable as failure:
        return [error(Check.FILES, failure.detail.rstrip("."), "look at DATAML_STORAGE_URL and at the store")]
    waiting = await find_waiting_rows(session)
    orphans = await find_orphans(session, folders)
    if problems:
        # A platform that runs may have deleted or replaced the file meanwhile.
        await session.rollback()
        session.expunge_all()
        current = set(await list_references(session))
        problems = [problem for problem in problems if problem.reference in current]
    return [*waiting, *(problem.to_finding() for problem in problems), *describe_orphans(storage, orphans)]


def to_json(settings: Settings, findings: Sequence[Finding]) -> str:
    """Return the findings as JSON, for programs."""
    counts = {f"{severity}s": sum(each.severity is severity for each in findings) for severity in Severity}
    return json.dumps({"home": str(settings.root), **counts, "findings": [asdict(each) for each in findings]}, indent=2)


def to_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, and one that counts them."""
    errors = sum(each.severity is Severity.ERROR for each in findings)
    return "\n".join([*map(str, findings), f"{errors} errors, {len(findings) - errors} warnings"])
