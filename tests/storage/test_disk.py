"""Files on this node's disk."""

import io
import os
from pathlib import Path

import pytest

from dataml.errors import TooLarge
from dataml.storage import disk


def unlimited(size_bytes: int) -> None:
    return


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Provide the paths of what is flushed to the disk, in order."""
    paths: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return paths


def test_written_file_is_flushed_with_its_folders(tmp_path: Path, flushed: list[str]) -> None:
    path = tmp_path / "files" / "t" / "a" / "1.csv"
    assert disk.write(io.BytesIO(b"content"), path, tmp_path, unlimited) == 7
    assert path.read_bytes() == b"content"
    assert flushed == [str(path), *map(str, list(path.parents)[:4])]


def test_folder_is_flushed_with_all_that_is_in_it_and_what_leads_to_it(folder: Path, flushed: list[str]) -> None:
    disk.sync_all(folder / "deep", folder.parent)
    assert sorted(flushed[:2]) == [str(folder / "deep"), str(folder / "deep" / "b")]
    assert flushed[2:] == [str(folder), str(folder.parent)]


def test_file_that_goes_meanwhile_is_not_flushed(folder: Path, flushed: list[str]) -> None:
    (folder / "a").unlink()
    disk.sync_all(folder / "a", folder)
    assert flushed == [str(folder)]


def test_check_is_called_with_the_growing_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "CHUNK_BYTES", 2)
    sizes: list[int] = []
    disk.write(io.BytesIO(b"12345"), tmp_path / "a" / "b" / "c", tmp_path, sizes.append)
    assert sizes == [2, 4, 5]


def test_refused_chunk_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "CHUNK_BYTES", 2)

    def refuse(size_bytes: int) -> None:
        if size_bytes > 2:
            raise TooLarge("too much", code="upload_too_large")

    with pytest.raises(TooLarge):
        disk.write(io.BytesIO(b"12345"), tmp_path / "a" / "b" / "c", tmp_path, refuse)
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"12"


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    disk.write(io.BytesIO(b"first"), path, tmp_path, unlimited)
    with pytest.raises(FileExistsError):
        disk.write(io.BytesIO(b"second"), path, tmp_path, unlimited)
    assert path.read_bytes() == b"first"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provide a folder with two files, and links to a file and to a folder outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("content")
    path = tmp_path / "folder"
    (path / "deep").mkdir(parents=True)
    (path / "a").write_text("1")
    (path / "deep" / "b").write_text("22")
    (path / "link").symlink_to(outside / "kept")
    (path / "deep" / "link").symlink_to(outside)
    return path


def test_links_are_not_listed(folder: Path) -> None:
    assert disk.list_files(folder) == [folder / "a", folder / "deep" / "b"]
    assert disk.list_files(folder / "a") == [folder / "a"]


def test_size_of_a_folder_is_that_of_its_files(folder: Path) -> None:
    links = sum(path.lstat().st_size for path in (folder / "link", folder / "deep" / "link"))
    assert disk.size_bytes(folder) == 3 + links
    assert disk.size_bytes(folder / "deep" / "b") == 2
    with pytest.raises(FileNotFoundError):
        disk.size_bytes(folder / "absent")


def test_targets_of_links_are_not_removed(folder: Path, tmp_path: Path) -> None:
    disk.remove(folder / "deep" / "link")
    assert not (folder / "deep" / "link").is_symlink()
    disk.remove(folder)
    assert not folder.exists()
    assert (tmp_path / "outside" / "kept").read_text() == "content"


def test_removal_of_an_absent_file_is_no_error(tmp_path: Path) -> None:
    disk.remove(tmp_path / "absent")
