"""An object store, here a folder: objects in and out, and its failures as errors of the platform."""

from pathlib import Path

import pytest

from dataml.errors import StartupError, Unavailable
from dataml.storage.objects import FileMissing, ObjectStore, translate_store_errors
from dataml.storage.storage import Storage
from tests.storage.stores import away


@pytest.fixture
def objects(store: Path) -> ObjectStore:
    return ObjectStore(f"file://{store}/prefix")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provide a folder with two files, and a link that is none."""
    path = tmp_path / "folder"
    (path / "deep").mkdir(parents=True)
    (path / "a").write_text("1")
    (path / "deep" / "b").write_text("2")
    (path / "link").symlink_to(path / "a")
    return path


def test_folder_is_uploaded_and_downloaded(objects: ObjectStore, folder: Path, tmp_path: Path) -> None:
    assert set(objects.upload(folder, "jobs/1.1")) == {"jobs/1.1/a", "jobs/1.1/deep/b"}
    objects.download("jobs/1.1", tmp_path / "copy")
    assert {path.name: path.read_text() for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {
        "a": "1",
        "b": "2",
    }


def test_excluded_files_are_not_uploaded(objects: ObjectStore, folder: Path) -> None:
    assert set(objects.upload(folder, "jobs/1.1", without=["jobs/1.1/a"])) == {"jobs/1.1/deep/b"}
    assert not objects.exists("jobs/1.1/a")


def test_object_and_prefix_exist(objects: ObjectStore, folder: Path) -> None:
    assert not objects.exists("jobs")
    assert set(objects.upload(folder / "a", "jobs/1.1/a")) == {"jobs/1.1/a"}
    assert objects.exists("jobs/1.1/a")
    assert objects.exists("jobs")


def test_absent_object_is_missing(objects: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        objects.download("jobs/1.1/a", tmp_path / "copy")
    objects.remove("jobs/1.1/a")


def test_download_never_overwrites_a_file(objects: ObjectStore, folder: Path) -> None:
    objects.upload(folder / "a", "a")
    with pytest.raises(Unavailable):
        objects.download("a", folder / "deep" / "b")
    assert (folder / "deep" / "b").read_text() == "2"


def test_objects_are_listed_with_the_time_of_writing(objects: ObjectStore, folder: Path) -> None:
    assert list(objects.list_objects("jobs")) == []
    objects.upload(folder, "jobs/1.1")
    listed = dict(objects.list_objects("jobs"))
    assert set(listed) == {"jobs/1.1/a", "jobs/1.1/deep/b"}
    assert listed["jobs/1.1/a"] == pytest.approx((folder / "a").stat().st_mtime, abs=3600)


def test_upload_to_an_unavailable_store_is_unavailable(objects: ObjectStore, folder: Path, store: Path) -> None:
    with away(store), pytest.raises(Unavailable) as refused:
        objects.upload(folder, "a")
    assert refused.value.code == "storage_unavailable"
    assert isinstance(refused.value.__cause__, OSError)


def test_full_disk_or_store_is_storage_full(storage: Storage) -> None:
    for error in (
        OSError(28, "No space left on device"),
        OSError("AWS Error UNKNOWN (HTTP status 507) during PutObject"),
    ):
        with pytest.raises(Unavailable) as refused, translate_store_errors():
            raise error
        assert (refused.value.status, refused.value.code) == (507, "storage_full")


@pytest.mark.parametrize("url", ["s3://key:very-secret@bucket/p?nonsense=1", "nonsense://key:very-secret@bucket"])
def test_start_refuses_a_bad_url_without_showing_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(StartupError) as refused:
        Storage(tmp_path, ObjectStore(url)).prepare()
    assert "very-secret" not in str(refused.value)
