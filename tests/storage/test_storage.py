"""Files by storage name, on this disk and in an object store behind it, here another folder."""

import asyncio
import io
import os
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dataml.errors import NotFound, StartupError, TooLarge, Unavailable
from dataml.storage.objects import FileMissing, ObjectStore
from dataml.storage.storage import Storage
from tests.storage.stores import HOUR_S, away, make_file, publish_new_file


@pytest.mark.parametrize("name", ["", "/etc/passwd", "..", "files/../../x", "a\\..\\b", "a\0b", "../root2/x"])
def test_name_never_leads_out_of_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        Storage(tmp_path).path(name)


def test_link_never_leads_out_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        Storage(tmp_path / "root").path("link")


def test_each_upload_has_a_folder_of_its_own(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.new_upload_folder("t") != storage.new_upload_folder("t")


def test_write_stops_at_the_budget(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert asyncio.run(storage.write("a/1.csv", io.BytesIO(b"12345"), 5)) == 5
    with pytest.raises(TooLarge):
        asyncio.run(storage.write("a/2.csv", io.BytesIO(b"123456"), 5))
    asyncio.run(storage.delete("a"))
    asyncio.run(storage.delete("a"))
    assert not (tmp_path / "a").exists()


def test_published_files_are_fetched_by_another_node(storage: Storage, elsewhere: Storage) -> None:
    make_file(storage, "files/t/a/1.csv", "x\n1\n")
    make_file(storage, "jobs/1.1/bundle/manifest.json", "{}")
    make_file(storage, "jobs/1.1/bundle/deep/model.ubj", "model")
    storage.publish("files/t/a")
    storage.publish("jobs/1.1")
    assert elsewhere.fetch("files/t/a/1.csv").read_text() == "x\n1\n"
    bundle = elsewhere.fetch("jobs/1.1/bundle")
    found = {path.relative_to(bundle).as_posix(): path.read_text() for path in bundle.rglob("*") if path.is_file()}
    assert found == {"manifest.json": "{}", "deep/model.ubj": "model"}
    assert {path.name for path in elsewhere.root.glob("jobs/1.1/*")} == {"bundle"}, "and nothing unfinished beside it"


def test_file_on_this_disk_is_not_downloaded_again(storage: Storage, elsewhere: Storage, store: Path) -> None:
    make_file(storage, "files/t/a/1.csv")
    storage.publish("files/t/a/1.csv")
    elsewhere.fetch("files/t/a/1.csv")
    shutil.rmtree(store / "prefix")
    assert elsewhere.fetch("files/t/a/1.csv").read_text() == "content"


def test_file_that_the_store_has_lost_is_missing(storage: Storage) -> None:
    with pytest.raises(FileMissing) as refused:
        storage.fetch("files/t/a/1.csv")
    assert (refused.value.status, refused.value.code) == (404, "file_missing")
    assert not list(storage.root.rglob("*.csv"))


def test_folder_may_be_fetched_concurrently(storage: Storage, elsewhere: Storage) -> None:
    for number in range(20):
        make_file(storage, f"jobs/1.1/bundle/{number}", str(number))
    storage.publish("jobs/1.1")
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(elsewhere.fetch, ["jobs/1.1/bundle"] * 16))
    assert {path.name for path in folders[0].iterdir()} == {str(number) for number in range(20)}
    assert [path.name for path in elsewhere.root.glob("jobs/1.1/*")] == ["bundle"]


def test_unavailable_store_leaves_no_partial_files(storage: Storage, store: Path) -> None:
    path = make_file(storage, "files/t/a/1.csv")
    with away(store):
        with pytest.raises(Unavailable) as refused:
            storage.publish("files/t/a")
        assert refused.value.code == "storage_unavailable"
        with pytest.raises(Unavailable):
            storage.fetch("files/t/a/2.csv")
        storage.remove("files/t/a")
    assert not path.exists()
    assert not list(storage.root.rglob("*.*"))


def test_operation_on_a_store_that_is_away_for_a_moment_is_retried(
    storage: Storage, elsewhere: Storage, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file(storage, "files/t/a/1.csv")
    gone = store.with_name("gone")
    store.rename(gone)
    store.write_text("in the way of a folder")
    waits: list[float] = []

    def come_back(seconds: float) -> None:
        waits.append(seconds)
        store.unlink()
        gone.rename(store)

    monkeypatch.setattr("dataml.storage.storage.time.sleep", come_back)
    replace(storage, retry_timeout_s=60).publish("files/t/a")
    assert len(waits) == 1
    assert elsewhere.fetch("files/t/a/1.csv").read_text() == "content"


def test_removed_file_is_removed_from_the_store_too(storage: Storage, store: Path) -> None:
    make_file(storage, "files/t/a/1.csv")
    make_file(storage, "files/t/a/2.csv")
    storage.publish("files/t/a")
    storage.remove("files/t/a/1.csv")
    assert [path.name for path in store.rglob("*.csv")] == ["2.csv"]
    storage.remove("files/t/a")
    storage.remove("files/t/a")
    assert not list(store.rglob("*.csv"))
    assert not storage.path("files/t/a").exists()


def test_folders_are_listed_from_disk_and_store(storage: Storage, elsewhere: Storage) -> None:
    make_file(storage, "files/t/a/1.csv")
    make_file(storage, "jobs/1.1/bundle/manifest.json")
    storage.publish("files/t/a")
    storage.publish("jobs/1.1")
    make_file(elsewhere, "jobs/2.1/data.parquet")
    found = elsewhere.list_folders()
    assert set(found) == {"files/t/a", "jobs/1.1", "jobs/2.1"}
    assert all(abs(written - time.time()) < HOUR_S for written in found.values())


def test_storage_is_pickled_and_never_shows_its_key() -> None:
    storage = Storage(Path("/here"), ObjectStore("s3://key:very-secret@bucket/prefix"))
    assert pickle.loads(pickle.dumps(storage)) == storage
    assert "very-secret" not in repr(storage)


def test_start_tests_the_store(storage: Storage, store: Path) -> None:
    storage.prepare()
    assert not [path for path in store.rglob("*") if path.is_file()]
    with away(store), pytest.raises(StartupError, match="DATAML_STORAGE_URL: "):
        storage.prepare()


def test_without_a_store_the_disk_has_all_files(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    make_file(storage, "files/t/a/1.csv", hours=2)
    storage.publish("files/t/a")
    storage.evict("files/t/a")
    publish_new_file(replace(storage, cache_bytes=0))
    assert storage.fetch("files/t/a/1.csv").read_text() == "content"
    assert set(storage.list_folders()) >= {"files/t/a"}


def test_published_folder_is_on_this_disk_also_without_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    storage = Storage(tmp_path)
    path = make_file(storage, "jobs/1.1/model/manifest.json")
    storage.publish("jobs/1.1")
    assert set(flushed) >= {str(path), *map(str, list(path.parents)[:4])}
