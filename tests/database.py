"""Direct access to the database: rows as they are stored, and changes that no call makes."""

from typing import Any

from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from dataml.db.session import configure_sqlite
from dataml.settings import Settings


def execute_sql(settings: Settings, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement, commit, and return its rows; each `?` in it stands for a value."""
    engine = create_engine(settings.blocking_url, poolclass=NullPool)
    if settings.is_sqlite:
        configure_sqlite(engine)
    else:
        statement = statement.replace("?", "%s")
    try:
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement, values)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def read_all_tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in an order that depends on the rows alone."""
    engine = create_engine(settings.blocking_url, poolclass=NullPool)
    names = inspect(engine).get_table_names()
    engine.dispose()
    return {name: sorted(execute_sql(settings, f'SELECT * FROM "{name}"'), key=repr) for name in names}


def read_stored_bytes(settings: Settings) -> bytes:
    """Return everything the database holds, in any form: a secret that is not in it was not stored."""
    if settings.is_sqlite:
        return (settings.root / "dataml.db").read_bytes()
    return repr(read_all_tables(settings)).encode()
