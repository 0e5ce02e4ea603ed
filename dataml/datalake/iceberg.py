"""The platform's own lake, through PyIceberg; also a company's Iceberg catalog that tenants are shared schemas of."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from dataml.datalake.executor import Patience
from dataml.datalake.lake import ColumnInfo, SnapshotInfo, TableInfo, column_of
from dataml.errors import Invalid, NotFound, Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, namespace_exists, open_catalog, translate_lake_errors
from dataml.iceberg.names import TableName
from dataml.iceberg.reading import check_snapshot, plain_schema, read_batches, snapshot_schema
from dataml.iceberg.trino_types import trino_type
from dataml.iceberg.writing import PROPERTY_PREFIX, snapshot_properties
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


class IcebergLake:
    """`schema` is a namespace of the catalog, levels joined by dots."""

    def __init__(self, config: LakeConfig) -> None:
        self._config = config
        self._catalog: Catalog | None = None
        self._opening = threading.Lock()

    def has_schema(self, schema: str, patience: Patience) -> bool:
        return namespace_exists(self._open(), schema)

    def tables(self, schema: str, patience: Patience) -> list[str]:
        """A tenant's schema is there before its first table is."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        with translate_lake_errors():
            try:
                return sorted(found[-1] for found in self._open().list_tables(tuple(schema.split("."))))
            except NoSuchNamespaceError:
                return []

    def columns(self, schema: str, table: str, patience: Patience) -> list[ColumnInfo]:
        return _columns(self._load(schema, table))

    def table_info(self, schema: str, table: str, patience: Patience) -> TableInfo:
        return _about(self._load(schema, table), self._config)

    def numeric(self, schema: str, table: str, column: str, patience: Patience) -> NumericStatistics:
        def figures(found: "Table") -> NumericStatistics:
            column_of(_columns(found), column, numeric=True)
            return compute_numeric_statistics(_arrays(found, column), patience.check)

        return self._of_table(schema, table, figures)

    def distinct(self, schema: str, table: str, column: str, patience: Patience) -> DistinctEstimate:
        def figure(found: "Table") -> DistinctEstimate:
            column_of(_columns(found), column)
            return count_distinct(_arrays(found, column), patience.check)

        return self._of_table(schema, table, figure)

    def source(self, name: TableName, snapshot_id: int | None) -> tuple[int, pa.Schema, int]:
        """What a dataset is made from: the snapshot (None: the newest), its columns, and how many rows it has.

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
            return snapshot.snapshot_id, plain_schema(snapshot_schema(table, snapshot.snapshot_id)), rows or 0

    def find_schema(self, name: TableName) -> pa.Schema | None:
        """The columns of a table that may not be there."""
        try:
            return plain_schema(load_table(self._open(), name).schema())
        except NotFound:
            return None

    def _of_table(self, schema: str, table: str, answer: Callable[["Table"], T]) -> T:
        """The answer about a table; when its files are gone because it was dropped meanwhile, it is not found."""
        try:
            return answer(self._load(schema, table))
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


def _arrays(table: "Table", column: str) -> Callable[[], Iterator[pa.Array]]:
    snapshot_id = table.metadata.current_snapshot_id
    if snapshot_id is None:
        return lambda: iter(())
    return lambda: (batch.column(0) for batch in read_batches(table, [column], snapshot_id))


def _about(table: "Table", config: LakeConfig) -> TableInfo:
    metadata, snapshot = table.metadata, table.current_snapshot()
    times = [entry.timestamp_ms for entry in (*metadata.metadata_log, *metadata.snapshot_log)]
    created = table.properties.get(PROPERTY_PREFIX + "created-at", "")
    created_ms = int(created) if created.isdecimal() else min([*times, metadata.last_updated_ms])
    return TableInfo(
        owner=table.properties.get("owner"),
        created_at=_time(created_ms),
        last_access_at=_time(snapshot.timestamp_ms if snapshot else metadata.last_updated_ms),
        location=_shown(table.location(), config),
        format="iceberg",
        row_count=_total(snapshot, "total-records") if snapshot else 0,
        size_bytes=_total(snapshot, "total-files-size") if snapshot else 0,
        snapshots=[_snapshot(s) for s in sorted(metadata.snapshots, key=lambda s: s.timestamp_ms, reverse=True)],
    )


def _snapshot(snapshot: "Snapshot") -> SnapshotInfo:
    said = snapshot_properties(snapshot)
    made_by = {
        key.removeprefix(PROPERTY_PREFIX): value for key, value in said.items() if key.startswith(PROPERTY_PREFIX)
    }
    operation = snapshot.summary.operation.value if snapshot.summary is not None else None
    return SnapshotInfo(snapshot.snapshot_id, _time(snapshot.timestamp_ms), operation, made_by)


def _total(snapshot: "Snapshot", key: str) -> int | None:
    value = snapshot_properties(snapshot).get(key, "")
    return int(value) if value.isdecimal() else None


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _shown(location: str, config: LakeConfig) -> str:
    """Where the files lie, without the path of the home."""
    home = str(config.home)
    return "lake" + location[len(home) :] if location.startswith(home) else location
