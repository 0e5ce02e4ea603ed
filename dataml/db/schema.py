"""Brings the database to this version's schema, and refuses one it does not understand."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from dataml.db.session import configure_sqlite
from dataml.errors import StartupError
from dataml.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

# The newest migration; a running process compares it with the database without loading alembic's scripts.
VERSION = "0005"


def migrate(settings: Settings) -> None:
    """Apply the migrations that are missing.

    Raises:
        StartupError: the database was written by a newer version, or cannot be reached.
    """
    engine = _engine(settings)
    try:
        with engine.connect() as connection:
            found = _found(connection)
            if found != VERSION:
                _upgrade(connection, found)
                connection.commit()
    except DatabaseError as error:
        raise StartupError(f"the database cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()


def check(settings: Settings) -> None:
    """Raises:
    StartupError: the database is not at this version's schema.
    """
    engine = _engine(settings)
    try:
        with engine.connect() as connection:
            found = _found(connection)
    except DatabaseError as error:
        raise StartupError(f"the database cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()
    if found is None or found < VERSION:
        raise StartupError("the database's schema is older than this version: run `dataml migrate`")
    if found != VERSION:
        raise _newer(found)


def _engine(settings: Settings) -> Engine:
    engine = create_engine(settings.sqlalchemy_url.replace("+aiosqlite", ""), poolclass=NullPool, hide_parameters=True)
    if settings.is_sqlite:
        # Without it SQLite's driver would commit each table by itself, and a crash could leave half a schema.
        configure_sqlite(engine)
    return engine


def _upgrade(connection: Connection, found: str | None) -> None:
    # Only a database that is behind needs alembic, which takes half a second of every start to import.
    from alembic import command
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = _config()
    if found is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(found)
        except CommandError as error:
            raise _newer(found) from error
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _found(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _newer(found: str) -> StartupError:
    return StartupError(f"the database is of a newer version (schema {found}, this version knows {VERSION})")
