"""Writing the rows of a job to a lake table: in one snapshot, exactly once, whatever the number of attempts."""

import posixpath
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

import pyarrow as pa

from dataml.contract.column_case import distinguish_by_case
from dataml.errors import Conflict, StorageFull, Unavailable
from dataml.iceberg.catalog import lake_exception_types, translate_lake_errors
from dataml.iceberg.columns import fit_columns, select_columns
from dataml.iceberg.commits import (
    PROPERTY_PREFIX,
    commit,
    commit_conflict_types,
    find_table,
    retry_commits,
    snapshot_properties,
)
from dataml.iceberg.data_files import file_schema, iceberg_schema, write_file
from dataml.iceberg.files import list_files, list_referenced_files, remove_file
from dataml.iceberg.names import TableName
from dataml.storage.space import is_storage_full

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata

WriteMode = Literal["append", "replace"]
BatchSource = Callable[[], Iterator[pa.RecordBatch]]
"""Gives the batches of the rows from the beginning, each time it is called."""


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
        Conflict: as `TablesWrite.run`.
        Unavailable: as `TablesWrite.run`.
    """
    return write_tables(catalog, writer, [(target, rows)])[0]


def write_tables(
    catalog: "Catalog", writer: WriteAttempt, rows_by_target: Sequence[tuple[LakeTarget, BatchSource]]
) -> list[int]:
    """Write to several tables as `TablesWrite` does, without another try after an error.

    Raises:
        Conflict: as `TablesWrite.run`.
        Unavailable: as `TablesWrite.run`.
    """
    with TablesWrite(writer, rows_by_target) as write:
        return write.run(catalog)


class TablesWrite:
    """The write of one attempt to several tables: a `with` block around `run`, which may be tried again.

    Each table has a commit of its own, but the first one comes after the rows of all are written and found to fit. The
    end of the block removes the files that certainly no snapshot refers to; those of a commit whose outcome is not
    known stay, for the collection of orphans.
    """

    def __init__(self, writer: WriteAttempt, rows_by_target: Sequence[tuple[LakeTarget, BatchSource]]) -> None:
        self._writes = [_TableWrite(target, writer, rows) for target, rows in rows_by_target]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for write in self._writes:
            write.clean_up()

    def run(self, catalog: "Catalog") -> list[int]:
        """Write and commit the rows, and return the id of a snapshot of each table.

        After an error it may be called again, also with another client of the same catalog. It then uses the files
        that are written already, and a commit that has landed counts.

        Raises:
            Conflict: `table_differs`: the table has other columns; `table_busy`: others committed all the time;
                `write_superseded`: a later job of the source has committed since this attempt began.
            Unavailable: `lake_full`, `lake_unavailable`: no commit has landed in the table that failed;
                `lake_commit_unknown`: a commit was sent, and whether it has landed is not known.
        """
        try:
            with translate_lake_errors():
                for write in self._writes:
                    write.prepare(catalog)
                return [write.run() for write in self._writes]
        except Unavailable as error:
            if isinstance(error, StorageFull) or not any(write.is_unconfirmed for write in self._writes):
                raise
            detail = (
                "The lake's catalog has not confirmed a commit: the rows may be in the table. Look at its snapshots "
                "before you write them again."
            )
            raise Unavailable(detail, code="lake_commit_unknown") from error


def delete_rows(catalog: "Catalog", target: LakeTarget, writer: WriteAttempt) -> None:
    """Delete the rows of a source from a table, if it has any.

    Raises:
        Conflict: `table_busy`, `write_superseded`, as `TablesWrite.run`.
        Unavailable: the lake does not answer; whether the rows are deleted is not known.
    """
    with translate_lake_errors():
        retry_commits(lambda: _delete_rows(catalog, target, writer))


def _delete_rows(catalog: "Catalog", target: LakeTarget, writer: WriteAttempt) -> None:
    table = find_table(catalog, target.name)
    own = _find_replaced_files(table, target, only_own=True)
    if table is None or not own:
        return
    _refuse_superseded(table, target, writer)
    transaction = table.transaction()
    with transaction.update_snapshot(snapshot_properties=_snapshot_properties(target, writer)).overwrite() as snapshot:
        for file in own:
            snapshot.delete_data_file(file)
    commit(catalog, target.name, transaction)


class _TableWrite:
    """The write of one attempt to one table: files first, then a commit that others may interfere with.

    Attributes:
        is_unconfirmed: whether a commit was sent of which nobody knows whether it has landed, or will.
    """

    def __init__(self, target: LakeTarget, writer: WriteAttempt, rows: BatchSource) -> None:
        self.is_unconfirmed = False
        self._target = target
        self._writer = writer
        self._rows = rows
        self._catalog: Catalog | None = None
        # No other try has these names: a file that a snapshot may refer to is never overwritten.
        self._tag = uuid.uuid4().hex[:12]
        self._file_count = 0
        self._names: tuple[str, ...] = ()
        self._files: list[DataFile] = []
        self._written_for: object = None
        self._removable: list[str] = []
        self._io: FileIO | None = None
        self._prepared: tuple[Table | None, Transaction] | None = None

    def prepare(self, catalog: "Catalog") -> None:
        """Write the files, and check that they fit the table."""
        self._catalog = catalog
        self._prepared = None
        retry_commits(lambda: self._prepare(catalog))

    def run(self) -> int:
        """Commit, and return the id of the snapshot."""
        catalog = self._catalog
        assert catalog is not None, "prepare comes first"
        return retry_commits(lambda: self._write_rows(catalog))

    def clean_up(self) -> None:
        """Remove the files that certainly no snapshot refers to."""
        self._remove(self._removable)
        self._removable = []

    def _prepare(self, catalog: "Catalog") -> None:
        table = self._load_table(catalog)
        if self._find_own_snapshot(table) is None:
            self._prepared = table, self._stage(catalog, table)

    def _write_rows(self, catalog: "Catalog") -> int:
        prepared, self._prepared = self._prepared, None
        table = prepared[0] if prepared is not None else self._load_table(catalog)
        own = self._find_own_snapshot(table)
        if own is None:
            _refuse_superseded(table, self._target, self._writer)
            own = self._commit(catalog, table, prepared[1] if prepared is not None else self._stage(catalog, table))
        self.is_unconfirmed = False
        return own

    def _load_table(self, catalog: "Catalog") -> "Table | None":
        table = find_table(catalog, self._target.name)
        if table is None:
            self._ensure_namespace(catalog)
        return table

    def _ensure_namespace(self, catalog: "Catalog") -> None:
        namespace = (self._target.name.namespace,)
        try:
            catalog.create_namespace_if_not_exists(namespace)
        except lake_exception_types():
            # Another writer has created it at this moment.
            if not catalog.namespace_exists(namespace):
                raise

    def _find_own_snapshot(self, table: "Table | None") -> int | None:
        """Return the id of the snapshot that an attempt at this job has committed, if any."""
        job = {PROPERTY_PREFIX + "job-id": str(self._writer.job_id), PROPERTY_PREFIX + "source": self._target.source}
        snapshots = table.metadata.snapshots if table is not None else []
        return next((s.snapshot_id for s in snapshots if job.items() <= snapshot_properties(s).items()), None)

    def _stage(self, catalog: "Catalog", table: "Table | None") -> "Transaction":
        """Write the files, and return a transaction that gives the table their columns."""
        is_append, name = self._target.mode == "append", self._target.name.table
        widens = is_append and self._target.widens
        columns = table.schema().column_names if table is not None and is_append else ()
        self._names = distinguish_by_case(self._read_schema().names, columns, widens=widens)
        transaction = self._create_table(catalog) if table is None else table.transaction()
        if table is not None:
            replaces = not is_append or self._has_left_no_rows(transaction.table_metadata)
            fit_columns(transaction, self._renamed_schema(), name, widens=widens, replaces=replaces)
        self._write_files(transaction, is_new=table is None)
        return transaction

    def _commit(self, catalog: "Catalog", table: "Table | None", transaction: "Transaction") -> int:
        replaced = _find_replaced_files(table, self._target)
        update = transaction.update_snapshot(snapshot_properties=_snapshot_properties(self._target, self._writer))
        with update.overwrite() if replaced else update.merge_append() as snapshot:
            for file in replaced:
                snapshot.delete_data_file(file)
            for file in self._files:
                snapshot.append_data_file(file)
        return self._send(catalog, transaction, snapshot.snapshot_id)

    def _send(self, catalog: "Catalog", transaction: "Transaction", snapshot_id: int) -> int:
        """Send a commit, and return the id of the snapshot that has the rows; the files stay unless it has failed."""
        paths, self._removable = self._removable, []
        try:
            commit(catalog, self._target.name, transaction)
        except commit_conflict_types():
            self._removable = paths
            raise
        except lake_exception_types() as error:
            if isinstance(error, OSError) and is_storage_full(error):
                # The table's metadata could not be written, so the catalog was not asked.
                self._removable = paths
                raise
            self.is_unconfirmed = True
            own = self._find_after_error(catalog)
            if own is None:
                raise
            return own
        committed = {file.file_path for file in self._files}
        self._removable = [path for path in paths if path not in committed]
        self._remove_files_of_earlier_attempts(catalog)
        return snapshot_id

    def _find_after_error(self, catalog: "Catalog") -> int | None:
        """Return the id of the snapshot whose commit has failed with an error, if it is seen in the table already."""
        with suppress(*lake_exception_types()):
            return self._find_own_snapshot(find_table(catalog, self._target.name))
        return None

    def _create_table(self, catalog: "Catalog") -> "Transaction":
        """Return a transaction that creates the table together with its first rows.

        All attempts at a job use the same folder, and no other job does, even after the table was dropped. A REST
        catalog chooses the folder itself, and its warehouse is not a path.
        """
        name = self._target.name
        tag = f"job-{self._writer.job_id}"
        warehouse = catalog.properties.get("warehouse") if catalog.properties["type"] != "rest" else None
        location = f"{warehouse}/{name.namespace}/{name.table}-{tag}" if warehouse else None
        properties = {"owner": self._target.owner, PROPERTY_PREFIX + "created-at": str(int(time.time() * 1000))}
        schema = iceberg_schema(self._renamed_schema())
        identifier = (name.namespace, name.table)
        return catalog.create_table_transaction(identifier, schema, location=location, properties=properties)

    def _read_schema(self) -> pa.Schema:
        batch = next(self._rows(), None)
        return batch.schema if batch is not None else pa.schema([])

    def _renamed_schema(self) -> pa.Schema:
        return pa.schema([f.with_name(name) for f, name in zip(self._read_schema(), self._names, strict=True)])

    def _has_left_no_rows(self, metadata: "TableMetadata") -> bool:
        """Return whether the rows of this source were the only ones of the table ever, and are deleted."""
        source = {PROPERTY_PREFIX + "source": self._target.source}.items()
        current = metadata.current_snapshot()
        if current is None or current.summary is None or current.summary.get("total-data-files") != "0":
            return False
        return all(source <= snapshot_properties(snapshot).items() for snapshot in metadata.snapshots)

    def _write_files(self, transaction: "Transaction", *, is_new: bool) -> None:
        """Write the rows, unless they are written already for the same columns of the same table."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        metadata = transaction.table_metadata
        # Each try to create a table gives it another id.
        written_for = (None if is_new else metadata.table_uuid, metadata.location, str(metadata.schema()))
        if written_for == self._written_for:
            return
        self._written_for = None
        table = transaction._table
        self._io = table.io
        schema = file_schema(metadata.schema())
        columns = schema_to_pyarrow(metadata.schema(), include_field_ids=False)
        rows = (batch.rename_columns(list(self._names)) for batch in self._rows() if batch.num_rows)
        batches = (select_columns(batch, columns) for batch in rows)
        files: list[DataFile] = []
        paths: list[str] = []
        try:
            first = next(batches, None)
            while first is not None:
                paths.append(table.location_provider().new_data_location(self._next_file_name()))
                files.append(write_file(table, schema, paths[-1], first, batches))
                first = next(batches, None)
        except BaseException:
            self._remove(paths)
            raise
        self._removable += paths
        self._files = files
        self._written_for = written_for

    def _next_file_name(self) -> str:
        self._file_count += 1
        attempt = f"{self._writer.job_id}.{self._writer.attempt}"
        return f"{self._target.source}-job-{attempt}-{self._tag}-{self._file_count}.parquet"

    def _remove_files_of_earlier_attempts(self, catalog: "Catalog") -> None:
        """Remove the files of killed attempts that no snapshot has: from this commit on none of them can commit.

        What fails here is left for the collection of orphans.
        """
        if self._writer.attempt == 1:
            return
        name = re.compile(rf"{re.escape(self._target.source)}-job-{self._writer.job_id}\.(\d+)-[^/]*\.parquet")
        with suppress(*lake_exception_types()):
            table = find_table(catalog, self._target.name)
            files = list_files(table.io, table.location()) if table is not None else None
            if table is None or not files:
                return
            matches = {path: name.fullmatch(posixpath.basename(path)) for path in files}
            left = [path for path, match in matches.items() if match and int(match[1]) < self._writer.attempt]
            if left:
                for path in {*left} - list_referenced_files(table):
                    remove_file(table.io, path)

    def _remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            with suppress(OSError):
                if self._io is not None:
                    self._io.delete(path)


def _find_replaced_files(table: "Table | None", target: LakeTarget, *, only_own: bool = False) -> "list[DataFile]":
    """Return the files whose rows new ones of a target replace."""
    if table is None or table.metadata.current_snapshot_id is None:
        return []
    source = {PROPERTY_PREFIX + "source": target.source}.items()
    has_written = any(source <= snapshot_properties(snapshot).items() for snapshot in table.metadata.snapshots)
    replaces_all = target.mode == "replace" and not only_own
    if not replaces_all and not has_written:
        return []
    files = [task.file for task in table.scan().plan_files()]
    own = f"/{target.source}-job-"
    return [file for file in files if replaces_all or own in file.file_path]


def _refuse_superseded(table: "Table | None", target: LakeTarget, writer: WriteAttempt) -> None:
    """Raise an error if a later job of the source has committed since this attempt began.

    Only an attempt that its supervisor could not end gets here: its rows would replace newer ones. Commits from before
    it began do not count: in a database that was restored, the numbers of jobs begin again.
    """
    source = {PROPERTY_PREFIX + "source": target.source}.items()
    for snapshot in table.metadata.snapshots if table is not None else []:
        properties = snapshot_properties(snapshot)
        job_id = properties.get(PROPERTY_PREFIX + "job-id") or properties.get(PROPERTY_PREFIX + "undone-by") or "0"
        is_later = int(job_id) > writer.job_id and snapshot.timestamp_ms >= writer.started_at * 1000
        if is_later and source <= properties.items():
            detail = "A later job has written these rows to the lake table; this one is superseded."
            raise Conflict(detail, code="write_superseded")


def _snapshot_properties(target: LakeTarget, writer: WriteAttempt) -> dict[str, str]:
    properties = {"job-id": str(writer.job_id), "attempt": str(writer.attempt)}
    properties |= {"source": target.source, **target.made_by}
    return {PROPERTY_PREFIX + key: value for key, value in properties.items()}
