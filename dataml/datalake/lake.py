"""What a lake can be asked, whatever it is: the platform's own Iceberg tables, or a company's Trino."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from dataml.datalake.executor import Patience
from dataml.errors import Invalid, NotFound
from dataml.ml.profiling.exact_statistics import DistinctEstimate, NumericStatistics


@dataclass(frozen=True)
class ColumnInfo:
    """`data_type` is Trino's name for it: `varchar`, `bigint`, `timestamp(6) with time zone`."""

    name: str
    data_type: str

    @property
    def is_numeric(self) -> bool:
        numeric = ("tinyint", "smallint", "integer", "bigint", "real", "double", "decimal")
        return self.data_type.partition("(")[0] in numeric


@dataclass(frozen=True)
class SnapshotInfo:
    """A state of a table; `made_by` has ids of what made it, as the platform wrote them: `job-id`, `dataset-id`, ..."""

    snapshot_id: int
    created_at: datetime
    operation: str | None
    made_by: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableInfo:
    """What is known of a table beside its columns; None for what the lake does not tell. Snapshots: newest first."""

    owner: str | None
    created_at: datetime | None
    last_access_at: datetime | None
    location: str | None
    format: str
    row_count: int | None
    size_bytes: int | None
    snapshots: Sequence[SnapshotInfo] = ()


class Lake(Protocol):
    """All names are looked up in the catalog before they become part of a question. Calls block, for a thread.

    Raise NotFound (`schema_not_found`, `table_not_found`, `column_not_found`), Invalid (`not_numeric`,
    `unsupported_column_type`), Unavailable with what failed.
    """

    def has_schema(self, schema: str, patience: Patience) -> bool: ...

    def tables(self, schema: str, patience: Patience) -> list[str]:
        """Names in their order."""
        ...

    def columns(self, schema: str, table: str, patience: Patience) -> list[ColumnInfo]: ...

    def table_info(self, schema: str, table: str, patience: Patience) -> TableInfo: ...

    def numeric(self, schema: str, table: str, column: str, patience: Patience) -> NumericStatistics: ...

    def distinct(self, schema: str, table: str, column: str, patience: Patience) -> DistinctEstimate: ...


def schema_not_found() -> NotFound:
    return NotFound("There is no schema of this name, or it is not shared with you.", code="schema_not_found")


def column_of(columns: Sequence[ColumnInfo], name: str, *, numeric: bool = False) -> ColumnInfo:
    """The column of this name.

    Raises:
        NotFound: `column_not_found`.
        Invalid: `not_numeric`, with `numeric`.
    """
    found = next((column for column in columns if column.name == name), None)
    if found is None:
        raise NotFound("There is no column of this name in the table.", code="column_not_found")
    if numeric and not found.is_numeric:
        detail = f"The column is {found.data_type}; numeric statistics are of numbers. Its distinct count can be asked."
        raise Invalid(detail, code="not_numeric")
    return found
