"""What a superseded job has committed is undone, and what it commits too late is refused."""

from typing import TYPE_CHECKING, Any

import pytest

from dataml.errors import Conflict
from dataml.iceberg.catalog import load_table
from dataml.iceberg.commits import snapshot_properties
from dataml.iceberg.undo import undo_jobs
from dataml.iceberg.writing import WriteAttempt, delete_rows
from tests.iceberg.test_writing import TABLE, numbers, rows, target, write

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def undo(catalog: "Catalog", *job_ids: int, by: int = 9, **of: Any) -> None:
    undo_jobs(catalog, target(**of), job_ids, WriteAttempt(by, 1))


def count_snapshots(catalog: "Catalog") -> int:
    return len(load_table(catalog, TABLE).snapshots())


def test_the_rows_before_an_undone_job_return(catalog: "Catalog") -> None:
    write(catalog, target("dataset-2"), 1, rows(5))
    write(catalog, target(), 2, rows(1, 2))
    write(catalog, target(), 3, rows(1, 2, 3))
    assert numbers(catalog) == [1, 2, 3, 5]
    undo(catalog, 3)
    assert numbers(catalog) == [1, 2, 5]
    properties = snapshot_properties(load_table(catalog, TABLE).snapshots()[-1])
    assert (properties["dataml.source"], properties["dataml.undone-by"]) == ("dataset-1", "9")


def test_several_undone_jobs_are_undone_together(catalog: "Catalog") -> None:
    write(catalog, target(), 2, rows(1))
    write(catalog, target(), 3, rows(2))
    write(catalog, target("dataset-2"), 4, rows(7))
    write(catalog, target(), 5, rows(3))
    undo(catalog, 3, 5, 6)
    assert numbers(catalog) == [1, 7]


def test_undoing_twice_or_nothing_commits_nothing(catalog: "Catalog") -> None:
    undo(catalog, 1)
    write(catalog, target(), 2, rows(1))
    write(catalog, target(), 3, rows(2))
    undo(catalog, 3)
    before = count_snapshots(catalog)
    undo(catalog, 3)
    undo(catalog, 4)
    assert (numbers(catalog), count_snapshots(catalog)) == ([1], before)


def test_rows_of_a_later_job_are_not_undone(catalog: "Catalog") -> None:
    write(catalog, target(), 2, rows(1))
    write(catalog, target(), 3, rows(2))
    write(catalog, target(), 4, rows(4))
    undo(catalog, 3)
    assert numbers(catalog) == [4]


def test_an_undone_replacement_gives_others_their_rows_back(catalog: "Catalog") -> None:
    write(catalog, target("dataset-2"), 1, rows(5))
    write(catalog, target(mode="replace"), 2, rows(1))
    undo(catalog, 2)
    assert numbers(catalog) == [5]


def test_rows_of_others_do_not_return_beside_newer_ones(catalog: "Catalog") -> None:
    write(catalog, target("dataset-2"), 1, rows(5))
    write(catalog, target(mode="replace"), 2, rows(1))
    write(catalog, target("dataset-2"), 3, rows(5, 6))
    undo(catalog, 2)
    assert numbers(catalog) == [5, 6]


def test_a_table_that_an_undone_job_has_made_takes_other_columns(catalog: "Catalog") -> None:
    write(catalog, target(), 2, rows(1))
    undo(catalog, 2, by=3)
    assert numbers(catalog) == []
    write(catalog, target(), 3, rows(4, name="m"))
    assert numbers(catalog, column="m") == [4]


def test_a_table_that_others_have_written_to_keeps_its_columns(catalog: "Catalog") -> None:
    write(catalog, target("dataset-2"), 1, rows(5))
    delete_rows(catalog, target("dataset-2"), WriteAttempt(2, 1))
    write(catalog, target(), 3, rows(1))
    undo(catalog, 3, by=4)
    with pytest.raises(Conflict) as caught:
        write(catalog, target(), 4, rows(4, name="m"))
    assert caught.value.code == "table_differs"


def test_a_superseded_job_commits_nothing_after_its_successor(catalog: "Catalog") -> None:
    write(catalog, target(), 3, rows(3))
    for change in (lambda: write(catalog, target(), 2, rows(2)), lambda: delete_late(catalog, 2)):
        with pytest.raises(Conflict) as caught:
            change()
        assert caught.value.code == "write_superseded"
    assert numbers(catalog) == [3]


def test_a_superseded_job_commits_nothing_after_it_was_undone(catalog: "Catalog") -> None:
    write(catalog, target(), 1, rows(1))
    write(catalog, target(), 2, rows(2))
    undo(catalog, 2, by=4)
    with pytest.raises(Conflict) as caught:
        write(catalog, target(), 3, rows(3))
    assert caught.value.code == "write_superseded"
    assert numbers(catalog) == [1]


def test_numbers_of_jobs_that_begin_again_are_no_successors(catalog: "Catalog") -> None:
    write(catalog, target(), 30, rows(3))
    later = load_table(catalog, TABLE).snapshots()[-1].timestamp_ms / 1000 + 1
    delete_rows(catalog, target(), WriteAttempt(2, 1, later))
    assert numbers(catalog) == []


def delete_late(catalog: "Catalog", job_id: int) -> None:
    delete_rows(catalog, target(), WriteAttempt(job_id, 1))
