"""Files that live in an object store, of which a node's disk keeps copies: here the store is another folder."""

import os
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dataml.errors import StartupError, Unavailable
from dataml.storage.cache import evict_copies
from dataml.storage.objects import FileMissing, ObjectStore, translate_store_errors
from dataml.storage.storage import Storage
from tests.storage.stores import away

HOUR_S = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder that is the store."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def storage(tmp_path: Path, store: Path) -> Storage:
    """One node's."""
    return Storage(tmp_path / "here", ObjectStore(f"file://{store}/prefix"))


@pytest.fixture
def elsewhere(tmp_path: Path, storage: Storage) -> Storage:
    """Another node's, whose disk is empty."""
    return replace(storage, root=tmp_path / "elsewhere")


def make(storage: Storage, name: str, content: str = "content", hours: float = 0) -> Path:
    """A file that was written here, and last used some hours ago."""
    path = storage.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    age(path, hours)
    return path


def published(storage: Storage, name: str, hours: float) -> Path:
    """A file that the store has too, and that was last used some hours ago."""
    path = make(storage, name)
    storage.publish(name)
    age(path, hours)
    return path


def look_for_room(storage: Storage) -> None:
    """Whatever comes or goes makes room for itself."""
    make(storage, "files/t/new/1", "")
    storage.publish("files/t/new/1")


def age(path: Path, hours: float) -> None:
    os.utime(path, (time.time() - hours * HOUR_S,) * 2)


def test_what_one_node_has_published_another_one_finds(storage: Storage, elsewhere: Storage) -> None:
    make(storage, "files/t/a/1.csv", "x\n1\n")
    make(storage, "jobs/1.1/bundle/manifest.json", "{}")
    make(storage, "jobs/1.1/bundle/deep/model.ubj", "model")
    storage.publish("files/t/a")
    storage.publish("jobs/1.1")
    assert elsewhere.fetch("files/t/a/1.csv").read_text() == "x\n1\n"
    bundle = elsewhere.fetch("jobs/1.1/bundle")
    found = {path.relative_to(bundle).as_posix(): path.read_text() for path in bundle.rglob("*") if path.is_file()}
    assert found == {"manifest.json": "{}", "deep/model.ubj": "model"}
    assert {path.name for path in elsewhere.root.glob("jobs/1.1/*")} == {"bundle"}, "and nothing unfinished beside it"


def test_what_is_here_is_not_brought_again(storage: Storage, elsewhere: Storage, store: Path) -> None:
    make(storage, "files/t/a/1.csv")
    storage.publish("files/t/a/1.csv")
    elsewhere.fetch("files/t/a/1.csv")
    shutil.rmtree(store / "prefix")
    assert elsewhere.fetch("files/t/a/1.csv").read_text() == "content"


def test_what_the_store_has_lost_is_said(storage: Storage) -> None:
    with pytest.raises(FileMissing) as refused:
        storage.fetch("files/t/a/1.csv")
    assert (refused.value.status, refused.value.code) == (404, "file_missing")
    assert not list(storage.root.rglob("*.csv"))


def test_several_may_fetch_a_folder_at_once(storage: Storage, elsewhere: Storage) -> None:
    for number in range(20):
        make(storage, f"jobs/1.1/bundle/{number}", str(number))
    storage.publish("jobs/1.1")
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(elsewhere.fetch, ["jobs/1.1/bundle"] * 16))
    assert {path.name for path in folders[0].iterdir()} == {str(number) for number in range(20)}
    assert [path.name for path in elsewhere.root.glob("jobs/1.1/*")] == ["bundle"]


def test_a_store_that_is_away_is_named_and_nothing_half_is_left(storage: Storage, store: Path) -> None:
    path = make(storage, "files/t/a/1.csv")
    with away(store):
        with pytest.raises(Unavailable) as refused:
            storage.publish("files/t/a")
        assert refused.value.code == "storage_unavailable"
        with pytest.raises(Unavailable):
            storage.fetch("files/t/a/2.csv")
        storage.remove("files/t/a")
    assert not path.exists()
    assert not list(storage.root.rglob("*.*"))


def test_a_job_asks_a_store_again_that_was_away_for_a_moment(
    storage: Storage, elsewhere: Storage, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(storage, "files/t/a/1.csv")
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


def test_a_disk_or_a_store_that_is_full_is_called_so(storage: Storage) -> None:
    for error in (
        OSError(28, "No space left on device"),
        OSError("AWS Error UNKNOWN (HTTP status 507) during PutObject"),
    ):
        with pytest.raises(Unavailable) as refused, translate_store_errors():
            raise error
        assert (refused.value.status, refused.value.code) == (503, "storage_full")


def test_what_is_removed_is_removed_from_the_store_too(storage: Storage, store: Path) -> None:
    make(storage, "files/t/a/1.csv")
    make(storage, "files/t/a/2.csv")
    storage.publish("files/t/a")
    storage.remove("files/t/a/1.csv")
    assert [path.name for path in store.rglob("*.csv")] == ["2.csv"]
    storage.remove("files/t/a")
    storage.remove("files/t/a")
    assert not list(store.rglob("*.csv"))
    assert not storage.path("files/t/a").exists()


def test_folders_are_told_whether_they_are_here_or_in_the_store(storage: Storage, elsewhere: Storage) -> None:
    make(storage, "files/t/a/1.csv")
    make(storage, "jobs/1.1/bundle/manifest.json")
    storage.publish("files/t/a")
    storage.publish("jobs/1.1")
    make(elsewhere, "jobs/2.1/data.parquet")
    found = elsewhere.list_folders()
    assert set(found) == {"files/t/a", "jobs/1.1", "jobs/2.1"}
    assert all(abs(written - time.time()) < HOUR_S for written in found.values())


def test_what_was_used_longest_ago_makes_room(storage: Storage) -> None:
    for number, hours in ((1, 5), (2, 9), (3, 7)):
        published(storage, f"files/t/a/{number}.csv", hours)
    bounded = replace(storage, cache_bytes=len("content") * 5 // 2)
    look_for_room(bounded)
    assert {path.name for path in bounded.root.rglob("*.csv")} == {"1.csv", "3.csv"}
    assert bounded.fetch("files/t/a/2.csv").read_text() == "content"


def test_a_folder_goes_as_a_whole(storage: Storage) -> None:
    model = published(storage, "jobs/1.1/bundle/model", 2)
    make(storage, "jobs/1.1/bundle/manifest.json")
    storage.publish("jobs/1.1")
    age(model.parent, 2)
    look_for_room(replace(storage, cache_bytes=0))
    assert not list(model.parents[1].iterdir())


def test_what_was_used_within_the_hour_stays_however_full_it_is(storage: Storage) -> None:
    bounded = replace(storage, cache_bytes=0)
    file, model = published(storage, "files/t/a/1.csv", 2), published(storage, "jobs/1.1/bundle/model", 2)
    age(model.parent, 2)
    bounded.fetch("files/t/a/1.csv")
    bounded.fetch("jobs/1.1/bundle")
    look_for_room(bounded)
    assert file.exists()
    assert model.exists()


def test_what_the_store_does_not_have_stays_for_a_day(storage: Storage) -> None:
    young = make(storage, "jobs/1.1/data.parquet", hours=5)
    old = make(storage, "jobs/2.1/data.parquet", hours=25)
    copy = published(storage, "files/t/a/1.csv", 2)
    look_for_room(replace(storage, cache_bytes=0))
    assert young.exists()
    assert not old.exists()
    assert not copy.exists()


def test_no_copy_goes_while_the_store_is_away(storage: Storage, store: Path) -> None:
    copy = published(storage, "files/t/a/1.csv", 2)
    assert storage.store is not None
    with away(store):
        evict_copies(storage.root, 0, storage.store)
    assert copy.exists()


def test_a_copy_of_a_file_keeps_the_time_by_which_clients_know_it(storage: Storage) -> None:
    path = make(storage, "files/t/a/1.csv", hours=2)
    before = path.stat().st_mtime
    assert storage.fetch("files/t/a/1.csv").stat().st_mtime == pytest.approx(before, abs=1e-3)


def test_storage_goes_to_other_processes_and_never_shows_its_key() -> None:
    storage = Storage(Path("/here"), ObjectStore("s3://key:very-secret@bucket/prefix"))
    assert pickle.loads(pickle.dumps(storage)) == storage
    assert "very-secret" not in repr(storage)


def test_a_start_tries_the_store(storage: Storage, store: Path) -> None:
    storage.prepare()
    assert not [path for path in store.rglob("*") if path.is_file()]
    with away(store), pytest.raises(StartupError, match="DATAML_STORAGE_URL: "):
        storage.prepare()


@pytest.mark.parametrize("url", ["s3://key:very-secret@bucket/p?nonsense=1", "nonsense://key:very-secret@bucket"])
def test_a_start_refuses_a_url_of_no_store_without_telling_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(StartupError) as refused:
        Storage(tmp_path, ObjectStore(url)).prepare()
    assert "very-secret" not in str(refused.value)


def test_without_a_store_what_is_here_is_all_there_is(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    make(storage, "files/t/a/1.csv", hours=2)
    storage.publish("files/t/a")
    storage.evict("files/t/a")
    look_for_room(replace(storage, cache_bytes=0))
    assert storage.fetch("files/t/a/1.csv").read_text() == "content"
    assert set(storage.list_folders()) >= {"files/t/a"}
