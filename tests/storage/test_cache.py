"""Eviction of copies of objects: the least recently used ones go, and no file that is needed."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataml.storage.cache import evict_copies, mark_used
from dataml.storage.storage import Storage
from tests.storage.stores import away, make_file, publish_file, publish_new_file, set_age


def test_least_recently_used_copy_is_evicted(storage: Storage) -> None:
    for number, hours in ((1, 5), (2, 9), (3, 7)):
        publish_file(storage, f"files/t/a/{number}.csv", hours)
    bounded = replace(storage, cache_bytes=len("content") * 5 // 2)
    publish_new_file(bounded)
    assert {path.name for path in bounded.root.rglob("*.csv")} == {"1.csv", "3.csv"}
    assert bounded.fetch("files/t/a/2.csv").read_text() == "content"


def test_folder_is_evicted_as_a_whole(storage: Storage) -> None:
    model = publish_file(storage, "jobs/1.1/bundle/model", 2)
    make_file(storage, "jobs/1.1/bundle/manifest.json")
    storage.publish("jobs/1.1")
    set_age(model.parent, 2)
    publish_new_file(replace(storage, cache_bytes=0))
    assert not list(model.parents[1].iterdir())


def test_copy_used_within_the_hour_stays_beyond_the_limit(storage: Storage) -> None:
    bounded = replace(storage, cache_bytes=0)
    file, model = publish_file(storage, "files/t/a/1.csv", 2), publish_file(storage, "jobs/1.1/bundle/model", 2)
    set_age(model.parent, 2)
    bounded.fetch("files/t/a/1.csv")
    bounded.fetch("jobs/1.1/bundle")
    publish_new_file(bounded)
    assert file.exists()
    assert model.exists()


def test_file_that_the_store_lacks_stays_for_a_day(storage: Storage) -> None:
    young = make_file(storage, "jobs/1.1/data.parquet", hours=5)
    old = make_file(storage, "jobs/2.1/data.parquet", hours=25)
    copy = publish_file(storage, "files/t/a/1.csv", 2)
    publish_new_file(replace(storage, cache_bytes=0))
    assert young.exists()
    assert not old.exists()
    assert not copy.exists()


def test_no_copy_is_evicted_while_the_store_is_away(storage: Storage, store: Path) -> None:
    copy = publish_file(storage, "files/t/a/1.csv", 2)
    assert storage.store is not None
    with away(store):
        evict_copies(storage.root, 0, storage.store)
    assert copy.exists()


def test_fetched_file_keeps_its_modification_time(storage: Storage) -> None:
    path = make_file(storage, "files/t/a/1.csv", hours=2)
    before = path.stat().st_mtime
    assert storage.fetch("files/t/a/1.csv").stat().st_mtime == pytest.approx(before, abs=1e-3)


def test_use_of_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mark_used(tmp_path / "absent")
