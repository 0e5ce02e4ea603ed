"""The platform's own lake, read through PyIceberg, or a company's Iceberg catalog whose schemas tenants share."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from dataml.datalake.executor import Deadline
from dataml.datalake.lake import ColumnInfo, SnapshotInfo, TableInfo, get_column, select_made_by
from dataml.errors import Invalid, NotFound, Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, namespace_exists, open_catalog, translate_lake_errors
from dataml.iceberg.commits import PROPERTY_PREFIX, snapshot_properties
from dataml.iceberg.deletion import drop_table
from dataml.iceberg.names import TableName
from dataml.iceberg.reading import check_snapshot, plain_names, plain_schema, read_batches, snapshot_schema
from dataml.iceberg.trino_types import trino_type
from dataml.ml.profiling.exact_statistics import (
    DistinctEstimate,
    NumericStatistics,
    compute_numeric_statistics,
    count_distinct,
)

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

T = TypeVar("T")


@dataclass(frozen=True)
class SourceSnapshot:
    """A snapshot that a dataset can be made from, with its columns and the number of its rows."""

    snapshot_id: int
    schema: pa.Schema
    rows: int


class IcebergLake:
    """The lake of an Iceberg catalog; `schema` is a namespace of the catalog, its levels joined by dots."""

    def __init__(self, config: LakeConfig) -> None:
        self._config = config
        self._catalog: Catalog | None = None
        self._opening = threading.Lock()

    def has_schema(self, schema: str, deadline: Deadline) -> bool:
        """Return whether the catalog has this namespace."""
        return namespace_exists(self._open(), schema)

    def list_tables(self, schema: str, deadline: Deadline) -> list[str]:
        """Return the names of the tables of a schema, sorted; none for a tenant's schema before its first table."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        with translate_lake_errors():
            try:
                return sorted(identifier[-1] for identifier in self._open().list_tables(tuple(schema.split("."))))
            except NoSuchNamespaceError:
                return []

    def list_columns(self, schema: str, table: str, deadline: Deadline) -> list[ColumnInfo]:
        """Return the columns of a table, in their order."""
        return _columns(self._load(schema, table))

    def get_table_info(self, schema: str, table: str, deadline: Deadline) -> TableInfo:
        """Return the metadata of a table."""
        return _table_info(self._load(schema, table), self._config)

    def compute_statistics(self, schema: str, table: str, column: str, deadline: Deadline) -> NumericStatistics:
        """Return the statistics of a numeric column; the column alone is read."""

        def compute(iceberg_table: "Table") -> NumericStatistics:
            get_column(_columns(iceberg_table), column, numeric=True)
            return compute_numeric_statistics(_column_reader(iceberg_table, column), deadline.check)

        return self._read(schema, table, compute)

    def count_distinct(self, schema: str, table: str, column: str, deadline: Deadline) -> DistinctEstimate:
        """Return the number of distinct values of a column; the column alone is read."""

        def count(iceberg_table: "Table") -> DistinctEstimate:
            get_column(_columns(iceberg_table), column)
            return count_distinct(_column_reader(iceberg_table, column), deadline.check)

        return self._read(schema, table, count)

    def read_first_rows(self, schema: str, table: str, limit: int, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the first rows of a table, without columns that datasets do not support."""

        def read(iceberg_table: "Table") -> list[dict[str, Any]]:
            snapshot_id = iceberg_table.metadata.current_snapshot_id
            if snapshot_id is None:
                return []
            rows: list[dict[str, Any]] = []
            names = plain_names(iceberg_table.schema())
            for batch in read_batches(iceberg_table, names, snapshot_id, batch_rows=limit) if names else ():
                deadline.check()
                rows += batch.slice(0, limit - len(rows)).to_pylist()
                if len(rows) == limit:
                    break
            return rows

        return self._read(schema, table, read)

    def delete_table(self, schema: str, table: str) -> None:
        """Delete a table; its files follow, see `drop_table`.

        Raises:
            NotFound: `table_not_found`.
            Unavailable: the lake does not answer.
        """
        drop_table(self._open(), TableName(schema, table))

    def get_snapshot(self, name: TableName, snapshot_id: int | None) -> SourceSnapshot:
        """Return a snapshot (None: the newest) that a dataset is to be made from.

        Raises:
            NotFound: `table_not_found`, `snapshot_not_found`.
            Invalid: `no_rows`, `unsupported_column_type`.
        """
        table = load_table(self._open(), name)
        check_snapshot(table, snapshot_id)
        snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else table.current_snapshot()
        rows = _total(snapshot, "total-records") if snapshot is not None else 0
        if snapshot is None or rows == 0:
            raise Invalid("The lake table has no rows.", code="no_rows")
        with translate_lake_errors():
            schema = plain_schema(snapshot_schema(table, snapshot.snapshot_id))
        return SourceSnapshot(snapshot.snapshot_id, schema, rows or 0)

    def find_arrow_schema(self, name: TableName) -> pa.Schema | None:
        """Return the columns of a table, or None when there is no such table."""
        try:
            return plain_schema(load_table(self._open(), name).schema())
        except NotFound:
            return None

    def _read(self, schema: str, table: str, compute: Callable[["Table"], T]) -> T:
        """Return what is computed from a table.

        Raises:
            NotFound: `table_not_found`: there is none, or it was dropped meanwhile and its files are gone.
        """
        try:
            return compute(self._load(schema, table))
        except Unavailable:
            self._load(schema, table)
            raise

    def _load(self, schema: str, table: str) -> "Table":
        return load_table(self._open(), TableName(schema, table))

    def _open(self) -> "Catalog":
        with self._opening:
            if self._catalog is None:
                self._catalog = open_catalog(self._config)
            return self._catalog


def _columns(table: "Table") -> list[ColumnInfo]:
    return [ColumnInfo(field.name, trino_type(field.field_type)) for field in table.schema().fields]


def _column_reader(table: "Table", column: str) -> Callable[[], Iterator[pa.Array]]:
    snapshot_id = table.metadata.current_snapshot_id
    if snapshot_id is None:
        return lambda: iter(())
    return lambda: (batch.column(0) for batch in read_batches(table, [column], snapshot_id))


def _table_info(table: "Table", config: LakeConfig) -> TableInfo:
    metadata, snapshot = table.metadata, table.current_snapshot()
    times = [entry.timestamp_ms for entry in (*metadata.metadata_log, *metadata.snapshot_log)]
    created = table.properties.get(PROPERTY_PREFIX + "created-at", "")
    created_ms = int(created) if created.isdecimal() else min([*times, metadata.last_updated_ms])
    return TableInfo(
        owner=table.properties.get("owner"),
        created_at=_to_datetime(created_ms),
        last_write_at=_to_datetime(snapshot.timestamp_ms) if snapshot and snapshot.parent_snapshot_id else None,
        location=_hide_home(table.location(), config),
        format="iceberg",
        row_count=_total(snapshot, "total-records") if snapshot else 0,
        size_bytes=_total(snapshot, "total-files-size") if snapshot else 0,
        snapshots=[_snapshot_info(s) for s in sorted(metadata.snapshots, key=lambda s: s.timestamp_ms, reverse=True)],
    )


def _snapshot_info(snapshot: "Snapshot") -> SnapshotInfo:
    operation = snapshot.summary.operation.value if snapshot.summary is not None else None
    made_by = select_made_by(snapshot_properties(snapshot))
    return SnapshotInfo(snapshot.snapshot_id, _to_datetime(snapshot.timestamp_ms), operation, made_by)


def _total(snapshot: "Snapshot", key: str) -> int | None:
    value = snapshot_properties(snapshot).get(key, "")
    return int(value) if value.isdecimal() else None


def _to_datetime(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _hide_home(location: str, config: LakeConfig) -> str:
    """Return where the files of a table are, without the path of the platform's home."""
    home = str(config.home)
    return "lake" + location[len(home) :] if location.startswith(home) else location
