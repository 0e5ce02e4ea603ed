"""Writes the rows of a job into a lake table: all of them in one snapshot, once, however often the job is tried."""

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
    from pyiceberg.table.snapshots import Snapshot

T = TypeVar("T")
WriteMode = Literal["append", "replace"]
BatchSource = Callable[[], Iterator[pa.RecordBatch]]

PROPERTY_PREFIX: Final = "dataml."
"""What the names of our properties of snapshots begin with: `dataml.job-id`, `dataml.attempt`, `dataml.source`, ..."""

_COMMITS: Final = 12
# PyIceberg's own retries would skip the search for what this job has written already.
_NO_RETRY: Final = {"commit.retry.num-retries": "0"}


@dataclass(frozen=True)
class LakeTarget:
    """A table that a job writes its rows to, and makes when there is none.

    `source` says whose rows they are, for example `dataset-7`: a later job of the same source replaces them, and leaves
    the others in the table alone. With `replace` nothing else stays in it. With `widens` rows may have more columns
    than the table, which gets them, or fewer, which are null. `made_by` goes into the snapshot's properties: ids of a
    dataset, a model, a prediction.
    """

    name: TableName
    source: str
    owner: str
    mode: WriteMode = "append"
    made_by: dict[str, str] = field(default_factory=dict)
    widens: bool = False


@dataclass(frozen=True)
class WriteAttempt:
    """The attempt at a job that writes."""

    job_id: int
    attempt: int


def write_rows(catalog: "Catalog", target: LakeTarget, writer: WriteAttempt, rows: BatchSource) -> int:
    """Append the rows, or put them in place of others, atomically; the id of the snapshot that has them.

    `rows` gives the batches from the beginning, each time it is called; a few of them are in memory. They are flat,
    with types of a contract. When an earlier attempt at the same job has committed, nothing is written and its
    snapshot is the answer.

    Raises:
        Conflict: `table_differs`: the table has other columns; `table_busy`: others committed all the time.
        Unavailable: `lake_full`, `lake_unavailable`; then nothing of the rows is in the table.
    """
    return write_tables(catalog, writer, [(target, rows)])[0]


def write_tables(
    catalog: "Catalog", writer: WriteAttempt, wanted: Sequence[tuple[LakeTarget, BatchSource]]
) -> list[int]:
    """As `write_rows`, for several tables. Each has a commit of its own, but none comes before the rows of all are
    written and found to fit."""
    writes = [_Write(catalog, target, writer, rows) for target, rows in wanted]
    with translate_lake_errors():
        try:
            for write in writes:
                write.prepare()
            return [write.run() for write in writes]
        finally:
            for write in writes:
                write.tidy()


def delete_rows(catalog: "Catalog", target: LakeTarget, writer: WriteAttempt) -> None:
    """Take the rows of a source out of a table, if it has some.

    Raises as `write_rows`.
    """
    with translate_lake_errors():
        _Write(catalog, target, writer, lambda: iter(())).withdraw()


class _Write:
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
        """All that comes before the commit."""
        self._retried(self._prepare)

    def run(self) -> int:
        return self._retried(self._write_rows)

    def withdraw(self) -> None:
        self._retried(self._take)

    def tidy(self) -> None:
        self._remove(self._paths)

    def _retried(self, work: Callable[[], T]) -> T:
        """What `work` answers once nobody else has changed the table under it."""
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

        for tried in range(_COMMITS):
            try:
                return work()
            except (CommitFailedException, TableAlreadyExistsError, ValidationException):
                time.sleep(random.uniform(0, 0.05 * 2 ** min(tried, 5)))
        raise Conflict("Others wrote to this lake table all the time; try again.", code="table_busy")

    def _prepare(self) -> None:
        table = self._existing()
        if self._done(table) is None:
            self._prepared = table, self._staged(table)

    def _write_rows(self) -> int:
        prepared, self._prepared = self._prepared, None
        table = prepared[0] if prepared is not None else self._existing()
        done = self._done(table)
        if done is not None:
            return done
        try:
            snapshot_id = self._commit(table, prepared[1] if prepared is not None else self._staged(table))
        except lake_exception_types():
            landed = self._landed()
            if landed is None:
                raise
            return landed
        self._paths = []
        self._forget_earlier_attempts()
        return snapshot_id

    def _take(self) -> None:
        table = self._existing()
        mine = self._replaced(table, only_own=True)
        if table is None or not mine:
            return
        transaction = table.transaction()
        with transaction.update_snapshot(snapshot_properties=self._properties()).overwrite() as snapshot:
            for file in mine:
                snapshot.delete_data_file(file)
        transaction.commit_transaction()

    def _existing(self) -> "Table | None":
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        name = self._target.name
        try:
            table = self._catalog.load_table((name.namespace, name.table))
        except (NoSuchNamespaceError, NoSuchTableError):
            self._ensure_namespace()
            return None
        properties = {**table.metadata.properties, **_NO_RETRY}
        table.metadata = table.metadata.model_copy(update={"properties": properties})
        return table

    def _ensure_namespace(self) -> None:
        namespace = (self._target.name.namespace,)
        try:
            self._catalog.create_namespace_if_not_exists(namespace)
        except lake_exception_types():
            # Another writer has made it at this moment.
            if not self._catalog.namespace_exists(namespace):
                raise

    def _done(self, table: "Table | None") -> int | None:
        """The snapshot of an earlier attempt at this job."""
        job = {PROPERTY_PREFIX + "job-id": str(self._writer.job_id), PROPERTY_PREFIX + "source": self._target.source}
        found = [s for s in table.metadata.snapshots if job.items() <= snapshot_properties(s).items()] if table else []
        return found[0].snapshot_id if found else None

    def _landed(self) -> int | None:
        """The snapshot of a commit that was answered with an error, if it is there after all. Files that may be its own
        stay, unless it is certainly not there."""
        paths, self._paths = self._paths, []
        with suppress(*lake_exception_types()):
            snapshot_id = self._done(self._existing())
            self._paths = [] if snapshot_id is not None else paths
            return snapshot_id
        return None

    def _staged(self, table: "Table | None") -> "Transaction":
        """The files are written, and the table has their columns once this is committed."""
        transaction = self._creation() if table is None else table.transaction()
        if table is not None:
            self._fit_columns(transaction)
        self._write_files(transaction)
        return transaction

    def _commit(self, table: "Table | None", transaction: "Transaction") -> int:
        replaced = self._replaced(table)
        update = transaction.update_snapshot(snapshot_properties=self._properties())
        with update.overwrite() if replaced else update.merge_append() as snapshot:
            for file in replaced:
                snapshot.delete_data_file(file)
            for file in self._files:
                snapshot.append_data_file(file)
        transaction.commit_transaction()
        return snapshot.snapshot_id

    def _creation(self) -> "Transaction":
        """The table comes to be with its first rows. Its folder is the job's, whatever the attempt, and nobody else's
        after it was dropped; a REST catalog sees to that itself, and its warehouse is no path."""
        name = self._target.name
        tag = f"job-{self._writer.job_id}"
        about = self._catalog.properties
        warehouse = about.get("warehouse") if about["type"] != "rest" else None
        location = f"{warehouse}/{name.namespace}/{name.table}-{tag}" if warehouse else None
        properties = {"owner": self._target.owner, PROPERTY_PREFIX + "created-at": str(int(time.time() * 1000))}
        return self._catalog.create_table_transaction(
            (name.namespace, name.table), iceberg_schema(self._arrow()), location=location, properties=properties
        )

    def _arrow(self) -> pa.Schema:
        batch = next(self._rows(), None)
        return batch.schema if batch is not None else pa.schema([])

    def _fit_columns(self, transaction: "Transaction") -> None:
        """Refuse rows that the table has no columns for; with `replace`, give it theirs, with `widens` those too."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        columns = transaction.table_metadata.schema()
        there = {f.name: f.type for f in schema_to_pyarrow(columns, include_field_ids=False)}
        new = {f.name: f.type for f in schema_to_pyarrow(iceberg_schema(self._arrow()), include_field_ids=False)}
        differing = [name for name in {**new, **there} if there.get(name) != new.get(name)]
        if self._target.mode == "append" and self._target.widens:
            differing = [name for name in differing if name in new or columns.find_field(name).required]
        if not differing:
            return
        adds_only = all(name not in there for name in differing)
        if self._target.mode == "append" and not (self._target.widens and adds_only):
            shown = "; ".join(
                f"{name!r} is {_shown(there, name)} there, {_shown(new, name)} here" for name in differing[:5]
            )
            detail = f"The lake table {self._target.name.table!r} has other columns than these rows: {shown}."
            raise Conflict(detail, code="table_differs")
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in differing:
                if name in there:
                    update.delete_column((name,))
        schema = iceberg_schema(self._arrow())
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in differing:
                if name in new:
                    update.add_column((name,), schema.find_type(name))

    def _write_files(self, transaction: "Transaction") -> None:
        """Write the rows, unless it was done for the same columns of the same table already."""
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

    def _replaced(self, table: "Table | None", *, only_own: bool = False) -> "list[DataFile]":
        """Files whose rows go when the new ones come."""
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
        about = {"job-id": str(self._writer.job_id), "attempt": str(self._writer.attempt)}
        about |= {"source": self._target.source, **self._target.made_by}
        return {PROPERTY_PREFIX + key: value for key, value in about.items()}

    def _forget_earlier_attempts(self) -> None:
        """Remove what attempts that were killed have left: from this commit on none of them can commit."""
        table = self._existing()
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
    """The columns of a table; what the rows do not have is null."""
    there = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [there[f.name] if f.name in there else pa.nulls(batch.num_rows, f.type) for f in columns]
    return pa.RecordBatch.from_arrays(arrays, names=columns.names)


def snapshot_properties(snapshot: "Snapshot") -> dict[str, str]:
    """What the writer of a snapshot has said about it."""
    return dict(snapshot.summary.additional_properties) if snapshot.summary is not None else {}


def _shown(types: dict[str, pa.DataType], name: str) -> str:
    return str(types.get(name, "missing"))
