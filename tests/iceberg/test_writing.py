"""Rows of a job are written to a lake table in one snapshot, exactly once, whatever happens meanwhile."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from dataml.errors import Conflict, NotFound, Unavailable
from dataml.iceberg import commits
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog
from dataml.iceberg.commits import snapshot_properties
from dataml.iceberg.names import TableName
from dataml.iceberg.reading import read_batches
from dataml.iceberg.writing import (
    BatchSource,
    LakeTarget,
    WriteAttempt,
    delete_rows,
    write_rows,
    write_tables,
)
from tests.conftest import needs_builtin_lake
from tests.iceberg.conftest import DataFiles

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

TABLE = TableName("t_1_silver", "visits")


def rows(*numbers: int, name: str = "n") -> BatchSource:
    batch = pa.record_batch({name: pa.array(numbers, pa.int64()), 'a"b': pa.array([str(n) for n in numbers])})
    return lambda: iter([batch])


def target(source: str = "dataset-1", **fields: Any) -> LakeTarget:
    return LakeTarget(TABLE, source, "jane", **fields)


def write(catalog: "Catalog", to: LakeTarget, job_id: int, of: BatchSource, attempt: int = 1) -> int:
    return write_rows(catalog, to, WriteAttempt(job_id, attempt), of)


def numbers(catalog: "Catalog", snapshot_id: int | None = None, column: str = "n") -> list[int]:
    table = load_table(catalog, TABLE)
    return sorted(n for b in read_batches(table, [column], snapshot_id) for n in b.column(0).to_pylist())


def test_table_is_created_with_its_first_rows_and_their_origin(catalog: "Catalog") -> None:
    snapshot_id = write(catalog, target(made_by={"dataset-id": "1"}), 5, rows(1, 2))
    table = load_table(catalog, TABLE)
    assert [snapshot.snapshot_id for snapshot in table.snapshots()] == [snapshot_id]
    said = {"dataml.job-id": "5", "dataml.attempt": "1", "dataml.dataset-id": "1", "dataml.source": "dataset-1"}
    assert said.items() <= snapshot_properties(table.snapshots()[0]).items()
    assert table.properties["owner"] == "jane"
    assert next(read_batches(table)).to_pylist() == [{"n": 1, 'a"b': "1"}, {"n": 2, 'a"b': "2"}]


def test_rows_of_another_source_are_appended(catalog: "Catalog") -> None:
    first = write(catalog, target("dataset-1"), 1, rows(1))
    write(catalog, target("dataset-2"), 2, rows(2))
    assert numbers(catalog) == [1, 2]
    assert numbers(catalog, first) == [1]


def test_later_job_of_a_source_replaces_its_rows_and_no_others(catalog: "Catalog") -> None:
    write(catalog, target("dataset-1"), 1, rows(1))
    write(catalog, target("dataset-11"), 2, rows(2))
    write(catalog, target("dataset-1"), 3, rows(10, 11))
    assert numbers(catalog) == [2, 10, 11]


def test_next_attempt_at_a_job_that_has_committed_writes_nothing(catalog: "Catalog", data_files: DataFiles) -> None:
    snapshot_id = write(catalog, target(), 1, rows(1, 2))
    assert write(catalog, target(), 1, rows(1, 2), attempt=2) == snapshot_id
    assert numbers(catalog) == [1, 2]
    assert len(data_files()) == 1


def test_two_concurrent_attempts_commit_once(catalog: "Catalog", config: LakeConfig, data_files: DataFiles) -> None:
    """The earlier one is about to commit when the later one writes and commits; nobody waits for the earlier one."""
    write(catalog, target("dataset-2"), 1, rows(5))

    def meanwhile() -> Iterator[pa.RecordBatch]:
        yield from rows(1, 2)()
        write(open_catalog(config), target(), 2, rows(1, 2), attempt=2)

    with suppress(Unavailable):
        write(catalog, target(), 2, meanwhile)
    assert numbers(catalog) == [1, 2, 5]
    assert snapshot_properties(load_table(catalog, TABLE).snapshots()[-1])["dataml.attempt"] == "2"
    assert len(data_files()) == 2


def test_concurrent_writers_all_commit(config: LakeConfig, data_files: DataFiles) -> None:
    together = threading.Barrier(4)
    failures: list[BaseException] = []

    def writer(number: int) -> None:
        catalog = open_catalog(config)
        together.wait()
        try:
            write(catalog, target(f"dataset-{number}"), number, rows(number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert numbers(open_catalog(config)) == [0, 1, 2, 3]
    assert len(data_files()) == 4


def test_table_that_others_change_all_the_time_is_a_conflict(
    catalog: "Catalog", config: LakeConfig, data_files: DataFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_MAX_COMMITS", 1)
    write(catalog, target("dataset-1"), 1, rows(1))

    def meanwhile() -> Iterator[pa.RecordBatch]:
        yield from rows(2)()
        write(open_catalog(config), target("dataset-3"), 3, rows(3))

    with pytest.raises(Conflict) as caught:
        write(catalog, target("dataset-2"), 2, meanwhile)
    assert caught.value.code == "table_busy"
    assert numbers(catalog) == [1, 3]
    assert len(data_files()) == 2


def test_full_storage_leaves_no_table_and_no_files(catalog: "Catalog", data_files: DataFiles) -> None:
    def filling() -> Iterator[pa.RecordBatch]:
        yield from rows(1)()
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Unavailable) as caught:
        write(catalog, target(), 1, filling)
    assert caught.value.code == "lake_full"
    with pytest.raises(NotFound):
        load_table(catalog, TABLE)
    assert data_files() == set()


KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from dataml.iceberg import writing
from dataml.iceberg.catalog import LakeConfig, open_catalog
from dataml.iceberg.names import TableName
from dataml.settings import load_settings
from pyiceberg.table import Transaction
home, when = sys.argv[1:]
config = LakeConfig.from_settings(load_settings(home=Path(home)))
catalog = open_catalog(config)
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
def rows():
    yield pa.record_batch({"n": pa.array([9], pa.int64()), 'a"b': pa.array(["9"])})
    if when == "while writing":
        die()
if when == "before the commit":
    # The built-in one dies with the table's new metadata written, another before.
    setattr(catalog, "_write_metadata" if config.properties["type"] == "sql" else "commit_table", die)
target = writing.LakeTarget(TableName("t_1_silver", "visits"), "dataset-1", "jane")
writing.write_rows(catalog, target, writing.WriteAttempt(7, 1), rows)
if when == "after the commit":
    die()
"""


@needs_builtin_lake
@pytest.mark.parametrize("when", ["while writing", "before the commit"])
def test_next_attempt_removes_files_that_a_kill_left_of_a_new_table(
    tmp_path: Path, catalog: "Catalog", data_files: DataFiles, when: str
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), when], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    write(catalog, target("dataset-1"), 7, rows(9), attempt=2)
    assert numbers(catalog) == [9]
    assert len(data_files()) == 1


@pytest.mark.parametrize("when", ["while writing", "before the commit", "after the commit"])
def test_kill_leaves_all_rows_or_none_and_the_next_attempt_is_right(
    tmp_path: Path, data_files: DataFiles, catalog: "Catalog", when: str
) -> None:
    write(catalog, target("dataset-2"), 1, rows(1))
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), when], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert numbers(catalog) == ([1, 9] if when == "after the commit" else [1])
    write(catalog, target("dataset-1"), 7, rows(9), attempt=2)
    assert numbers(catalog) == [1, 9]
    assert len(data_files()) == 2, "files of the killed attempt are removed"


def test_rows_of_a_source_are_deleted_and_no_others(catalog: "Catalog", data_files: DataFiles) -> None:
    write(catalog, target("dataset-1"), 1, rows(1))
    write(catalog, target("dataset-2"), 2, rows(2))
    delete_rows(catalog, target("dataset-1"), WriteAttempt(3, 1))
    assert numbers(catalog) == [2]
    before = load_table(catalog, TABLE).metadata.current_snapshot_id
    delete_rows(catalog, target("dataset-3"), WriteAttempt(4, 1))
    assert load_table(catalog, TABLE).metadata.current_snapshot_id == before


def test_no_table_is_written_when_the_rows_of_one_do_not_fit(catalog: "Catalog", data_files: DataFiles) -> None:
    write(catalog, target("dataset-1"), 1, rows(1))
    other = LakeTarget(TableName("t_1_silver", "others"), "dataset-2", "jane")
    with pytest.raises(Conflict):
        write_tables(catalog, WriteAttempt(2, 1), [(other, rows(2)), (target("dataset-2"), rows(2, name="m"))])
    with pytest.raises(NotFound):
        load_table(catalog, other.name)
    assert numbers(catalog) == [1]
    assert len(data_files()) == 1
