"""Undoing what jobs have committed to a lake table and nobody has recorded."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from dataml.iceberg.catalog import translate_lake_errors
from dataml.iceberg.commits import PROPERTY_PREFIX, commit, find_table, retry_commits, snapshot_properties
from dataml.iceberg.writing import LakeTarget, WriteAttempt

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def undo_jobs(catalog: "Catalog", target: LakeTarget, job_ids: Collection[int], writer: WriteAttempt) -> None:
    """Give the source of a target the rows that it had before these jobs, in one commit.

    Nothing changes when none of them has committed, or when a later job of the source has. Rows of others that such a
    job has replaced return too, unless others have committed since.

    Raises:
        Conflict: `table_busy`.
        Unavailable: the lake does not answer; whether the jobs are undone is not known.
    """
    with translate_lake_errors():
        retry_commits(lambda: _undo(catalog, target, {str(job_id) for job_id in job_ids}, writer))


def _undo(catalog: "Catalog", target: LakeTarget, job_ids: set[str], writer: WriteAttempt) -> None:
    table = find_table(catalog, target.name)
    if table is None or not (commits := _find_commits(table, target.source, job_ids)):
        return
    present = _list_files(table)
    wanted = dict(present)
    for snapshot in commits:
        wanted = _revert(table, snapshot, target.source, wanted)
    if wanted.keys() == present.keys():
        return
    properties = {"source": target.source, "undone-by": str(writer.job_id), **target.made_by}
    transaction = table.transaction()
    named = {PROPERTY_PREFIX + key: value for key, value in properties.items()}
    with transaction.update_snapshot(snapshot_properties=named).overwrite() as update:
        for path in present.keys() - wanted.keys():
            update.delete_data_file(present[path])
        for path in wanted.keys() - present.keys():
            update.append_data_file(wanted[path])
    commit(catalog, target.name, transaction)


def _find_commits(table: "Table", source: str, job_ids: set[str]) -> "list[Snapshot]":
    """Return the newest commits of a source as far as these jobs made them, the last one first."""
    commits: list[Snapshot] = []
    for snapshot in reversed(table.metadata.snapshots):
        properties = snapshot_properties(snapshot)
        if properties.get(PROPERTY_PREFIX + "source") != source:
            continue
        if properties.get(PROPERTY_PREFIX + "job-id") not in job_ids:
            break
        commits.append(snapshot)
    return commits


def _revert(table: "Table", snapshot: "Snapshot", source: str, files: "dict[str, DataFile]") -> "dict[str, DataFile]":
    """Return files of a table without those that a commit has added, and with those that it has removed."""
    job_id = snapshot_properties(snapshot)[PROPERTY_PREFIX + "job-id"]
    kept = {path: file for path, file in files.items() if f"/{source}-job-{job_id}." not in path}
    parent = table.metadata.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    if parent is None or parent.schema_id != table.metadata.current_schema_id:
        return kept  # there was nothing before, it has expired, or it had other columns
    after = _list_files(table, snapshot.snapshot_id)
    removed = {path: file for path, file in _list_files(table, parent.snapshot_id).items() if path not in after}
    if _has_other_commits_since(table, snapshot, source):
        removed = {path: file for path, file in removed.items() if f"/{source}-job-" in path}
    return kept | removed


def _has_other_commits_since(table: "Table", snapshot: "Snapshot", source: str) -> bool:
    snapshots = table.metadata.snapshots
    later = snapshots[snapshots.index(snapshot) + 1 :]
    return any(snapshot_properties(each).get(PROPERTY_PREFIX + "source") != source for each in later)


def _list_files(table: "Table", snapshot_id: int | None = None) -> "dict[str, DataFile]":
    return {task.file.file_path: task.file for task in table.scan(snapshot_id=snapshot_id).plan_files()}
