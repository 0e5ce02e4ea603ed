"""Files of a warehouse on this disk survive a loss of power."""

from pathlib import Path

import pytest

from dataml.iceberg.file_io import DurableFileIO
from dataml.storage import disk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths in the order in which they were flushed to the disk."""
    paths: list[Path] = []
    sync = disk.sync

    def record(path: Path) -> None:
        paths.append(path)
        sync(path)

    monkeypatch.setattr(disk, "sync", record)
    return paths


def test_file_and_its_folders_are_on_disk_once_it_is_closed(tmp_path: Path, synced: list[Path]) -> None:
    path = tmp_path / "table" / "data" / "1.parquet"
    with DurableFileIO().new_output(str(path)).create() as stream:
        stream.write(b"content")
        assert not synced
    assert synced == [path, path.parent, path.parent.parent]
    assert path.read_bytes() == b"content"


def test_file_is_flushed_once(tmp_path: Path, synced: list[Path]) -> None:
    stream = DurableFileIO().new_output(str(tmp_path / "data" / "1.parquet")).create()
    stream.close()
    stream.close()
    assert len(synced) == 3


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "data" / "1.parquet"
    output = DurableFileIO().new_output(str(path))
    with output.create() as stream:
        stream.write(b"first")
    with pytest.raises(FileExistsError):
        output.create()
    assert path.read_bytes() == b"first"
