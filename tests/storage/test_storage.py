"""Storage names, and the names users give."""

import asyncio
import io
from pathlib import Path

import pytest

from dataml.errors import NotFound, TooLarge
from dataml.storage.names import display_name
from dataml.storage.storage import Storage


@pytest.mark.parametrize("name", ["", "/etc/passwd", "..", "files/../../x", "a\\..\\b", "a\0b", "../root2/x"])
def test_a_name_never_leads_out_of_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        Storage(tmp_path).path(name)


def test_a_link_never_leads_out_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        Storage(tmp_path / "root").path("link")


def test_two_uploads_have_folders_of_their_own(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.new_upload_folder("t") != storage.new_upload_folder("t")


def test_writing_stops_at_the_budget(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert asyncio.run(storage.write("a/1.csv", io.BytesIO(b"12345"), 5)) == 5
    with pytest.raises(TooLarge):
        asyncio.run(storage.write("a/2.csv", io.BytesIO(b"123456"), 5))
    asyncio.run(storage.delete("a"))
    asyncio.run(storage.delete("a"))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("data.csv", "data.csv"),
        ("/etc/data.csv", "data.csv"),
        ("C:\\Users\\me\\data.csv", "data.csv"),
        ("../..", "file"),
        ("", "file"),
        ("\u202etxt.csv", "txt.csv"),
        ("a\x00\r\nb.csv", "ab.csv"),
        ("n" * 300 + ".csv", "n" * 251 + ".csv"),
        ("n." + "x" * 300, "n." + "x" * 253),
        ("größe 数据.csv", "größe 数据.csv"),
    ],
)
def test_a_display_name_has_only_what_can_be_shown(given: str, shown: str) -> None:
    assert display_name(given) == shown
