"""The interface of a lake: the platform's own Iceberg tables, or a company's Trino."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from dataml.datalake.executor import Deadline
from dataml.errors import Invalid, NotFound
from dataml.iceberg.commits import PROPERTY_PREFIX
from dataml.ml.profiling.exact_statistics import DistinctEstimate, NumericStatistics
from dataml.suggestions import describe_unknown

_NUMERIC_TYPES: Final = ("tinyint", "smallint", "integer", "bigint", "real", "double", "decimal")


@dataclass(frozen=True)
class ColumnInfo:
    """A column; `data_type` is Trino's name of its type: `varchar`, `bigint`, `timestamp(6) with time zone`."""

    name: str
    data_type: str

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers."""
        return self.data_type.partition("(")[0] in _NUMERIC_TYPES


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot of a table.

    `made_by` has the ids that the platform wrote into its properties: `job-id`, `dataset-id`, ...
    """

    snapshot_id: int
    created_at: datetime
    operation: str | None
    made_by: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableInfo:
    """The metadata of a table beside its columns; None for what the lake does not report. Snapshots: newest first.

    `last_write_at` is the time of the newest snapshot, unless that is the table's first one.
    """

    owner: str | None
    created_at: datetime | None
    last_write_at: datetime | None
    location: str | None
    format: str
    row_count: int | None
    size_bytes: int | None
    snapshots: Sequence[SnapshotInfo] = ()


class Lake(Protocol):
    """A lake of schemas and tables. Calls block, so they run in a thread.

    Every name is looked up in the catalog before it becomes part of a query. Methods raise NotFound
    (`schema_not_found`, `table_not_found`, `column_not_found`), Invalid (`not_numeric`, `unsupported_column_type`), and
    Unavailable with what failed.
    """

    def has_schema(self, schema: str, deadline: Deadline) -> bool:
        """Return whether the lake has a schema of this name."""
        ...

    def list_tables(self, schema: str, deadline: Deadline) -> list[str]:
        """Return the names of the tables of a schema, sorted."""
        ...

    def list_columns(self, schema: str, table: str, deadline: Deadline) -> list[ColumnInfo]:
        """Return the columns of a table, in their order."""
        ...

    def get_table_info(self, schema: str, table: str, deadline: Deadline) -> TableInfo:
        """Return the metadata of a table."""
        ...

    def compute_statistics(self, schema: str, table: str, column: str, deadline: Deadline) -> NumericStatistics:
        """Return the statistics of a numeric column."""
        ...

    def count_distinct(self, schema: str, table: str, column: str, deadline: Deadline) -> DistinctEstimate:
        """Return the number of distinct values of a column."""
        ...

    def read_first_rows(self, schema: str, table: str, limit: int, deadline: Deadline) -> list[dict[str, Any]]:
        """Return some rows of a table as values of Python; columns of nested or binary types may be left out."""
        ...


def schema_not_found() -> NotFound:
    """Return the error for a schema that does not exist or is not shared; it does not say which."""
    return NotFound("There is no schema of this name, or it is not shared with you.", code="schema_not_found")


def get_column(columns: Sequence[ColumnInfo], name: str, *, numeric: bool = False) -> ColumnInfo:
    """Return the column of this name.

    Raises:
        NotFound: `column_not_found`.
        Invalid: `not_numeric`: `numeric` is set, and the column is not.
    """
    column = next((column for column in columns if column.name == name), None)
    if column is None:
        detail = describe_unknown("column", name, (column.name for column in columns))
        raise NotFound(detail, code="column_not_found")
    if numeric and not column.is_numeric:
        detail = f"The type of the column is {column.data_type}, which is not numeric; ask for its distinct count."
        raise Invalid(detail, code="not_numeric")
    return column


def select_made_by(properties: dict[str, str]) -> dict[str, str]:
    """Return the ids that the platform wrote into the properties of a snapshot, without the prefix of their names."""
    return {
        key.removeprefix(PROPERTY_PREFIX): id_ for key, id_ in properties.items() if key.startswith(PROPERTY_PREFIX)
    }
