"""The schema of the database: migrate it to this version, or refuse one of another version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.pool import NullPool

from dataml.db.session import configure_sqlite
from dataml.errors import StartupError
from dataml.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

# The newest migration; a running process compares it with the database without loading alembic's scripts.
VERSION = "0028"
# What SQLite says of a file that is not whole.
_DAMAGED = ("malformed", "not a database")
# Key of the advisory lock in PostgreSQL that is held while the schema changes.
_LOCK = 0x646174616D6C


def migrate(settings: Settings) -> None:
    """Apply the migrations that are missing.

    Raises:
        StartupError: the database was written by a newer version, is damaged, or cannot be reached or written to.
    """
    with connected(settings) as connection:
        version = read_version(connection)
        if version != VERSION:
            _migrate_from(connection, version)
        # A transaction that is rolled back: a database that can only be read fails here, and not at the first login.
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        connection.rollback()


def create(connection: Connection) -> None:
    """Make all tables in the caller's transaction.

    Raises:
        StartupError: the database is not empty.
    """
    if inspect(connection).get_table_names():
        raise StartupError("the database to move to has tables already; give an empty one")
    _upgrade(connection, None)


def check(settings: Settings) -> None:
    """Refuse a database that is not at this version's schema.

    Raises:
        StartupError: it is older or newer, or cannot be reached.
    """
    with connected(settings) as connection:
        version = read_version(connection)
    if version is None or version < VERSION:
        raise StartupError("the database's schema is older than this version: run `dataml migrate`")
    if version != VERSION:
        raise _newer(version)


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """Open a connection outside the pools of a running process.

    Raises:
        StartupError: the database cannot be reached, or refuses.
    """
    try:
        engine = _engine(settings)
    except (ArgumentError, ValueError) as error:
        raise StartupError("DATAML_DATABASE_URL is no URL of a database") from error
    try:
        with translate_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate errors of the database to one line for the console.

    Raises:
        StartupError: the database cannot be reached, is damaged, or refuses.
    """
    try:
        yield
    except DatabaseError as error:
        reason = one_line(error)
        advice = "; restore it from a backup" if any(phrase in reason for phrase in _DAMAGED) else ""
        raise StartupError(f"the database cannot be opened: {reason}{advice}") from error


def one_line(error: DatabaseError) -> str:
    """Return what the database says; PostgreSQL's own words take several lines."""
    return " ".join(str(error.orig).split())


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Wait until no other node makes this database ready, and keep others waiting until the end of the block.

    Raises:
        StartupError: the database cannot be reached.
    """
    if settings.is_sqlite:  # of one node, whose home has a lock
        yield
        return
    with connected(settings) as connection:
        # It ends with the connection, however that ends.
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        connection.commit()
        yield


def _engine(settings: Settings) -> Engine:
    engine = create_engine(settings.blocking_url, poolclass=NullPool, hide_parameters=True)
    if settings.is_sqlite:
        # Without it SQLite's driver would commit each table by itself, and a crash could leave half a schema.
        configure_sqlite(engine)
    return engine


def _upgrade(connection: Connection, version: str | None) -> None:
    # Only a database that is behind needs alembic, which takes half a second of every start to import.
    from alembic import command
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = _config()
    if version is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(version)
        except CommandError as error:
            raise _newer(version) from error
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _migrate_from(connection: Connection, version: str | None) -> None:
    if version is None and inspect(connection).get_table_names():
        raise StartupError("the database has tables, and no version of dataml's schema; restore it from a backup")
    try:
        _upgrade(connection, version)
        connection.commit()
    except DatabaseError as error:
        # All is in one transaction, so the database is as it was.
        detail = f"the database cannot be migrated from schema {version or '0000'}: {one_line(error)}"
        raise StartupError(detail) from error


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def read_version(connection: Connection) -> str | None:
    """Return the version of a database's schema; None for one that was never migrated."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _newer(version: str) -> StartupError:
    return StartupError(f"the database is of a newer version (schema {version}, this version knows {VERSION})")
