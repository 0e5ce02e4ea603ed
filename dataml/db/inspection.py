"""Reading of a database that may be damaged, without changing anything."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, MetaData, inspect, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from dataml.settings import Settings

_MAX_PROBLEMS: Final = 10


def sqlite_file(settings: Settings) -> Path:
    """Return the file of a SQLite database."""
    return Path(make_url(settings.sqlalchemy_url).database or "")


def open_read_only(settings: Settings) -> AsyncEngine:
    """Return an engine whose connections cannot write; a SQLite file that is not there is not made."""
    if not settings.is_sqlite:
        engine = create_async_engine(settings.sqlalchemy_url, poolclass=NullPool, hide_parameters=True)
        return engine.execution_options(postgresql_readonly=True)
    uri = f"file:{quote(str(sqlite_file(settings)))}"
    url = URL.create("sqlite+aiosqlite", database=uri, query={"mode": "ro", "uri": "true"})
    return create_async_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 30})


def find_damage(connection: Connection) -> list[str]:
    """Return what SQLite finds wrong with its file, and rows that refer to rows that are not there."""
    if connection.dialect.name != "sqlite":
        return []
    lines = connection.execute(text(f"PRAGMA integrity_check({_MAX_PROBLEMS})")).scalars().all()
    problems = [" ".join(line.split()) for line in lines if line != "ok"]
    dangling = connection.execute(text("PRAGMA foreign_key_check")).all()
    return problems + [
        f"row {row_id} of {table} refers to a row of {parent} that is not there"
        for table, row_id, parent, _ in dangling[:_MAX_PROBLEMS]
    ]


def find_missing_tables(connection: Connection, metadata: MetaData) -> list[str]:
    """Return the tables of this version that the database lacks."""
    return sorted(metadata.tables.keys() - set(inspect(connection).get_table_names()))
