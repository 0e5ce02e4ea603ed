"""Reads which constraint a statement violated from the error of SQLite or PostgreSQL."""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.exc import IntegrityError

from dataml.db.base import Base


class ConstraintKind(StrEnum):
    """The kinds of constraints that callers tell apart."""

    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    OTHER = "other"


@dataclass(frozen=True)
class ConstraintViolation:
    """The constraint that a statement violated.

    `columns` are the names of the columns of a UNIQUE constraint, a unique index or a primary key. They are empty for
    other kinds: SQLite does not say which foreign key was violated.
    """

    kind: ConstraintKind
    columns: frozenset[str] = frozenset()

    def is_duplicate(self, column: str) -> bool:
        """Return whether a row exists already that has the same values in unique columns, `column` among them."""
        return self.kind is ConstraintKind.UNIQUE and column in self.columns


def read_violation(error: IntegrityError) -> ConstraintViolation:
    """Return the constraint that a statement violated."""
    if isinstance(error.orig, sqlite3.IntegrityError):
        return _read_sqlite(error.orig)
    return _read_postgresql(error.orig)


def _read_sqlite(error: sqlite3.IntegrityError) -> ConstraintViolation:
    match error.sqlite_errorname:
        case "SQLITE_CONSTRAINT_UNIQUE" | "SQLITE_CONSTRAINT_PRIMARYKEY":
            # "UNIQUE constraint failed: user.tenant_id, user.email_key"
            names = str(error).partition(": ")[2].split(", ")
            return ConstraintViolation(ConstraintKind.UNIQUE, frozenset(name.rpartition(".")[2] for name in names))
        case "SQLITE_CONSTRAINT_FOREIGNKEY":
            return ConstraintViolation(ConstraintKind.FOREIGN_KEY)
    return ConstraintViolation(ConstraintKind.OTHER)


def _read_postgresql(error: Any) -> ConstraintViolation:
    """Read an error of psycopg, whose import would take time in processes that never meet PostgreSQL."""
    match error.sqlstate:
        case "23505":
            names = _unique_columns(error.diag.table_name, error.diag.constraint_name)
            return ConstraintViolation(ConstraintKind.UNIQUE, names)
        case "23503":
            return ConstraintViolation(ConstraintKind.FOREIGN_KEY)
    return ConstraintViolation(ConstraintKind.OTHER)


def _unique_columns(table_name: str, constraint_name: str) -> frozenset[str]:
    """Return the names of the columns of a constraint or index, of which PostgreSQL reports only its own name."""
    table = Base.metadata.tables[table_name]
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    for each in (*unique, *table.indexes, table.primary_key):
        if each.name == constraint_name:
            return frozenset(column.name for column in each.columns)
    return frozenset()
