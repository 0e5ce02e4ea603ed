"""Display names of files."""

import pytest

from dataml.storage.names import display_name


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
def test_display_name_has_only_visible_characters(given: str, shown: str) -> None:
    assert display_name(given) == shown
