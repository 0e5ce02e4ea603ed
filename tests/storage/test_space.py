"""Free space, the reserve, and which failures are for lack of space."""

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.errors import StorageFull
from dataml.storage import space
from dataml.storage.space import DiskSpace, format_bytes, free_bytes, is_exhausted, is_storage_full
from tests.storage.small_disks import filled, small_disk

MIB = 1 << 20


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
        OSError("AWS Error UNKNOWN (HTTP status 507) during PutObject"),
        OSError("AWS Error UNKNOWN: XMinioStorageFull"),
        RuntimeError("database or disk is full"),
    ],
)
def test_lack_of_space_is_recognised_in_an_error_and_in_its_cause(error: Exception) -> None:
    outer = ValueError("something else")
    outer.__cause__ = error
    assert is_storage_full(error)
    assert is_storage_full(outer)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("full"), KeyError("disk")])
def test_other_errors_are_not_lack_of_space(error: Exception) -> None:
    assert not is_storage_full(error)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_500_000_000, "1.5 GB"), (10**16, "10000.0 TB")],
)
def test_sizes_are_written_in_words(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text


def test_folder_that_does_not_exist_yet_has_the_space_of_its_disk(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.1)


def test_reserve_is_kept_beside_an_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda folder: 100 * MIB)
    DiskSpace((tmp_path,), 90 * MIB).require()
    monkeypatch.setattr(space.tempfile, "gettempdir", lambda: str(tmp_path))
    # The temporary copy is on the same disk.
    DiskSpace((tmp_path,), 90 * MIB).require(5 * MIB)
    with pytest.raises(StorageFull, match=r"104\.9 MB, and 107\.0 MB are needed"):
        DiskSpace((tmp_path,), 90 * MIB).require(6 * MIB)
    with pytest.raises(StorageFull) as refused:
        DiskSpace((tmp_path,), 101 * MIB).require()
    assert (refused.value.status, refused.value.code) == (507, "storage_full")


def test_temporary_folder_on_a_disk_of_its_own_must_have_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "temporary", 2 * MIB) as temporary:
        monkeypatch.setattr(space.tempfile, "gettempdir", lambda: str(temporary))
        DiskSpace((tmp_path,), 0).require(MIB)
        with pytest.raises(StorageFull, match="temporary files"):
            DiskSpace((tmp_path,), 0).require(3 * MIB)


def test_real_full_disk_is_recognised_by_python_and_by_arrow(tmp_path: Path) -> None:
    table = pa.table({"n": range(500_000)})
    with small_disk(tmp_path / "disk", 2 * MIB) as folder, filled(folder, left_bytes=200 << 10):
        assert not is_exhausted(folder)
        with pytest.raises(OSError) as by_python:  # noqa: PT011 - the kind of error is what is tested
            (folder / "a").write_bytes(bytes(MIB))
        (folder / "a").unlink()
        with pytest.raises(OSError) as by_arrow:  # noqa: PT011
            pq.write_table(table, folder / "b")
        with filled(folder):
            assert is_exhausted(folder)
    assert is_storage_full(by_python.value)
    assert is_storage_full(by_arrow.value)
