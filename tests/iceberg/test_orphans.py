"""Files and folders that writes have left are found, and never a file that a table refers to."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table.statistics import PartitionStatisticsFile, StatisticsFile
from pyiceberg.table.update import SetPartitionStatisticsUpdate

from dataml.errors import Unavailable
from dataml.iceberg.catalog import LakeConfig, lake_exception_types, load_table
from dataml.iceberg.orphans import Orphans, find_orphans
from tests.conftest import needs_builtin_lake
from tests.iceberg.test_commits import LOST
from tests.iceberg.test_writing import TABLE, numbers, rows, target, write

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

pytestmark = needs_builtin_lake  # ages of files are set on the disk; see tests/services for a REST catalog
DAY_S = 24 * 3600.0
OWN = [TABLE.namespace]


def age(config: LakeConfig, hours: float = 25) -> None:
    """Make everything in the warehouse as old as that."""
    for path in config.home.rglob("*"):
        os.utime(path, (time.time() - hours * 3600,) * 2)


def find(catalog: "Catalog", namespaces: list[str] = OWN) -> Orphans:
    return find_orphans(catalog, namespaces, time.time() - DAY_S)


def names(orphans: Orphans) -> set[str]:
    return {os.path.basename(path) for _, path in orphans.files}


def folders(orphans: Orphans) -> dict[str, int]:
    return {os.path.basename(folder.path): folder.job_id for _, folder in orphans.folders}


def all_files(config: LakeConfig) -> set[str]:
    return {str(path) for path in config.home.rglob("*") if path.is_file() and path.suffix != ".db"}


def fail_commit(catalog: "Catalog", job_id: int, method: str, **fields: Any) -> None:
    """Make a write fail in a call of the catalog, which does not get to its end."""

    def lose(*_: Any) -> None:
        raise LOST["database"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, method, lose)
        with suppress(Unavailable):
            write(catalog, target("dataset-9", **fields), job_id, rows(9))


def fail_after_metadata(catalog: "Catalog", job_id: int) -> None:
    """Make the catalog's database fail after the table's metadata was written."""

    def write_and_lose(*args: Any, **options: Any) -> None:
        original(*args, **options)
        raise LOST["database"]

    original = catalog._write_metadata  # type: ignore[reportAttributeAccessIssue]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "_write_metadata", write_and_lose)
        with suppress(Unavailable):
            write(catalog, target("dataset-9"), job_id, rows(9))


def test_files_of_a_write_whose_catalog_fails_are_removed_after_a_day(catalog: "Catalog", config: LakeConfig) -> None:
    write(catalog, target(), 1, rows(1))
    before = all_files(config)
    fail_commit(catalog, 2, "commit_table")
    fail_after_metadata(catalog, 3)
    left = all_files(config) - before
    assert {Path(path).suffix for path in left} == {".parquet", ".avro", ".json"}
    age(config, hours=23)
    assert names(find(catalog)) == set()
    age(config)
    orphans = find(catalog)
    assert {path for _, path in orphans.files} == left
    orphans.remove(())
    assert all_files(config) == before
    assert numbers(catalog) == [1]
    assert names(find(catalog)) == set()


def test_no_file_of_any_snapshot_is_an_orphan(catalog: "Catalog", config: LakeConfig) -> None:
    """Replaced rows of older snapshots, and metadata that has left the log of the newest."""
    write(catalog, target("dataset-2"), 1, rows(5))
    with load_table(catalog, TABLE).transaction() as transaction:
        transaction.set_properties({"write.metadata.previous-versions-max": "1"})
    for job_id in range(2, 7):
        write(catalog, target(mode="replace" if job_id == 4 else "append"), job_id, rows(job_id))
    age(config)
    assert len(load_table(catalog, TABLE).metadata.metadata_log) == 1
    assert names(find(catalog)) == set()
    for snapshot in load_table(catalog, TABLE).snapshots():
        numbers(catalog, snapshot.snapshot_id)


def test_statistics_of_a_table_are_no_orphans(catalog: "Catalog", config: LakeConfig) -> None:
    """Their names are the engine's choice: these could be manifests."""
    write(catalog, target(), 1, rows(1))
    table = load_table(catalog, TABLE)
    paths = [f"{table.location()}/metadata/{name}-m0.avro" for name in ("statistics", "partitions", "left")]
    for path in paths:
        Path(path).write_bytes(b"x")
    sizes = {"snapshot-id": table.metadata.current_snapshot_id, "file-size-in-bytes": 1}
    with table.update_statistics() as update:
        update.set_statistics(
            StatisticsFile(
                **sizes, **{"statistics-path": paths[0], "file-footer-size-in-bytes": 1, "blob-metadata": []}
            )
        )
    with table.transaction() as transaction:
        partition = PartitionStatisticsFile(**sizes, **{"statistics-path": paths[1]})
        transaction._apply((SetPartitionStatisticsUpdate(partition_statistics=partition),))
    age(config)
    assert names(find(catalog)) == {"left-m0.avro"}


def test_a_file_that_a_table_of_another_namespace_refers_to_is_kept(catalog: "Catalog", config: LakeConfig) -> None:
    write(catalog, target(), 1, rows(1))
    data = Path(load_table(catalog, TABLE).location()) / "data"
    for name in ("dataset-9-job-9.1-shared-1.parquet", "dataset-9-job-9.1-left-1.parquet"):
        pq.write_table(pa.table({"n": [1]}), data / name)
    catalog.create_namespace("company")
    other = catalog.create_table("company.other", pa.schema([("n", pa.int64())]))
    other.add_files([f"file://{data}/dataset-9-job-9.1-shared-1.parquet"])
    age(config)
    assert names(find(catalog)) == {"dataset-9-job-9.1-left-1.parquet"}


def test_files_and_tables_of_others_are_left_alone(catalog: "Catalog", config: LakeConfig) -> None:
    write(catalog, target(), 1, rows(1))
    location = Path(load_table(catalog, TABLE).location())
    (location / "data" / "20261127_1_trino.parquet").write_bytes(b"x")
    (location / "metadata" / "version-hint.text").write_bytes(b"1")
    theirs = catalog.create_table((TABLE.namespace, "theirs"), pa.schema([("n", pa.int64())]))
    left = Path(theirs.location()) / "metadata" / "left-m0.avro"
    left.write_bytes(b"x")
    write(catalog, target(), 2, rows(1))
    (location / "metadata" / "left-m1.avro").write_bytes(b"x")
    age(config)
    assert names(find(catalog)) == {"left-m1.avro"}
    assert names(find(catalog, ["t_2_silver"])) == set()


def test_nothing_is_removed_while_a_table_cannot_be_read(catalog: "Catalog", config: LakeConfig) -> None:
    write(catalog, target(), 1, rows(1))
    (Path(load_table(catalog, TABLE).location()) / "metadata" / "left-m0.avro").write_bytes(b"x")
    catalog.create_namespace("company")
    other = catalog.create_table("company.other", pa.schema([("n", pa.int64())]))
    Path(other.metadata_location.removeprefix("file://")).unlink()
    age(config)
    with pytest.raises(lake_exception_types()):
        find(catalog)


def test_a_catalog_that_was_restored_from_an_older_copy_loses_nothing(catalog: "Catalog", config: LakeConfig) -> None:
    write(catalog, target(), 1, rows(1))
    copy = config.home / "copy"
    shutil.copy(config.home / "catalog.db", copy)
    for job_id in (2, 3):
        write(catalog, target(f"dataset-{job_id}"), job_id, rows(job_id))
    shutil.copy(copy, config.home / "catalog.db")
    age(config)
    assert numbers(catalog) == [1]
    assert names(find(catalog)) == set()


def test_folders_of_tables_that_were_never_created_are_found(catalog: "Catalog", config: LakeConfig) -> None:
    write(catalog, target(), 1, rows(1))
    catalog.rename_table((TABLE.namespace, TABLE.table), (TABLE.namespace, "renamed"))
    fail_commit(catalog, 2, "commit_table")
    fail_after_metadata(catalog, 3)
    namespace = config.home / "warehouse" / OWN[0]
    (namespace / "empty-job-4" / "data").mkdir(parents=True)
    (namespace / "others").mkdir()
    age(config, hours=23)
    assert folders(find(catalog)) == {}
    age(config)
    orphans = find(catalog)
    assert folders(orphans) == {"visits-job-2": 2, "visits-job-3": 3, "empty-job-4": 4}
    assert {folder.job_id for _, folder in orphans.folders if folder.has_metadata} == {3}
    orphans.remove([str(namespace / name) for name in ("visits-job-2", "empty-job-4")])
    assert {path.name for path in namespace.iterdir()} == {"visits-job-1", "visits-job-3", "others"}


def test_a_folder_with_a_young_file_stays(catalog: "Catalog", config: LakeConfig) -> None:
    fail_commit(catalog, 2, "commit_table")
    age(config)
    (config.home / "warehouse" / OWN[0] / "visits-job-2" / "data" / "young").write_bytes(b"x")
    assert folders(find(catalog)) == {}


def test_a_folder_of_a_table_of_another_namespace_stays(catalog: "Catalog", config: LakeConfig) -> None:
    catalog.create_namespace("company")
    location = config.home / "warehouse" / OWN[0] / "moved-job-5"
    catalog.create_table("company.moved", pa.schema([("n", pa.int64())]), location=str(location / "inside"))
    age(config)
    assert folders(find(catalog)) == {}


def test_tables_whose_files_cannot_be_listed_are_reported(catalog: "Catalog", monkeypatch: pytest.MonkeyPatch) -> None:
    write(catalog, target(), 1, rows(1))
    assert find(catalog).is_complete
    monkeypatch.setitem(catalog.properties, "py-io-impl", "pyiceberg.io.fsspec.FsspecFileIO")
    orphans = find(catalog)
    assert not orphans.is_complete
    assert (orphans.files, orphans.folders) == ([], [])
