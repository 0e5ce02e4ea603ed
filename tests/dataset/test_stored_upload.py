"""The files of an upload are kept when its transaction is committed, and removed after every failure before that."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import UploadFile

from dataml.dataset.stored_upload import StoredUpload, stored_upload
from dataml.errors import DatamlError
from dataml.storage.storage import Storage

BUDGET_BYTES = 100


def files_on_disk(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def upload(
    root: Path,
    *files: tuple[str, bytes],
    use: Callable[[StoredUpload], Awaitable[Any]],
) -> Any:
    """Store files, and return the result of `use`."""
    parts = [UploadFile(io.BytesIO(content), size=len(content), filename=name) for name, content in files]

    async def store() -> Any:
        async with stored_upload(Storage(root), "tenant", parts, BUDGET_BYTES, None) as stored:
            return await use(stored)

    return asyncio.run(store())


async def succeed() -> str:
    await asyncio.sleep(0)
    return "committed"


async def fail() -> None:
    await asyncio.sleep(0)
    raise RuntimeError


def test_files_are_kept_by_a_commit(tmp_path: Path) -> None:
    async def use(stored: StoredUpload) -> str:
        assert [(file.name, file.format, file.size_bytes) for file in stored.files] == [("a.csv", "csv", 4)]
        assert not stored.is_kept
        await stored.publish()
        return await stored.commit(succeed())

    assert upload(tmp_path, ("a.csv", b"n\n1\n"), use=use) == "committed"
    assert files_on_disk(tmp_path) == ["1.csv"]


def test_files_are_removed_when_nothing_is_committed(tmp_path: Path) -> None:
    async def use(stored: StoredUpload) -> None:
        assert files_on_disk(tmp_path) == ["1.csv", "2.csv"]

    upload(tmp_path, ("a.csv", b"n\n1\n"), ("b.csv", b"n\n2\n"), use=use)
    assert files_on_disk(tmp_path) == []


def test_files_are_removed_when_a_check_fails(tmp_path: Path) -> None:
    async def use(stored: StoredUpload) -> None:
        raise DatamlError("no")

    with pytest.raises(DatamlError):
        upload(tmp_path, ("a.csv", b"n\n1\n"), use=use)
    assert files_on_disk(tmp_path) == []


def test_files_are_removed_when_the_transaction_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        upload(tmp_path, ("a.csv", b"n\n1\n"), use=lambda stored: stored.commit(fail()))
    assert files_on_disk(tmp_path) == []


def test_files_are_kept_when_the_request_is_cancelled_during_the_transaction(tmp_path: Path) -> None:
    async def cancel_midway() -> None:
        begun, committed = asyncio.Event(), asyncio.Event()
        part = UploadFile(io.BytesIO(b"n\n1\n"), filename="a.csv")

        async def commit() -> None:
            begun.set()
            await asyncio.sleep(0.05)
            committed.set()

        async def request() -> None:
            async with stored_upload(Storage(tmp_path), "tenant", [part], BUDGET_BYTES, None) as stored:
                await stored.commit(commit())

        task = asyncio.create_task(request())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not committed.is_set()
        await committed.wait()

    asyncio.run(cancel_midway())
    assert files_on_disk(tmp_path) == ["1.csv"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("a.csv", b"n\n1\n"), ("b.csv", b"n\n1,2\n")], "ragged_row"),
        ([("a.csv", b"n\n1\n"), ("b.csv", b"m\n1\n")], "different_columns"),
        ([("a.csv", b"n\n1\n"), ("b.json", b"n\n1\n")], "unsupported_file"),
        ([("a.csv", b"n\n" + b"1\n" * 30), ("b.csv", b"n\n" + b"1\n" * 30)], "upload_too_large"),
    ],
)
def test_a_refused_file_removes_those_stored_before_it(
    tmp_path: Path, files: list[tuple[str, bytes]], code: str
) -> None:
    with pytest.raises(DatamlError) as caught:
        upload(tmp_path, *files, use=lambda stored: stored.commit(succeed()))
    assert caught.value.code == code
    assert files_on_disk(tmp_path) == []
