"""Transfer of an installation's database from SQLite to PostgreSQL: every row of every table, in one transaction."""

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, MetaData, Row, Table, func, insert, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.sql.functions import max as largest

from dataml.db import schema
from dataml.db.base import utc_now
from dataml.errors import StartupError
from dataml.settings import Settings

_BATCH = 1000


def transfer(source: Settings, target: Settings, metadata: MetaData) -> dict[str, int]:
    """Copy the database of `source`, SQLite, to that of `target`, an empty PostgreSQL.

    `metadata` holds every table (`dataml.tables`).

    Nothing is left behind by a transfer that fails or is interrupted: it can be repeated. What was copied is read again
    and compared before it is committed. The source stays as it is.

    Raises:
        StartupError: one of the two is of another kind, out of reach or not at this version's schema; the target is not
            empty; a supervisor works on the source; or PostgreSQL does not take a value.
    """
    assert metadata.tables, "without its tables a transfer would copy nothing, and say that all is well"
    if not source.is_sqlite or target.is_sqlite:
        raise StartupError("a database is moved from SQLite to PostgreSQL: --to postgresql+psycopg://user@host/name")
    schema.check(source)
    with schema.alone(target), schema.connected(source) as here, schema.connected(target) as there:
        _refuse_while_running(here, metadata)
        schema.create(there)
        counts = {table.name: _copy(table, here, there) for table in metadata.sorted_tables}
        for table in metadata.sorted_tables:
            if _fingerprint(table, here) != _fingerprint(table, there):
                raise StartupError(f"the rows of {table.name} did not arrive as they were; nothing was kept")
        _advance_sequences(here, there, metadata)
        there.commit()
    return counts


def _refuse_while_running(here: Connection, metadata: MetaData) -> None:
    lease = metadata.tables["supervisor_lease"]
    if here.execute(select(lease.c.holder).where(lease.c.expires_at > utc_now())).first() is not None:
        raise StartupError("a platform works on this database; stop it, and try again in some seconds")


def _copy(table: Table, here: Connection, there: Connection) -> int:
    count = 0
    for batch in _rows(table, here):
        try:
            there.execute(insert(table), [dict(row._mapping) for row in batch])
        except DatabaseError as error:
            raise StartupError(f"PostgreSQL does not take a row of {table.name}: {error.orig}") from error
        count += len(batch)
    return count


def _fingerprint(table: Table, connection: Connection) -> tuple[int, int]:
    """Return the number of rows and the sum of their hashes: two databases have no order in common."""
    count = total = 0
    for batch in _rows(table, connection):
        for row in batch:
            count += 1
            total += int.from_bytes(hashlib.sha256(repr(tuple(row)).encode(errors="surrogatepass")).digest())
    return count, total % 2**256


def _rows(table: Table, connection: Connection) -> Iterator[list[Row[Any]]]:
    result = connection.execute(select(table), execution_options={"yield_per": _BATCH})
    yield from map(list, result.partitions())


def _advance_sequences(here: Connection, there: Connection, metadata: MetaData) -> None:
    """Advance the sequences beyond every id ever used: predictions and the audit log name deleted rows, too."""
    used = {row.name: row.seq for row in here.execute(text("SELECT name, seq FROM sqlite_sequence"))}
    for table in metadata.sorted_tables:
        if "id" not in table.c:
            continue
        sequence = there.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', "id")))
        last = max(used.get(table.name, 0), there.scalar(select(largest(table.c.id))) or 0) if sequence else 0
        if last:
            there.execute(select(func.setval(sequence, last)))
