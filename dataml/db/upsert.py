"""`INSERT ... ON CONFLICT`, which SQLite and PostgreSQL both have, each in a dialect of its own."""

from typing import cast

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from dataml.db.base import Base


def insert(session: AsyncSession, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Return an insert into the model's table itself, which makes no mapped objects."""
    table = cast(Table, model.__table__)
    return postgresql.insert(table) if session.get_bind().dialect.name == "postgresql" else sqlite.insert(table)
