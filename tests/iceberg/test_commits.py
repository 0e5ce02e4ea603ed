"""Commits whose answer is lost: no file of a snapshot is removed, and no row is written twice."""

import errno
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from sqlalchemy.exc import OperationalError

from dataml.errors import Conflict, Unavailable
from dataml.iceberg.catalog import LakeConfig, load_table, open_catalog
from dataml.iceberg.commits import find_table
from dataml.iceberg.names import TableName
from dataml.iceberg.reading import read_batches
from dataml.iceberg.undo import undo_jobs
from dataml.iceberg.writing import LakeTarget, TablesWrite, WriteAttempt, delete_rows, write_rows
from tests.iceberg.conftest import DataFiles
from tests.iceberg.faults import Fault, FaultyCatalog
from tests.iceberg.test_writing import TABLE, numbers, rows, target, write

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def garbled_answer() -> Exception:
    """Return the error for an answer of a REST catalog that ends in the middle."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict).validate_json("{")
    return caught.value


LOST = {
    "line": OSError("the line is down"),
    "database": OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly")),
    "gateway": CommitStateUnknownException("504"),
    "garbled": garbled_answer(),
}


@pytest.fixture
def faulty(catalog: "Catalog", monkeypatch: pytest.MonkeyPatch) -> FaultyCatalog:
    return FaultyCatalog(catalog, monkeypatch)


def read_numbers(catalog: "Catalog", name: TableName) -> list[int]:
    """Return all numbers of a table, none when there is no table; fails when a file is missing."""
    table = find_table(catalog, name)
    batches = read_batches(table, ["n"]) if table is not None else ()
    return sorted(n for batch in batches for n in batch.column(0).to_pylist())


@pytest.mark.parametrize("is_last", [True, False], ids=["catalog away afterwards", "one answer lost"])
@pytest.mark.parametrize("takes_effect", [True, False], ids=["after the call", "before the call"])
@pytest.mark.parametrize("is_new", [True, False], ids=["new table", "existing table"])
def test_rows_are_written_once_whichever_answer_is_lost(
    catalog: "Catalog", faulty: FaultyCatalog, is_new: bool, takes_effect: bool, is_last: bool
) -> None:
    """Each call fails once: rows are all there or none, can be read, and a second attempt adds none twice."""
    before = [] if is_new else [1]
    for number, call in enumerate(list_calls(catalog, faulty, before)):
        name = TableName("t_1_silver", f"visits_{number}")
        prepare_table(catalog, name, before)
        to = LakeTarget(name, "dataset-1", "jane")
        with faulty.fault(Fault(number, LOST["line"], takes_effect=takes_effect, is_last=is_last)):
            error = try_write(catalog, to, WriteAttempt(5, 1))
        if takes_effect and call == "commit_table":
            assert read_numbers(catalog, name) == [*before, 2, 3], call
        elif error is not None:
            assert read_numbers(catalog, name) == before, call
        if error is not None:
            assert error.code == ("lake_commit_unknown" if call == "commit_table" else "lake_unavailable")
        assert try_write(catalog, to, WriteAttempt(5, 2)) is None
        assert read_numbers(catalog, name) == [*before, 2, 3], call


def list_calls(catalog: "Catalog", faulty: FaultyCatalog, before: list[int]) -> list[str]:
    """Return the calls of a write that succeeds."""
    name = TableName("t_1_silver", "visits")
    prepare_table(catalog, name, before)
    with faulty.fault(None):
        assert try_write(catalog, LakeTarget(name, "dataset-1", "jane"), WriteAttempt(5, 1)) is None
    assert {"load_table", "commit_table"} <= {*faulty.calls}
    return faulty.calls


def prepare_table(catalog: "Catalog", name: TableName, before: list[int]) -> None:
    if before:
        write_rows(catalog, LakeTarget(name, "dataset-2", "jane"), WriteAttempt(1, 1), rows(*before))


def try_write(catalog: "Catalog", to: LakeTarget, writer: WriteAttempt) -> Unavailable | None:
    try:
        write_rows(catalog, to, writer, rows(2, 3))
    except Unavailable as error:
        return error
    return None


@pytest.mark.parametrize("error", LOST.values(), ids=LOST)
@pytest.mark.parametrize("is_new", [True, False], ids=["new table", "existing table"])
def test_commit_that_lands_after_its_error_keeps_its_files(
    catalog: "Catalog",
    config: LakeConfig,
    data_files: DataFiles,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
    error: Exception,
) -> None:
    """The catalog answers with an error, is asked for the snapshot, and only then finishes the commit."""
    if not is_new:
        write(catalog, target("dataset-2"), 1, rows(1))
    commit = catalog.commit_table
    sent: list[Any] = []

    def lose(*args: Any) -> None:
        sent.append(args)
        raise error

    monkeypatch.setattr(catalog, "commit_table", lose)
    with pytest.raises(Unavailable) as caught:
        write(catalog, target(), 2, rows(2))
    assert caught.value.code == "lake_commit_unknown"
    commit(*sent[0])
    expected = [2] if is_new else [1, 2]
    assert numbers(open_catalog(config)) == expected
    write(open_catalog(config), target(), 2, rows(2), attempt=2)
    assert numbers(open_catalog(config)) == expected
    assert len(data_files()) == len(expected)


def test_failed_try_with_the_number_of_an_unknown_one_keeps_its_files(
    catalog: "Catalog", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of jobs and attempts begin again in a database that was restored."""
    write(catalog, target("dataset-2"), 1, rows(1))
    sent: list[Any] = []

    def lose(*args: Any) -> None:
        sent.append(args)
        raise LOST["line"]

    def fill() -> Iterator[pa.RecordBatch]:
        yield from rows(2)()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "commit_table", lose)
        with pytest.raises(Unavailable):
            write(catalog, target(), 2, rows(2))
    with pytest.raises(Unavailable):
        write(catalog, target(), 2, fill)
    catalog.commit_table(*sent[0])
    assert numbers(catalog) == [1, 2]


@pytest.mark.parametrize("is_new", [True, False], ids=["new table", "existing table"])
def test_commit_that_lands_during_the_next_try_keeps_its_files(
    catalog: "Catalog", data_files: DataFiles, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """The first try lands just before the second one is committed, which then conflicts with it."""
    if not is_new:
        write(catalog, target("dataset-2"), 1, rows(1))
    commit = catalog.commit_table
    sent: list[Any] = []

    def lose_the_first(*args: Any) -> Any:
        sent.append(args)
        if len(sent) == 1:
            raise LOST["gateway"]
        if len(sent) == 2:
            commit(*sent[0])
        return commit(*args)

    monkeypatch.setattr(catalog, "commit_table", lose_the_first)
    with TablesWrite(WriteAttempt(2, 1), [(target(), rows(2))]) as tables:
        with pytest.raises(Unavailable):
            tables.run(catalog)
        (snapshot_id,) = tables.run(catalog)
    expected = [2] if is_new else [1, 2]
    assert numbers(catalog) == expected
    assert load_table(catalog, TABLE).metadata.current_snapshot_id == snapshot_id
    assert len(load_table(catalog, TABLE).metadata.snapshots) == len(expected)
    assert len(data_files()) == len(expected)


def test_tries_after_an_unknown_outcome_use_the_same_files(
    catalog: "Catalog", data_files: DataFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = catalog.commit_table
    tries: list[int] = []

    def lose_three(*args: Any) -> Any:
        tries.append(len(data_files()))
        if len(tries) <= 3:
            raise LOST["database"]
        return commit(*args)

    monkeypatch.setattr(catalog, "commit_table", lose_three)
    with TablesWrite(WriteAttempt(2, 1), [(target(), rows(2))]) as tables:
        for _ in range(3):
            with pytest.raises(Unavailable):
                tables.run(catalog)
        tables.run(catalog)
    assert numbers(catalog) == [2]
    assert tries == [1, 1, 1, 1]


@pytest.mark.parametrize("is_new", [True, False], ids=["new table", "existing table"])
def test_conflict_of_a_commit_with_itself_is_no_conflict(
    catalog: "Catalog", data_files: DataFiles, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """A gateway sends a request whose answer it has lost again, and passes the conflict on."""
    if not is_new:
        write(catalog, target("dataset-2"), 1, rows(1))
    commit = catalog.commit_table

    def commit_twice(*args: Any) -> None:
        commit(*args)
        raise CommitFailedException("409")

    monkeypatch.setattr(catalog, "commit_table", commit_twice)
    snapshot_id = write(catalog, target(), 2, rows(2))
    expected = [2] if is_new else [1, 2]
    assert numbers(catalog) == expected
    assert load_table(catalog, TABLE).metadata.current_snapshot_id == snapshot_id
    assert len(data_files()) == len(expected)
    delete_rows(catalog, target(), WriteAttempt(3, 1))
    assert numbers(catalog) == expected[:-1]
    undo_jobs(catalog, target(), [2], WriteAttempt(4, 1))
    assert numbers(catalog) == expected[:-1]


def test_real_conflict_leaves_no_manifest(
    catalog: "Catalog", config: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(catalog, target("dataset-2"), 1, rows(1))
    commit = catalog.commit_table
    tries: list[Any] = []

    def interfere(*args: Any) -> Any:
        tries.append(args)
        if len(tries) == 1:
            write(open_catalog(config), target("dataset-3"), 3, rows(3))
        return commit(*args)

    monkeypatch.setattr(catalog, "commit_table", interfere)
    write(catalog, target(), 2, rows(2))
    assert numbers(catalog) == [1, 2, 3]
    assert len(tries) == 2
    snapshots = load_table(catalog, TABLE).metadata.snapshots
    assert {path.name for path in config.home.rglob("snap-*.avro")} <= {
        snapshot.manifest_list.rpartition("/")[2] for snapshot in snapshots
    }


def test_rows_of_a_commit_that_was_never_sent_are_removed(
    catalog: "Catalog", data_files: DataFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata of the table does not fit on the disk, so the catalog is not asked to take the commit."""

    def fill(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(catalog, "commit_table", fill)
    with pytest.raises(Unavailable) as caught:
        write(catalog, target(), 1, rows(1))
    assert caught.value.code == "lake_full"
    assert data_files() == set()


def test_error_that_nobody_expects_keeps_the_files(catalog: "Catalog", monkeypatch: pytest.MonkeyPatch) -> None:
    commit = catalog.commit_table

    def commit_and_end(*args: Any) -> None:
        commit(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "commit_table", commit_and_end)
    with suppress(KeyboardInterrupt):
        write(catalog, target(), 1, rows(1))
    assert numbers(catalog) == [1]


@pytest.mark.parametrize("takes_effect", [True, False], ids=["after the call", "before the call"])
def test_deletion_and_undo_may_be_tried_again_whichever_answer_is_lost(
    catalog: "Catalog", faulty: FaultyCatalog, takes_effect: bool
) -> None:
    write(catalog, target("dataset-2"), 1, rows(1))
    write(catalog, target(), 2, rows(2))
    write(catalog, target(), 3, rows(3))
    changes = (
        (lambda: undo_jobs(catalog, target(), [3], WriteAttempt(4, 1)), [1, 2]),
        (lambda: delete_rows(catalog, target(), WriteAttempt(5, 1)), [1]),
    )
    for change, expected in changes:
        for error in (LOST["line"], LOST["garbled"]):
            fault = Fault(1, error, takes_effect=takes_effect, is_last=True)
            with faulty.fault(fault), suppress(Unavailable):
                change()
        change()
        assert numbers(catalog) == expected


def test_superseded_try_keeps_the_files_of_an_unknown_commit(
    catalog: "Catalog", config: LakeConfig, data_files: DataFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: Any) -> None:
        raise LOST["gateway"]

    with TablesWrite(WriteAttempt(2, 1), [(target(), rows(2))]) as tables:
        with monkeypatch.context() as patch:
            patch.setattr(catalog, "commit_table", lose)
            with pytest.raises(Unavailable):
                tables.run(catalog)
        write(open_catalog(config), target(), 3, rows(3))
        with pytest.raises(Conflict) as caught:
            tables.run(catalog)
    assert caught.value.code == "write_superseded"
    assert numbers(catalog) == [3]
    assert any("-job-2.1-" in name for name in data_files()), "left for the collection of orphans"
