"""Direct access to the database: rows as they are stored, and changes that no call makes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.pool import NullPool

from dataml.db.session import configure_sqlite
from dataml.settings import Settings


def execute_sql(settings: Settings, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement, commit, and return its rows; each `?` in it stands for a value."""
    if not settings.is_sqlite:
        statement = statement.replace("?", "%s")
    with _engine(settings) as engine, engine.begin() as connection:
        result = connection.exec_driver_sql(statement, values)
        return [tuple(row) for row in result] if result.returns_rows else []


def read_all_tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in an order that depends on the rows alone."""
    with _engine(settings) as engine, engine.begin() as connection:
        return {
            name: sorted(map(tuple, connection.exec_driver_sql(f'SELECT * FROM "{name}"')), key=repr)
            for name in inspect(connection).get_table_names()
        }


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings.blocking_url, poolclass=NullPool)
    if settings.is_sqlite:
        configure_sqlite(engine)
    try:
        yield engine
    finally:
        engine.dispose()


def read_stored_bytes(settings: Settings) -> bytes:
    """Return everything the database holds, in any form: a secret that is not in it was not stored."""
    if settings.is_sqlite:
        return (settings.root / "dataml.db").read_bytes()
    return repr(read_all_tables(settings)).encode()
