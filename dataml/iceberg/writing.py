"""Writing the rows of a job to a lake table: in one snapshot, exactly once, whatever the number of attempts."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import pyarrow as pa

from dataml.errors import Conflict
from dataml.iceberg.catalog import lake_exception_types, translate_lake_errors
from dataml.iceberg.data_files import file_schema, iceberg_schema, write_file
from dataml.iceberg.names import TableName

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

T = TypeVar("T")
WriteMode = Literal["append", "replace"]
BatchSource = Callable[[], Iterator[pa.RecordBatch]]
"""Gives the batches of the rows from the beginning, each time it is called."""

PROPERTY_PREFIX: Final = "dataml."
"""Prefix of the platform's own snapshot properties: `dataml.job-id`, `dataml.attempt`, `dataml.source`, ..."""

_MAX_COMMITS: Final = 12
# PyIceberg's own retries would skip the search for an earlier commit of this job.
_NO_RETRY: Final = {"commit.retry.num-retries": "0"}


@dataclass(frozen=True)
class LakeTarget:
    """A table that a job writes its rows to, and creates when there is none.

    Attributes:
        name: of the table.
        source: whose rows they are, for example `dataset-7`: a later job of the same source replaces them, and leaves
            the other rows of the table alone.
        owner: of the table, when it is created.
        mode: with `replace` no other rows stay in the table.
        made_by: properties of the snapshot: ids of a dataset, a model, a prediction.
        widens: whether rows may have more columns than the table, which gets them, or fewer, which are null.
    """

    name: TableName
    source: str
    owner: str
    mode: WriteMode = "append"
    made_by: dict[str, str] = field(default_factory=dict)
    widens: bool = False


@dataclass(frozen=True)
class WriteAttempt:
    """The attempt at a job that writes the rows; `started_at` is when it began, in seconds since 1970."""

    job_id: int
    attempt: int
    started_at: float = 0.0


def write_rows(catalog: "Catalog", target: LakeTarget, writer: WriteAttempt, rows: BatchSource) -> int:
    """Append the rows, or replace others by them, atomically, and return the id of the snapshot that has them.

    The batches are flat, with types of a contract; a few of them are in memory. When an earlier attempt at the same job
    has committed, nothing is written and its snapshot is returned.

    Raises:
        Conflict: `table_differs`: the table has other columns; `table_busy`: others committed all the time;
            `write_superseded`: a later job of the source has committed since this attempt began.
        Unavailable: `lake_full`, `lake_unavailable`; then none of the rows is in the table.
    """
    return write_tables(catalog, writer, [(target, rows)])[0]


def write_tables(
    catalog: "Catalog", writer: WriteAttempt, writes_by_table: Sequence[tuple[LakeTarget, BatchSource]]
) -> list[int]:
    """Write to several tables as `write_rows` does, and return the id of a snapshot of each.

    Each table has a commit of its own, but the first one comes after the rows of all are written and found to fit.

    Raises:
        Conflict: as `write_rows`.
        Unavailable: as `write_rows`.
    """
    writes = [_TableWrite(catalog, target, writer, rows) for target, rows in writes_by_table]
    with translate_lake_errors():
        try:
            for write in writes:
                write.prepare()
            return [write.run() for write in writes]
        finally:
            for write in writes:
                write.clean_up()


def delete_rows(catalog: "Catalog", target: LakeTarget, writer: WriteAttempt) -> None:
    """Delete the rows of a source from a table, if it has any.

    Raises:
        Conflict: as `write_rows`.
        Unavailable: as `write_rows`.
    """
    with translate_lake_errors():
        _TableWrite(catalog, target, writer, lambda: iter(())).delete_rows()


def retry_commits(operation: Callable[[], T]) -> T:
    """Return the result of an operation, retried while other writers change the table at the same time.

    Raises:
        Conflict: `table_busy`.
    """
    from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

    for attempt in range(_MAX_COMMITS):
        try:
            return operation()
        except (CommitFailedException, TableAlreadyExistsError, ValidationException):
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 5)))
    raise Conflict("Others write to this lake table all the time; try again.", code="table_busy")


def find_table(catalog: "Catalog", name: TableName) -> "Table | None":
    """Return a table whose commits PyIceberg does not retry by itself, or None when there is none."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    try:
        table = catalog.load_table((name.namespace, name.table))
    except (NoSuchNamespaceError, NoSuchTableError):
        return None
    properties = {**table.metadata.properties, **_NO_RETRY}
    table.metadata = table.metadata.model_copy(update={"properties": properties})
    return table


class _TableWrite:
    """The write of one attempt to one table: files first, then a commit that others may interfere with."""

    def __init__(self, catalog: "Catalog", target: LakeTarget, writer: WriteAttempt, rows: BatchSource) -> None:
        self._catalog = catalog
        self._target = target
        self._writer = writer
        self._rows = rows
        self._files: list[DataFile] = []
        self._written_for: object = None
        self._paths: list[str] = []
        self._io: Any = None
        self._prepared: tuple[Table | None, Transaction] | None = None

    def prepare(self) -> None:
        """Write the files, and check that they fit the table."""
        retry_commits(self._prepare)

    def run(self) -> int:
        """Commit, and return the id of the snapshot."""
        return retry_commits(self._write_rows)

    def delete_rows(self) -> None:
        """Commit the deletion of the source's rows."""
        retry_commits(self._delete_own_rows)

    def clean_up(self) -> None:
        """Remove the files that no snapshot refers to."""
        self._remove(self._paths)

    def _prepare(self) -> None:
        table = self._load_table()
        if self._find_own_snapshot(table) is None:
            self._prepared = table, self._stage(table)

    def _write_rows(self) -> int:
        prepared, self._prepared = self._prepared, None
        table = prepared[0] if prepared is not None else self._load_table()
        own = self._find_own_snapshot(table)
        if own is not None:
            return own
        self._refuse_superseded(table)
        try:
            snapshot_id = self._commit(table, prepared[1] if prepared is not None else self._stage(table))
        except lake_exception_types():
            own = self._find_snapshot_after_failure()
            if own is None:
                raise
            return own
        self._paths = []
        self._remove_files_of_earlier_attempts()
        return snapshot_id

    def _delete_own_rows(self) -> None:
        table = self._load_table()
        own = self._find_replaced_files(table, only_own=True)
        if table is None or not own:
            return
        self._refuse_superseded(table)
        transaction = table.transaction()
        with transaction.update_snapshot(snapshot_properties=self._properties()).overwrite() as snapshot:
            for file in own:
                snapshot.delete_data_file(file)
        transaction.commit_transaction()

    def _load_table(self) -> "Table | None":
        table = find_table(self._catalog, self._target.name)
        if table is None:
            self._ensure_namespace()
        return table

    def _ensure_namespace(self) -> None:
        namespace = (self._target.name.namespace,)
        try:
            self._catalog.create_namespace_if_not_exists(namespace)
        except lake_exception_types():
            # Another writer has created it at this moment.
            if not self._catalog.namespace_exists(namespace):
                raise

    def _find_own_snapshot(self, table: "Table | None") -> int | None:
        """Return the id of the snapshot that an attempt at this job has committed, if any."""
        job = {PROPERTY_PREFIX + "job-id": str(self._writer.job_id), PROPERTY_PREFIX + "source": self._target.source}
        snapshots = table.metadata.snapshots if table is not None else []
        return next((s.snapshot_id for s in snapshots if job.items() <= snapshot_properties(s).items()), None)

    def _refuse_superseded(self, table: "Table | None") -> None:
        """Raise an error if a later job of the source has committed since this attempt began.

        Only an attempt that its supervisor could not end gets here: its rows would replace newer ones. Commits from
        before it began do not count: in a database that was restored, the numbers of jobs begin again.
        """
        source = {PROPERTY_PREFIX + "source": self._target.source}.items()
        for snapshot in table.metadata.snapshots if table is not None else []:
            properties = snapshot_properties(snapshot)
            job_id = properties.get(PROPERTY_PREFIX + "job-id") or properties.get(PROPERTY_PREFIX + "undone-by") or "0"
            is_later = int(job_id) > self._writer.job_id and snapshot.timestamp_ms >= self._writer.started_at * 1000
            if is_later and source <= properties.items():
                detail = "A later job has written these rows to the lake table; this one is superseded."
                raise Conflict(detail, code="write_superseded")

    def _find_snapshot_after_failure(self) -> int | None:
        """Return the id of the snapshot whose commit has failed with an error, if it is in the table after all.

        Its files stay unless it is certainly not there.
        """
        paths, self._paths = self._paths, []
        with suppress(*lake_exception_types()):
            snapshot_id = self._find_own_snapshot(self._load_table())
            self._paths = [] if snapshot_id is not None else paths
            return snapshot_id
        return None

    def _stage(self, table: "Table | None") -> "Transaction":
        """Write the files, and return a transaction that gives the table their columns."""
        transaction = self._create_table() if table is None else table.transaction()
        if table is not None:
            self._fit_columns(transaction)
        self._write_files(transaction)
        return transaction

    def _commit(self, table: "Table | None", transaction: "Transaction") -> int:
        replaced = self._find_replaced_files(table)
        update = transaction.update_snapshot(snapshot_properties=self._properties())
        with update.overwrite() if replaced else update.merge_append() as snapshot:
            for file in replaced:
                snapshot.delete_data_file(file)
            for file in self._files:
                snapshot.append_data_file(file)
        transaction.commit_transaction()
        return snapshot.snapshot_id

    def _create_table(self) -> "Transaction":
        """Return a transaction that creates the table together with its first rows.

        All attempts at a job use the same folder, and no other job does, even after the table was dropped. A REST
        catalog chooses the folder itself, and its warehouse is not a path.
        """
        name = self._target.name
        tag = f"job-{self._writer.job_id}"
        catalog = self._catalog.properties
        warehouse = catalog.get("warehouse") if catalog["type"] != "rest" else None
        location = f"{warehouse}/{name.namespace}/{name.table}-{tag}" if warehouse else None
        properties = {"owner": self._target.owner, PROPERTY_PREFIX + "created-at": str(int(time.time() * 1000))}
        return self._catalog.create_table_transaction(
            (name.namespace, name.table), iceberg_schema(self._read_schema()), location=location, properties=properties
        )

    def _read_schema(self) -> pa.Schema:
        batch = next(self._rows(), None)
        return batch.schema if batch is not None else pa.schema([])

    def _fit_columns(self, transaction: "Transaction") -> None:
        """Refuse rows with other columns; with `replace` or `widens` give the table the columns of the rows."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        columns = transaction.table_metadata.schema()
        old = {f.name: f.type for f in schema_to_pyarrow(columns, include_field_ids=False)}
        new = {f.name: f.type for f in schema_to_pyarrow(iceberg_schema(self._read_schema()), include_field_ids=False)}
        differing = [name for name in {**new, **old} if old.get(name) != new.get(name)]
        if self._target.mode == "append" and self._target.widens:
            differing = [name for name in differing if name in new or columns.find_field(name).required]
        if not differing:
            return
        adds_only = self._target.widens and all(name not in old for name in differing)
        if self._target.mode == "append" and not adds_only and not self._has_left_no_rows(transaction.table_metadata):
            differences = "; ".join(
                f"{name!r} is {_type_name(old, name)} there, {_type_name(new, name)} here" for name in differing[:5]
            )
            detail = f"The lake table {self._target.name.table!r} has other columns than these rows: {differences}."
            raise Conflict(detail, code="table_differs")
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in differing:
                if name in old:
                    update.delete_column((name,))
        schema = iceberg_schema(self._read_schema())
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in differing:
                if name in new:
                    update.add_column((name,), schema.find_type(name))

    def _has_left_no_rows(self, metadata: "TableMetadata") -> bool:
        """Return whether the rows of this source were the only ones of the table ever, and are deleted."""
        source = {PROPERTY_PREFIX + "source": self._target.source}.items()
        current = metadata.current_snapshot()
        if current is None or current.summary is None or current.summary.get("total-data-files") != "0":
            return False
        return all(source <= snapshot_properties(snapshot).items() for snapshot in metadata.snapshots)

    def _write_files(self, transaction: "Transaction") -> None:
        """Write the rows, unless they are written already for the same columns of the same table."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        metadata = transaction.table_metadata
        written_for = (metadata.table_uuid, metadata.location, str(metadata.schema()))
        if written_for == self._written_for:
            return
        self._remove(self._paths)
        self._paths, self._files = [], []
        table = transaction._table
        self._io = table.io
        schema = file_schema(metadata.schema())
        columns = schema_to_pyarrow(metadata.schema(), include_field_ids=False)
        batches = (_select(batch, columns) for batch in self._rows() if batch.num_rows)
        first = next(batches, None)
        while first is not None:
            path = table.location_provider().new_data_location(self._file_name(len(self._paths)))
            self._paths.append(path)
            self._files.append(write_file(table, schema, path, first, batches))
            first = next(batches, None)
        self._written_for = written_for

    def _file_name(self, number: int, attempt: int | None = None) -> str:
        attempt = attempt or self._writer.attempt
        return f"{self._target.source}-job-{self._writer.job_id}.{attempt}-{number}.parquet"

    def _find_replaced_files(self, table: "Table | None", *, only_own: bool = False) -> "list[DataFile]":
        """Return the files whose rows the new ones replace."""
        if table is None or table.metadata.current_snapshot_id is None:
            return []
        source = {PROPERTY_PREFIX + "source": self._target.source}.items()
        has_written = any(source <= snapshot_properties(snapshot).items() for snapshot in table.metadata.snapshots)
        replaces_all = self._target.mode == "replace" and not only_own
        if not replaces_all and not has_written:
            return []
        files = [task.file for task in table.scan().plan_files()]
        own = f"/{self._target.source}-job-"
        return [file for file in files if replaces_all or own in file.file_path]

    def _properties(self) -> dict[str, str]:
        properties = {"job-id": str(self._writer.job_id), "attempt": str(self._writer.attempt)}
        properties |= {"source": self._target.source, **self._target.made_by}
        return {PROPERTY_PREFIX + key: value for key, value in properties.items()}

    def _remove_files_of_earlier_attempts(self) -> None:
        """Remove the files of killed attempts: from this commit on none of them can commit."""
        table = self._load_table()
        if table is None:
            return
        for attempt in range(1, self._writer.attempt):
            with suppress(FileNotFoundError):
                for number in range(1000):
                    self._io.delete(table.location_provider().new_data_location(self._file_name(number, attempt)))

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            with suppress(OSError):
                self._io.delete(path)


def _select(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """Return the columns of a table; those that the batch lacks are null."""
    present = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [present[f.name] if f.name in present else pa.nulls(batch.num_rows, f.type) for f in columns]
    return pa.RecordBatch.from_arrays(arrays, names=columns.names)


def snapshot_properties(snapshot: "Snapshot") -> dict[str, str]:
    """Return the properties that the writer of a snapshot gave it."""
    return dict(snapshot.summary.additional_properties) if snapshot.summary is not None else {}


def _type_name(types: dict[str, pa.DataType], name: str) -> str:
    return str(types.get(name, "missing"))
